import { createReadStream, statSync } from "node:fs";
import { answerJson } from "../../answer/json.ts";
import { historyTexts } from "../../answer/words.ts";
import type { Catalogue } from "../../diagnosis/catalogue.ts";
import { createExplainer, createTellingMatcher } from "../../diagnosis/explain/explain.ts";
import type { Explanation, OtherStart } from "../../diagnosis/explain/explanation.ts";
import { explanationJson } from "../../diagnosis/explain/explanation-json.ts";
import { describeHost } from "../../diagnosis/explain/named-host.ts";
import { createLazyFinder } from "../../diagnosis/generated/unknown-causes.ts";
import { machineOf } from "../../history/known-machine.ts";
import { textOfFile, textOfStream } from "../../import/given-file.ts";
import { textOfGiven } from "../../import/given-text.ts";
import { readUnpacked, TooLarge } from "../../import/text-files.ts";
import { isSameBoard } from "../../knowledge/board-names.ts";
import { loadMessages } from "../../knowledge/load-messages.ts";
import { shippedConfigDirectory } from "../../places.ts";
import { createPaint, type Paint, printable } from "../../terminal-text.ts";
import { wrap } from "../../text-columns.ts";
import { type Command, type CommandIo, EXIT, UsageError } from "../command.ts";
import { findForeign } from "../foreign-history.ts";
import { documentText } from "../json/document.ts";
import { answerOf, isTold, newestRow, type OwnAnswer, remedyLines } from "../own-answer.ts";
import {
  findCatalogue,
  findSurroundings,
  HISTORY_OPTIONS,
  HISTORY_OPTIONS_HELP,
  openIfThere,
  type Surroundings,
} from "../surroundings.ts";

const LONGEST_BATCH = 512 * 1024 * 1024;
const MOST_EVIDENCE_SHOWN = 4;

/** Any log text explained; a history is looked at where there is one. */
export const explainCommand: Command = {
  name: "explain",
  summary:
    "Says what a pasted log means: a forum post, a dmesg, libvirt's error. Needs no host and no history.",
  usage: "[FILE|-] [--json] | --batch FILE",
  help: `
FILE is text, also packed with gzip, or a ZIP archive of logs (Unraid's diagnostics); - or nothing reads standard
input. Of a log of more than 2 MB the known messages and the lines beside them are looked at, in its first 256 MB and 4
million lines; an archive on standard input may have 32 MB. What is not looked at for other reasons is counted. Where
this host's history holds a start that failed so, what changed before it and what to do here is said too.

  --batch FILE       each line is {"id","log"}; one JSON result a line
${HISTORY_OPTIONS_HELP}

Certain is only what QEMU, the kernel, libvirt or Proxmox is known to have said; of a bare quote, or of what somebody
tells in own words, the cause is likely at best.

Exit code: 0 where the text is understood as healthy, 3 where something is wrong, 4 where nothing in it is known (no
all-clear), 1 where it is empty or could not be read.
JSON: {"id","vmStartFailure","deviceRelated","causes":[{"class","certainty","signature","evidence":[…]}],"devices",
"groups","vms","understanding":"trouble|healthy|unknown|empty","lookedAt":{"lines","speakers":[{"name","lines"}]},
"others":[{"when","vms","class"}],"host":{"board","bios","kernel","loaders"},"notes"}, best cause first; with
"own":{"number","answer"} where the history holds such a start ('show'), else null.
Example: vfio-watch explain error.txt
         dmesg | vfio-watch explain`,
  options: { ...HISTORY_OPTIONS, batch: { type: "string" } },
  async run(args, io) {
    const batch = args.text("batch");
    const [file = "-", ...others] = args.positionals;
    if (others.length > 0) throw new UsageError("one text at a time");
    const surroundings = findSurroundings(io.env, args.text("database"));
    const catalogue = findCatalogue(surroundings, io);
    const explain = createExplainer(
      catalogue,
      createLazyFinder(() => loadMessages(shippedConfigDirectory())),
    );
    if (batch !== undefined) return explainBatch(batch, explain, io);
    const given = await readLog(file, catalogue, io);
    if (given === undefined) return EXIT.failure;
    const explained = explain(given.text);
    const explanation = { ...explained, unread: explained.unread + given.unread };
    const own = ownAnswer(surroundings, args.text("database"), catalogue, explanation);
    if (args.flag("json")) {
      const json = {
        ...explanationJson(null, explanation),
        own: own === undefined ? null : { number: own.number, answer: answerJson(own.answer) },
      };
      io.out(documentText(json));
    } else io.out(`${describeExplanation(explanation, own, createPaint(io.color), io.columns)}\n`);
    if (explanation.understanding === "empty") io.err(`vfio-watch: ${whyEmpty(file)}\n`);
    return EXIT_OF[explanation.understanding];
  },
};

const EXIT_OF: Readonly<Record<Explanation["understanding"], number>> = {
  trouble: EXIT.findings,
  healthy: EXIT.ok,
  unknown: EXIT.notUnderstood,
  empty: EXIT.failure,
};

/** The kernel shows its log to root alone; `dmesg` then prints nothing that a pipe would pass on. */
function whyEmpty(file: string): string {
  return file === "-"
    ? "standard input is empty; dmesg and journalctl need root on most systems: sudo dmesg | vfio-watch explain"
    : `${printable(file)} is empty; name the file that holds the log.`;
}

/** An answer of the history, and whose that is. */
type ToldHere = OwnAnswer & { readonly where: "this host" | "that machine" };

/** Where the history of the machine holds such a start, its answer is worth more than the text's. */
function ownAnswer(
  surroundings: Surroundings,
  named: string | undefined,
  catalogue: Catalogue,
  explanation: Explanation,
): ToldHere | undefined {
  // There mostly is no history where a text is explained, and the text is explained all the same.
  const { store } = openIfThere(surroundings, named);
  if (store === undefined) return undefined;
  const { causes, vms, devices, host } = explanation;
  try {
    const { board } = machineOf(store);
    // A text of another machine has its own reasons, whatever has failed here.
    if (host.board !== undefined && board !== undefined && !isSameBoard(host.board, board)) return undefined;
    const row = newestRow(store, (one) => isTold(one, { class: causes[0]?.class, vms, devices }));
    const own = row && answerOf(store, catalogue, row);
    return (
      own && {
        ...own,
        where: findForeign(store, surroundings.paths) === undefined ? "this host" : "that machine",
      }
    );
  } finally {
    store.close();
  }
}

async function explainBatch(
  file: string,
  explain: (text: string) => Explanation,
  io: CommandIo,
): Promise<number> {
  const text = await readText(file, LONGEST_BATCH, io);
  if (text === undefined) return EXIT.failure;
  let isGood = true;
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const item = parseItem(line);
    if (item === undefined) {
      io.err(`vfio-watch: ${printable(file)}:${index + 1}: not a JSON object with "id" and "log"\n`);
      isGood = false;
    } else io.out(documentText({ ...explanationJson(item.id, explain(item.log)), own: null }, 0));
  }
  return isGood ? EXIT.ok : EXIT.failure;
}

function parseItem(line: string): { readonly id: unknown; readonly log: string } | undefined {
  try {
    const item: unknown = JSON.parse(line);
    if (typeof item !== "object" || item === null || !("log" in item) || typeof item.log !== "string")
      return undefined;
    return { id: "id" in item ? item.id : null, log: item.log };
  } catch {
    return undefined;
  }
}

/** A log is read piece by piece, on disk and through a pipe. Undefined as with `readText`. */
async function readLog(
  name: string,
  catalogue: Catalogue,
  io: CommandIo,
): Promise<{ readonly text: string; readonly unread: number } | undefined> {
  const shown = name === "-" ? "standard input" : printable(name);
  const refuse = (why: string) => void io.err(`vfio-watch: ${shown} ${why}\n`);
  const matcher = () => createTellingMatcher(catalogue);
  try {
    const status = name === "-" ? undefined : statSync(name);
    // What is no ordinary file (a pipe of the shell's) or says that it is empty (/proc) has an end and no size.
    const given =
      status === undefined
        ? await textOfStream(io.input(), "standard input", matcher)
        : status.isFile() && status.size > 0
          ? await textOfFile(name, matcher)
          : await textOfStream(createReadStream(name), name, matcher);
    if (given.state === "refused") return refuse(given.why);
    for (const note of given.notes) io.err(`vfio-watch: ${shown}: ${printable(note)}\n`);
    return given;
  } catch (error) {
    return refuse(whyUnreadable(error));
  }
}

/** A file or `-`; undefined where it cannot be explained, which is said then. */
async function readText(name: string, limit: number, io: CommandIo): Promise<string | undefined> {
  const shown = name === "-" ? "standard input" : printable(name);
  const refuse = (why: string) => void io.err(`vfio-watch: ${shown} ${why}\n`);
  const tooLong = `is larger than ${limit / 1048576} MB; cut out the part around the failure.`;
  try {
    const bytes = name === "-" ? await io.readInput(limit) : readUnpacked(name, limit);
    if (bytes === undefined) return refuse(tooLong);
    const given = await textOfGiven(bytes, name, limit);
    if (given.state === "refused") return refuse(given.why);
    for (const note of given.notes) io.err(`vfio-watch: ${shown}: ${printable(note)}\n`);
    return given.text;
  } catch (error) {
    return refuse(error instanceof TooLarge ? tooLong : whyUnreadable(error));
  }
}

/** What people do about a file that cannot be read; the kernel's words for the rest. */
function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "ENOENT":
      return "does not exist; name the file that holds the log, or give the log on standard input.";
    case "EISDIR":
      return "is a directory; name one file in it.";
    case "ERR_BUFFER_TOO_LARGE":
      return "is too large when it is unpacked; cut out the part around the failure.";
    case "EACCES":
      return "may not be read by this user; run it as root, or copy the file.";
    default:
      return `cannot be read: ${printable(error instanceof Error ? error.message : String(error))}`;
  }
}

function describeExplanation(
  explanation: Explanation,
  own: ToldHere | undefined,
  paint: Paint,
  columns: number,
): string {
  const { causes, devices, groups, vms, noEffect, host, others: otherStarts } = explanation;
  const lines = [paint("bold", wrap(printable(explanation.summary), columns))];
  const about = [
    ...(vms.length > 0 ? [`VM ${vms.map((vm) => `'${printable(vm)}'`).join(", ")}`] : []),
    ...(devices.length > 0 ? [`device ${devices.join(", ")}`] : []),
    ...(groups.length > 0 ? [`IOMMU group ${groups.join(", ")}`] : []),
  ];
  if (about.length > 0) lines.push(wrap(about.join("; "), columns, "  "));
  const machine = describeHost(host);
  if (machine !== undefined) lines.push(wrap(`The text names: ${printable(machine)}`, columns, "  "));
  const [first, ...others] = causes;
  if (first !== undefined) {
    const named = `(${first.class}, ${first.certainty}, signature ${first.signature})`;
    lines.push(wrap(named, columns, "  "), "");
    lines.push(
      ...first.evidence
        .slice(0, MOST_EVIDENCE_SHOWN)
        .map((text) => wrap(`  > ${printable(text)}`, columns, "    ")),
    );
    if (own !== undefined) {
      const { vm } = own.answer;
      const which = `On ${own.where}: start #${own.number} of '${printable(vm)}' failed so`;
      lines.push("", paint("bold", wrap(which, columns, "  ")));
      lines.push(...historyTexts(own.answer).map((text) => wrap(printable(text), columns, "  ")));
    }
    lines.push(...remedyLines(own?.answer ?? first, paint, columns));
  }
  for (const other of others)
    lines.push(
      wrap(`Also ${other.certainty}: ${printable(other.sentence)} (${other.class})`, columns, "   "),
    );
  for (const other of otherStarts) lines.push(wrap(describeOther(other), columns, "   "));
  lines.push(...host.notes.map((note) => wrap(`Note: ${printable(note)}`, columns, "  ")));
  if (explanation.unread > 0) {
    const what = `${explanation.unread} characters were not looked at: the ends of endless lines, or the middle of too much. Cut out the part around the failure to have all of it explained.`;
    lines.push("", wrap(what, columns));
  }
  if (noEffect.length > 0) {
    lines.push("", paint("bold", "What has no effect here, whatever people say"));
    lines.push(...noEffect.map((advice) => wrap(`- ${printable(advice)}`, columns, "  ")));
  }
  return lines.join("\n");
}

function describeOther({ when, vms, sentence }: OtherStart): string {
  const vm = vms[0] === undefined ? "" : ` of '${printable(vms[0])}'`;
  return `Before${when === undefined ? "" : `, at ${printable(when)}`}, another start${vm} failed: ${printable(sentence)}`;
}
