import type { Answer } from "../../answer/answer.ts";
import { askAnswer, questionOf } from "../../answer/ask-answer.ts";
import { askHostSaid } from "../../answer/host-said.ts";
import { changeTexts, historyTexts, momentText } from "../../answer/words.ts";
import { isStateEvidence } from "../../diagnosis/state-cause.ts";
import type { Evidence } from "../../model/attempt.ts";
import type { StoredAttempt } from "../../store/attempt-store.ts";
import type { Sighting } from "../../store/record-stores.ts";
import { createPaint, formatTime, type Paint, printable } from "../../terminal-text.ts";
import { wrap } from "../../text-columns.ts";
import { type Command, EXIT, UsageError } from "../command.ts";
import { documentText } from "../json/document.ts";
import { attemptJson } from "../json/starts.ts";
import {
  findCatalogue,
  findSurroundings,
  HISTORY_OPTIONS,
  HISTORY_OPTIONS_HELP,
  signatureLookup,
  withHistory,
} from "../surroundings.ts";
import { whatWasSaid } from "../what-was-said.ts";
import { outcomeWord } from "./starts.ts";

/** Everything about one start. */
export const showCommand: Command = {
  name: "show",
  summary: "Shows one start: what was said, by whom and when, why it failed and what to do.",
  usage: "[ATTEMPT] [--json]",
  help: `
ATTEMPT is the number that 'vfio-watch starts' prints; without it the newest failed start.

${HISTORY_OPTIONS_HELP}

Exit code: 0 for a good start, 3 for one that failed.
JSON: {"number","vm","outcome",… as in 'starts',"diagnosis":{"summary","causes",…},"evidence":[{"at","source","kind","text",
"count","matches"}],"evidenceLeftOut","hostSaid":[{"at","lastAt","count","signature","device","text"}],"answer":{"class","certainty","why","here","lastGood","failing","comparedWith",
"changes":[{"knob","sentence","consequences","isNew","probability"}],"otherChanges","demand",
"goBack":[{"knob","to","sentence"}],"remedies"}}.
Example: vfio-watch show 12`,
  options: HISTORY_OPTIONS,
  run(args, io) {
    const [wanted, ...others] = args.positionals;
    if (others.length > 0) throw new UsageError("one start at a time");
    const surroundings = findSurroundings(io.env, args.text("database"));
    const catalogue = findCatalogue(surroundings, io);
    const signatures = signatureLookup(catalogue);
    return withHistory(surroundings.database, io, (store) => {
      const newest =
        wanted === undefined ? store.attempts.list({ failedOnly: true, limit: 1 })[0]?.id : undefined;
      const key = wanted?.replace(/^#/, "") ?? newest;
      const attempt = key === undefined ? undefined : store.attempts.full(key, signatures);
      if (attempt === undefined) {
        io.err(
          wanted === undefined
            ? "vfio-watch: no failed start is on record.\n"
            : `vfio-watch: there is no start ${printable(wanted)}; 'vfio-watch starts' lists them.\n`,
        );
        return EXIT.failure;
      }
      const answer = askAnswer(store, questionOf(attempt, attempt.number, attempt.snapshotId), catalogue);
      const said = askHostSaid(store, attempt, catalogue);
      if (args.flag("json")) io.out(documentText(attemptJson(attempt, said, answer)));
      else io.out(`${describeAttempt(attempt, said, answer, createPaint(io.color), io.columns)}\n`);
      return attempt.outcome === "started" || attempt.outcome === undefined ? EXIT.ok : EXIT.findings;
    });
  },
};

/** The attempt as a page for a person. */
export function describeAttempt(
  attempt: StoredAttempt,
  hostSaid: readonly Sighting[],
  answer: Answer,
  paint: Paint,
  columns: number,
): string {
  const { here, cause, others } = answer;
  const boot = attempt.bootId ?? "unknown";
  const lines = [
    `${paint("bold", `Start #${attempt.number} of '${printable(attempt.vm)}'`)}  ${outcomeWord(attempt.outcome, paint, attempt.diagnosis !== undefined)}${attempt.origin === "imported" ? "  (imported)" : ""}`,
    wrap(
      `${formatTime(attempt.openedAt)}, boot ${here.boot === undefined ? boot : `b${here.boot} (${boot})`}`,
      columns,
      "  ",
    ),
    wrap(
      `BIOS ${printable(here.bios ?? "not on record")}, kernel ${printable(here.kernel ?? "not on record")}`,
      columns,
      "  ",
    ),
  ];
  if (attempt.devices.length > 0) {
    const groups = attempt.groups.length > 0 ? `, IOMMU group ${attempt.groups.join(", ")}` : "";
    lines.push(wrap(`Devices: ${attempt.devices.join(", ")}${groups}`, columns, "  "));
  }
  const told = (text: string, lead = "", indent = lead.length) =>
    wrap(`${lead}${printable(text)}`, columns, " ".repeat(indent));
  if (attempt.diagnosis !== undefined && attempt.outcome === undefined)
    lines.push("", told(attempt.diagnosis.summary));
  else if (attempt.diagnosis !== undefined) {
    lines.push("", paint("bold", "Why"), told(answer.why));
    if (cause !== undefined)
      lines.push(
        `(${cause.class}, ${cause.certainty})`,
        ...cause.evidence.filter(isStateEvidence).map((line) => told(`seen: ${line}`, "", 2)),
      );
    lines.push(
      ...others.map((other) =>
        told(`${other.cause.sentence} (${other.cause.class})`, `Also ${other.cause.certainty}: `, 3),
      ),
    );
    lines.push("", paint("bold", "Since when"), ...historyTexts(answer).map((text) => told(text, "", 2)));
    if (answer.remedies.length > 0) lines.push("", paint("bold", "What to do"));
    lines.push(...answer.remedies.map((remedy, index) => told(remedy, `${index + 1}. `)));
    if (attempt.diagnosis.noEffect.length > 0) {
      lines.push("", paint("bold", "What has no effect here, whatever people say"));
      lines.push(...attempt.diagnosis.noEffect.map((advice) => told(advice, "- ")));
    }
  } else if (answer.lastGood !== undefined)
    lines.push(
      "",
      told(`The good start before it: ${momentText(answer.lastGood)}.`),
      ...changeTexts(answer).map((text) => told(text, "- ")),
    );
  if (hostSaid.length > 0)
    lines.push(
      "",
      paint("bold", "What the kernel said in this boot beside its starts"),
      ...hostSaid.map((sighting) => told(saidTimes(sighting), "", 2)),
    );
  lines.push("", paint("bold", "What was said, in order"));
  lines.push(...attempt.evidence.map((entry) => evidenceLine(entry, attempt.openedAt, paint, columns)));
  if (attempt.evidenceLeftOut > 0) lines.push(`(${attempt.evidenceLeftOut} more lines were not kept)`);
  return lines.join("\n");
}

function saidTimes({ firstAt, lastAt, count, text }: Sighting): string {
  const again = count > 1 ? ` (${count} times, last ${formatTime(lastAt)})` : "";
  return `${formatTime(firstAt)}  ${text}${again}`;
}

function evidenceLine(entry: Evidence, openedAt: number, paint: Paint, columns: number): string {
  const { observation, matches, count } = entry;
  const offset = `${((observation.at - openedAt) / 1000).toFixed(3).padStart(9)} s`;
  const decisive = matches.some(({ signature }) => signature.role === "cause");
  const text = printable(whatWasSaid(observation));
  const repeated = count > 1 ? ` (${count} times)` : "";
  const line = `${offset}  ${observation.source.padEnd(12)}  ${text}${repeated}`;
  return wrap(decisive ? paint("red", line) : line, columns, " ".repeat(27));
}
