import { vmName } from "../../model/identifiers.ts";
import type { AttemptFilter, AttemptRow } from "../../store/attempt-store.ts";
import { createPaint, formatTime, type Paint, printable } from "../../terminal-text.ts";
import { table } from "../../text-columns.ts";
import { parseCount } from "../arguments.ts";
import { type Command, EXIT, refusePositionals } from "../command.ts";
import { documentText } from "../json/document.ts";
import { startJson } from "../json/starts.ts";
import { withMeantVm } from "../meant-vm.ts";
import { parseTime, TIME_HELP } from "../parse-time.ts";
import { findSurroundings, HISTORY_OPTIONS, HISTORY_OPTIONS_HELP, withHistory } from "../surroundings.ts";

const DEFAULT_LIMIT = 30;

/** The list of VM starts. */
export const startsCommand: Command = {
  name: "starts",
  summary: "Lists VM starts, the newest first.",
  usage: "[--vm NAME] [--failed] [--since TIME] [--until TIME] [--limit N] [--json]",
  help: `
  --vm NAME          only this VM
  --failed           only starts that did not end well
${TIME_HELP}
  --limit N          at most so many (default ${DEFAULT_LIMIT})
${HISTORY_OPTIONS_HELP}

JSON: {"starts":[{"number","id","vm","boot","bootId","openedAt","closedAt","outcome","devices","groups","cause","summary",
"snapshotId","origin"}]}. Without outcome and with a summary: the host went down in the middle of it.
Example: vfio-watch starts --vm "Windows 11" --failed --since 30d`,
  options: {
    ...HISTORY_OPTIONS,
    vm: { type: "string" },
    failed: { type: "boolean" },
    since: { type: "string" },
    until: { type: "string" },
    limit: { type: "string" },
  },
  async run(args, io) {
    refusePositionals(args, "takes options only, e.g. --vm NAME");
    const now = Date.now();
    const [vm, since, until, limit] = [
      args.text("vm"),
      args.text("since"),
      args.text("until"),
      args.text("limit"),
    ];
    const filter: AttemptFilter = {
      limit: limit === undefined ? DEFAULT_LIMIT : parseCount(limit, "limit"),
      ...(vm !== undefined && { vm: vmName(vm) }),
      ...(since !== undefined && { since: parseTime(since, now) }),
      ...(until !== undefined && { until: parseTime(until, now) }),
      ...(args.flag("failed") ? { failedOnly: true } : { cutShortToo: true }),
    };
    const isNarrowed = args.flag("failed") || [vm, since, until].some((given) => given !== undefined);
    const { database } = findSurroundings(io.env, args.text("database"));
    return withHistory(database, io, (store) => {
      const rows = store.attempts.list(withMeantVm(filter, store));
      if (args.flag("json")) io.out(documentText({ starts: rows.map(startJson) }));
      else io.out(`${describeStarts(rows, createPaint(io.color), io.tableColumns, isNarrowed)}\n`);
      return EXIT.ok;
    });
  },
};

/** Rows for a person, one a line; `isNarrowed` when only some starts were asked for. */
export function describeStarts(
  rows: readonly AttemptRow[],
  paint: Paint,
  width: number,
  isNarrowed = false,
): string {
  if (rows.length === 0)
    return isNarrowed ? "No start of a VM is on record that fits." : "No start of a VM is on record yet.";
  return table(
    rows.map((row) => [
      `#${row.number}`,
      formatTime(row.openedAt),
      outcomeWord(row.outcome, paint, row.summary !== undefined),
      printable(row.vm),
      `${row.summary === undefined ? "" : printable(row.summary)}${row.origin === "imported" ? " (imported)" : ""}`,
    ]),
    width,
  );
}

/**
 * The outcome in colour: green for a good start, yellow for a refusal, red for the rest. `isOver`: there is more to say
 * of a start without an outcome, because the host went down in the middle of it.
 */
export function outcomeWord(outcome: string | undefined, paint: Paint, isOver = false): string {
  if (outcome === undefined) return paint("dim", isOver ? "cut short" : "starting");
  if (outcome === "started") return paint("green", outcome);
  return paint(outcome === "refused" ? "yellow" : "red", outcome);
}
