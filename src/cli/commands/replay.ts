import type { Answer } from "../../answer/answer.ts";
import { askAnswer, questionOf } from "../../answer/ask-answer.ts";
import { answerJson } from "../../answer/json.ts";
import { historyTexts } from "../../answer/words.ts";
import { askBlame } from "../../history/ask-blame.ts";
import type { StartAttempt } from "../../model/attempt.ts";
import { type RecordedBoot, readRecordings } from "../../replay/recording.ts";
import { asTheyHappened, replay } from "../../replay/replay.ts";
import { createPaint, formatTime, type Paint, printable } from "../../terminal-text.ts";
import { wrap } from "../../text-columns.ts";
import { type Command, EXIT, UsageError } from "../command.ts";
import { blameToJson } from "../json/blame.ts";
import { documentText, timeJson } from "../json/document.ts";
import { diagnosisJson } from "../json/starts.ts";
import { findCatalogue, findSurroundings } from "../surroundings.ts";
import { renderBlame } from "./blame.ts";
import { outcomeWord } from "./starts.ts";

/** A recorded host through the pipeline of the service. */
export const replayCommand: Command = {
  name: "replay",
  summary:
    "Runs a recorded host through the same pipeline as the service, and says what a user would be told.",
  usage: "DIRECTORY [--json]",
  help: `
DIRECTORY holds one boot (kmsg.txt, libvirtd.log, libvirt/*.log, virsh-events.txt, snap-before/), or one
directory a boot in the order of their names.

  --json             one JSON document instead of text
  --utc              times in UTC, not in this machine's time zone

JSON: {"boots":[{"name","bootId"}],"starts":[{"boot","vm","openedAt","outcome","diagnosis","changes"}],"blame":{…}},
blame as in 'vfio-watch blame --json'.
Example: vfio-watch replay test/fixtures/recordings/bios-update`,
  options: { json: { type: "boolean" }, utc: { type: "boolean" } },
  async run(args, io) {
    const [directory, ...others] = args.positionals;
    if (directory === undefined || others.length > 0) throw new UsageError("name one directory to replay");
    const boots = readRecordings(directory);
    if ("problem" in boots) {
      io.err(`vfio-watch: ${printable(boots.problem)}\n`);
      return EXIT.failure;
    }
    const told = new Map<string, ToldStart>();
    const paint = createPaint(io.color);
    const catalogue = findCatalogue(findSurroundings(io.env), io);
    const answer = await replay(boots, catalogue, {
      onSettled: (boot, attempt, number, store, snapshotId) => {
        const question = questionOf(attempt, number, snapshotId);
        told.set(attempt.id, { boot, attempt, answer: askAnswer(store, question, catalogue) });
      },
      use: (store) => askBlame(store, {}),
    });
    const starts = [...told.values()].sort((a, b) => asTheyHappened(a.attempt, b.attempt));
    if (args.flag("json")) io.out(documentText({ ...toJson(boots, starts), blame: blameToJson(answer) }));
    else {
      io.out(`${describe(boots, starts, paint, io.columns)}\n`);
      if (answer.blame.bad > 0) {
        io.out(
          `\n${paint("bold", "And if you ask 'vfio-watch blame' now:")}\n${renderBlame(answer, paint, io.columns)}\n`,
        );
      }
    }
    return EXIT.ok;
  },
};

interface ToldStart {
  readonly boot: RecordedBoot;
  readonly attempt: StartAttempt;
  readonly answer: Answer;
}

function toJson(boots: readonly RecordedBoot[], starts: readonly ToldStart[]): object {
  return {
    boots: boots.map(({ name, bootId }) => ({ name, bootId })),
    starts: starts.map(({ boot, attempt, answer }) => ({
      boot: boot.name,
      vm: attempt.vm,
      openedAt: timeJson(attempt.openedAt),
      outcome: attempt.outcome ?? null,
      diagnosis: attempt.diagnosis === undefined ? null : diagnosisJson(attempt.diagnosis),
      changes: answer.changes?.flatMap(({ changes }) => changes.map(({ sentence }) => sentence)) ?? null,
      answer: answerJson(answer),
    })),
  };
}

function describe(
  boots: readonly RecordedBoot[],
  starts: readonly ToldStart[],
  paint: Paint,
  columns: number,
): string {
  const lines: string[] = [];
  for (const boot of boots) {
    lines.push(paint("bold", `Boot ${printable(boot.name)}, ${formatTime(boot.bootedAt)}`));
    const own = starts.filter((start) => start.boot === boot);
    if (own.length === 0) lines.push("  No VM was started.");
    for (const { attempt, answer } of own) {
      lines.push(
        `  ${formatTime(attempt.openedAt)}  '${printable(attempt.vm)}'  ${outcomeWord(attempt.outcome, paint)}`,
      );
      if (attempt.diagnosis === undefined) continue;
      const told = [answer.why, ...historyTexts(answer)];
      lines.push(...told.map((text) => wrap(`    ${printable(text)}`, columns, "      ")));
      const [remedy] = answer.remedies;
      if (remedy !== undefined)
        lines.push(wrap(`    What to do first: ${printable(remedy)}`, columns, "    "));
    }
  }
  return lines.join("\n");
}
