import { writeFileSync } from "node:fs";
import { extname } from "node:path";
import { systemClock } from "../../clock.ts";
import { collectFacts } from "../../facts/facts-of-host.ts";
import { readBootIdentity } from "../../host/boot-identity.ts";
import type { HostPaths } from "../../host-paths.ts";
import type { Fact } from "../../model/fact.ts";
import { read } from "../../model/reading.ts";
import { renderBbcode } from "../../report/bbcode.ts";
import { describeReport } from "../../report/content.ts";
import type { ReportContent } from "../../report/document.ts";
import { gatherReport, type ReportSubject } from "../../report/gather.ts";
import { renderHtml, renderHtmlFragment } from "../../report/html.ts";
import { reportJson } from "../../report/json.ts";
import { renderMarkdown } from "../../report/markdown.ts";
import { PRIVATE_KINDS } from "../../report/pattern-parts.ts";
import { findPrivateNames } from "../../report/private-names.ts";
import { createRedaction, type MaskedThing } from "../../report/redaction.ts";
import { renderText } from "../../report/text.ts";
import type { SignatureLookup } from "../../store/attempt-store.ts";
import { openStore } from "../../store/open.ts";
import type { Store } from "../../store/store.ts";
import { printable } from "../../terminal-text.ts";
import { table } from "../../text-columns.ts";
import { type Command, type CommandIo, EXIT, type ParsedArguments, UsageError } from "../command.ts";
import { findForeign } from "../foreign-history.ts";
import { documentText } from "../json/document.ts";
import { vmOnRecord } from "../meant-vm.ts";
import { findCatalogue, findSurroundings, signatureLookup } from "../surroundings.ts";
import { programVersion } from "../version.ts";

const RENDERERS = {
  markdown: renderMarkdown,
  bbcode: renderBbcode,
  text: renderText,
  json: (content) => documentText(reportJson(content)),
  html: renderHtml,
  "html-fragment": renderHtmlFragment,
} satisfies Record<string, (content: ReportContent, columns: number) => string>;
type Format = keyof typeof RENDERERS;

/** What the ending of `--output` says about the format. */
const ENDINGS: Readonly<Record<string, Format>> = {
  ".md": "markdown",
  ".markdown": "markdown",
  ".bbcode": "bbcode",
  ".txt": "text",
  ".json": "json",
  ".html": "html",
  ".htm": "html",
};

/** Plain text for a file has no terminal to fit. */
const FILE_COLUMNS = 100;

/** Everything about a failed start, to hand in. */
export const reportCommand: Command = {
  name: "report",
  summary:
    "Writes a report to hand in: the failed start, why, what changed, what was tried, and all about the host.",
  usage:
    "[ATTEMPT] [--vm NAME] [--format FORMAT] [--output FILE] [--show WHAT]... [--masked] [--no-redact] [--database FILE]",
  help: `
ATTEMPT is the number that 'vfio-watch starts' prints; without it the newest failed start. Where none has failed,
or nothing is on record yet, the report is about the host as it is now.

  --vm NAME          the newest failed start of this VM
  --format FORMAT    markdown (GitHub, Reddit, Discourse), bbcode (Unraid's and other forums), text (mail), json,
                     html (one file with a picture, to look at or attach), html-fragment (for a page around it);
                     without it what the ending of --output says, else markdown
  --output FILE      write there instead of to standard output; an existing file is replaced
  --masked           instead of the report list what is masked in it: placeholder, in how many places, and what it is
  --show WHAT        leave this as it is: a placeholder (MAC-1) or a kind (MAC); may be given more than once
  --no-redact        mask nothing. Else serial numbers, UUIDs, MAC and IP addresses, passwords and tokens, ids and names
                     of disks, volumes, shares, wireless networks, hosts and users become placeholders
  --json             as --format json
  --utc              times in UTC, not in this machine's time zone
  --database FILE    another history than the service's

Exit code: 0 when the report is written.
JSON: with --masked {"masked":[{"placeholder","kind","value","count","shown"}]}, else {"title","outcome","answer","glance","sections":[{"id","title","blocks"}],"notes","madeAt","madeBy"}.
Example: vfio-watch report --format bbcode               to paste into the forum
Example: vfio-watch report 12 --output report.html       start 12 as a page
Example: vfio-watch report --masked                      what would be masked
Example: vfio-watch report --show IP --show SERIAL-2     leaves addresses and one serial number
Example: vfio-watch report --vm "Windows 11" --no-redact for yourself`,
  options: {
    database: { type: "string" },
    vm: { type: "string" },
    format: { type: "string" },
    output: { type: "string" },
    json: { type: "boolean" },
    utc: { type: "boolean" },
    "no-redact": { type: "boolean" },
    show: { type: "string", multiple: true },
    masked: { type: "boolean" },
  },
  async run(args, io) {
    const [wanted, ...others] = args.positionals;
    if (others.length > 0) throw new UsageError("one start at a time");
    const output = args.text("output");
    const show = args.list("show").flatMap((list) => list.split(","));
    refuseUnknown(show);
    if (args.flag("no-redact") && (show.length > 0 || args.flag("masked")))
      throw new UsageError("with --no-redact nothing is masked; leave it away with --show and --masked");
    const named = args.text("format");
    if (args.flag("json") && named !== undefined && named !== "json")
      throw new UsageError(`--json is --format json, not '${named}'`);
    const format = args.flag("json") ? "json" : readFormat(named, output);
    const surroundings = findSurroundings(io.env, args.text("database"));
    const catalogue = findCatalogue(surroundings, io);
    const signatures = signatureLookup(catalogue);
    const opened = openStore({ path: surroundings.database, readOnly: true, clock: { now: Date.now } });
    if (opened.state === "refused" && (wanted !== undefined || opened.reason !== "missing")) {
      io.err(`vfio-watch: ${opened.why} ${opened.remedy}\n`);
      return EXIT.failure;
    }
    const store = opened.state === "open" ? opened.store : undefined;
    const missing = opened.state === "refused" ? [`There is no history: ${opened.why}`] : [];
    try {
      const subject = findSubject(args, wanted, store, signatures, surroundings.paths);
      if ("problem" in subject) {
        io.err(`vfio-watch: ${subject.problem}\n`);
        return EXIT.failure;
      }
      const input = gatherReport(subject, store, catalogue, {
        madeAt: Date.now(),
        madeBy: `vfio-watch ${programVersion()}`,
        missing,
      });
      const redaction = args.flag("no-redact")
        ? undefined
        : createRedaction(findPrivateNames(surroundings.paths, io.env, input), show);
      const content = describeReport(input, redaction?.mask, redaction?.masked);
      const things = redaction?.masked() ?? [];
      if (args.flag("masked"))
        return write(
          format === "json"
            ? documentText({ masked: things.map(maskedJson) })
            : maskedTable(things, io.tableColumns),
          output,
          io,
        );
      const missed = show.filter((name) => !things.some((thing) => isNamed(thing, name)));
      if (missed.length > 0)
        io.err(`vfio-watch: nothing in this report is ${missed.join(", ")}; --masked lists what is.\n`);
      const columns = output === undefined ? io.columns : FILE_COLUMNS;
      return write(RENDERERS[format](content, columns), output, io);
    } finally {
      store?.close();
    }
  },
};

/** A misspelled kind would go unnoticed, and with it that nothing was left. */
function refuseUnknown(show: readonly string[]): void {
  const known: readonly string[] = PRIVATE_KINDS;
  const wrong = show.find((name) => !known.includes(name.toUpperCase().replace(/-\d{1,6}$/, "")));
  if (wrong !== undefined)
    throw new UsageError(`--show takes a placeholder such as MAC-1, or ${known.join(", ")}, not '${wrong}'`);
}

function isNamed({ kind, placeholder }: MaskedThing, name: string): boolean {
  return [kind, placeholder].includes(name.toUpperCase());
}

/** For the owner's eyes alone, so with what is behind each placeholder. */
function maskedTable(things: readonly MaskedThing[], width: number): string {
  if (things.length === 0) return "Nothing is masked in this report.\n";
  const rows = things.map(({ placeholder, count, value, shown }) => [
    placeholder,
    `${count} ${count === 1 ? "place" : "places"}`,
    `${printable(value)}${shown ? " (shown)" : ""}`,
  ]);
  return `${table(rows, width)}\n`;
}

function maskedJson({ placeholder, kind, value, count, shown }: MaskedThing): object {
  return { placeholder, kind, value, count, shown };
}

function readFormat(wanted: string | undefined, output: string | undefined): Format {
  if (wanted === undefined) return ENDINGS[extname(output ?? "").toLowerCase()] ?? "markdown";
  if (!Object.hasOwn(RENDERERS, wanted)) {
    throw new UsageError(`--format takes ${Object.keys(RENDERERS).join(", ")}, not '${wanted}'`);
  }
  return wanted as Format;
}

function findSubject(
  args: ParsedArguments,
  wanted: string | undefined,
  store: Store | undefined,
  signatures: SignatureLookup,
  paths: HostPaths,
): ReportSubject | { readonly problem: string } {
  const name = args.text("vm");
  if (name !== undefined && store === undefined)
    return { problem: `of '${printable(name)}' nothing is on record; leave --vm away for the host itself.` };
  const vm = name === undefined || store === undefined ? undefined : vmOnRecord(name, store);
  const newest = (): string | undefined =>
    store?.attempts.list({ failedOnly: true, limit: 1, ...(vm !== undefined && { vm }) })[0]?.id;
  const key = wanted?.replace(/^#/, "") ?? newest();
  const attempt = key === undefined ? undefined : store?.attempts.full(key, signatures);
  if (attempt !== undefined) {
    if (vm !== undefined && attempt.vm !== vm) {
      return {
        problem: `start ${attempt.number} is one of '${printable(attempt.vm)}', not of '${printable(vm)}'; leave --vm or the number away.`,
      };
    }
    return { about: "start", attempt };
  }
  if (wanted !== undefined) {
    return { problem: `there is no start ${printable(wanted)}; 'vfio-watch starts' lists them.` };
  }
  const foreign = store && findForeign(store, paths);
  if (foreign === undefined) return { about: "host", facts: factsNow(paths, store), vm };
  return foreign.newest === undefined
    ? { problem: `this history is of ${printable(foreign.machine)}, and has no facts of it.` }
    : { about: "host", facts: foreign.newest.snapshot.facts, vm };
}

/**
 * The host's facts now. What only the service learns (hardware, versions, the kernel's words at boot) is taken from its
 * newest snapshot of this boot.
 */
function factsNow(paths: HostPaths, store: Store | undefined): readonly Fact[] {
  const vms = store?.vms.present() ?? [];
  const facts = collectFacts({
    paths,
    ...(vms.length > 0 && { definitions: read(vms) }),
  });
  const { bootId } = readBootIdentity({ paths, clock: systemClock });
  const snapshotId = bootId.state === "read" ? store?.boots.get(bootId.value)?.snapshotId : undefined;
  const stored = snapshotId === undefined ? undefined : store?.snapshots.get(snapshotId);
  if (stored === undefined) return facts;
  const known = new Map(facts.map((fact) => [fact.key, fact]));
  for (const { key, value } of facts) {
    if (value.state !== "unknown") continue;
    const found = stored.facts.filter(
      (fact) => fact.value.state !== "unknown" && (fact.key === key || fact.key.startsWith(`${key}.`)),
    );
    if (found.length > 0) known.delete(key);
    for (const fact of found) known.set(fact.key, fact);
  }
  return [...known.values()];
}

function write(text: string, output: string | undefined, io: CommandIo): number {
  if (output === undefined) {
    io.out(text);
    return EXIT.ok;
  }
  try {
    writeFileSync(output, text);
  } catch (error) {
    io.err(
      `vfio-watch: ${printable(output)} could not be written: ${error instanceof Error ? error.message : String(error)}. Name another place with --output.\n`,
    );
    return EXIT.failure;
  }
  io.err(`Written to ${printable(output)}.\n`);
  return EXIT.ok;
}
