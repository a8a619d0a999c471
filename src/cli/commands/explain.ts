import { readFileSync, statSync } from "node:fs";
import { createExplainer, type Explanation } from "../../diagnosis/explain/explain.ts";
import { type Command, type CommandIo, EXIT, UsageError } from "../command.ts";
import { findCatalogue, findSurroundings } from "../surroundings.ts";
import { createPaint, type Paint, printable, wrap } from "../terminal.ts";

/** Longer than any log that a person pastes; a batch file may be longer, its lines may not. */
const LONGEST_TEXT = 16 * 1024 * 1024;
const LONGEST_BATCH = 512 * 1024 * 1024;
const MOST_EVIDENCE_SHOWN = 4;

/** Any log text explained, without a host. */
export const explainCommand: Command = {
  name: "explain",
  summary:
    "Says what a pasted log means: a forum post, a dmesg, libvirt's error. Needs no host and no history.",
  usage: "[FILE|-] [--json] | --batch FILE",
  help: `
FILE is read as text, - or nothing reads standard input.

  --batch FILE       each line is {"id","log"}; one JSON result a line
  --json             one JSON document instead of text

Exit code: 0 when nothing is wrong in the text, 3 when something is.
JSON: {"id","vmStartFailure","deviceRelated","causes":[{"class","certainty","signature","evidence":[…]}],"devices",
"groups","vms"}, best cause first.
Example: vfio-watch explain error.txt
         dmesg | vfio-watch explain`,
  options: { json: { type: "boolean" }, batch: { type: "string" } },
  async run(args, io) {
    const batch = args.text("batch");
    const [file = "-", ...others] = args.positionals;
    if (others.length > 0) throw new UsageError("one text at a time");
    const explain = createExplainer(findCatalogue(findSurroundings(io.env), io));
    if (batch !== undefined) return explainBatch(batch, explain, io);
    const text = file === "-" ? await io.readInput() : readText(file, LONGEST_TEXT, io);
    if (text === undefined) return EXIT.failure;
    const explanation = explain(text);
    if (args.flag("json")) io.out(`${JSON.stringify(toJson(null, explanation), undefined, 2)}\n`);
    else io.out(`${describeExplanation(explanation, createPaint(io.color), io.columns)}\n`);
    return explanation.causes.length > 0 || explanation.vmStartFailure ? EXIT.findings : EXIT.ok;
  },
};

function explainBatch(file: string, explain: (text: string) => Explanation, io: CommandIo): number {
  const text = readText(file, LONGEST_BATCH, io);
  if (text === undefined) return EXIT.failure;
  let isGood = true;
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const item = parseItem(line);
    if (item === undefined) {
      io.err(`vfio-watch: ${printable(file)}:${index + 1}: not a JSON object with "id" and "log"\n`);
      isGood = false;
    } else io.out(`${JSON.stringify(toJson(item.id, explain(item.log)))}\n`);
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

function readText(file: string, limit: number, io: CommandIo): string | undefined {
  try {
    if (statSync(file).size > limit) {
      io.err(
        `vfio-watch: ${printable(file)} is larger than ${limit / 1048576} MB; cut out the part around the failure.\n`,
      );
      return undefined;
    }
    return decodeText(readFileSync(file));
  } catch (error) {
    io.err(`vfio-watch: ${printable(file)} ${whyUnreadable(error)}\n`);
    return undefined;
  }
}

/** Windows writes logs that are copied over in UTF-16, with a mark in front. */
function decodeText(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.toString("utf16le", 2);
  if (bytes[0] === 0xfe && bytes[1] === 0xff)
    return Buffer.from(bytes.subarray(2, bytes.length & ~1))
      .swap16()
      .toString("utf16le");
  return bytes.toString("utf8");
}

/** What people do about a file that cannot be read; the kernel's words for the rest. */
function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "ENOENT":
      return "does not exist; name the file that holds the log, or give the log on standard input.";
    case "EISDIR":
      return "is a directory; name one file in it.";
    case "EACCES":
      return "may not be read by this user; run it as root, or copy the file.";
    default:
      return `cannot be read: ${printable(error instanceof Error ? error.message : String(error))}`;
  }
}

/** The stable shape of a result. */
function toJson(id: unknown, explanation: Explanation): object {
  const { vmStartFailure, deviceRelated, causes, devices, groups, vms } = explanation;
  return {
    id,
    vmStartFailure,
    deviceRelated,
    causes: causes.map((cause) => ({
      class: cause.class,
      certainty: cause.certainty,
      signature: cause.signature,
      evidence: cause.evidence,
    })),
    devices,
    groups,
    vms,
  };
}

function describeExplanation(explanation: Explanation, paint: Paint, columns: number): string {
  const { causes, devices, groups, vms, noEffect } = explanation;
  const lines = [paint("bold", wrap(printable(explanation.summary), columns))];
  const about = [
    ...(vms.length > 0 ? [`VM ${vms.map((vm) => `'${printable(vm)}'`).join(", ")}`] : []),
    ...(devices.length > 0 ? [`device ${devices.join(", ")}`] : []),
    ...(groups.length > 0 ? [`IOMMU group ${groups.join(", ")}`] : []),
  ];
  if (about.length > 0) lines.push(about.join("; "));
  const [first, ...others] = causes;
  if (first !== undefined) {
    lines.push(`(${first.class}, ${first.certainty}, signature ${first.signature})`, "");
    lines.push(
      ...first.evidence
        .slice(0, MOST_EVIDENCE_SHOWN)
        .map((text) => wrap(`  > ${printable(text)}`, columns, "    ")),
    );
    if (first.remedies.length > 0) lines.push("", paint("bold", "What to do"));
    lines.push(
      ...first.remedies.map((remedy, index) => wrap(`${index + 1}. ${printable(remedy)}`, columns, "   ")),
    );
  }
  for (const other of others)
    lines.push(
      wrap(`Also ${other.certainty}: ${printable(other.sentence)} (${other.class})`, columns, "   "),
    );
  if (noEffect.length > 0) {
    lines.push("", paint("bold", "What has no effect here, whatever people say"));
    lines.push(...noEffect.map((advice) => wrap(`- ${printable(advice)}`, columns, "  ")));
  }
  return lines.join("\n");
}
