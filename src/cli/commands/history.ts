import { describeHotPlug } from "../../alerts/compose.ts";
import { readTimeLine, type TimeLineEntry, type TimeLineFilter } from "../../history/time-line.ts";
import { parseBdf, quotedVm, vmName } from "../../model/identifiers.ts";
import { createPaint, formatTime, type Paint, printable } from "../../terminal-text.ts";
import { table } from "../../text-columns.ts";
import { parseCount } from "../arguments.ts";
import { type Command, EXIT, type ParsedArguments, refusePositionals, UsageError } from "../command.ts";
import { documentText } from "../json/document.ts";
import { entryJson } from "../json/time-line.ts";
import { withMeantVm } from "../meant-vm.ts";
import { parseTime, TIME_HELP } from "../parse-time.ts";
import { findSurroundings, HISTORY_OPTIONS, HISTORY_OPTIONS_HELP, withHistory } from "../surroundings.ts";
import { outcomeWord } from "./starts.ts";

const DEFAULT_LIMIT = 60;
/** More changes at one moment are counted, and `diff` shows them. */
const MOST_CHANGES = 5;

/** The time line of the host. */
export const historyCommand: Command = {
  name: "history",
  summary: "Shows boots, changes, starts and alerts in order, the newest last.",
  usage: "[--vm NAME] [--device BDF] [--since TIME] [--until TIME] [--limit N] [--json]",
  help: `
  --vm NAME          starts and alerts of this VM, and changes that can matter for it
  --device BDF       the same for a device, e.g. 0000:01:00.0
${TIME_HELP}
  --limit N          the newest N entries (default ${DEFAULT_LIMIT})
${HISTORY_OPTIONS_HELP}

#12 is a start ('vfio-watch show 12'), b12 a boot ('vfio-watch diff b11 b12'); alerts show their id.
JSON: {"entries":[{"kind":"boot|change|start|hot-plug|alert","at","boot",…}]}.
Example: vfio-watch history --vm "Windows 11" --since 90d`,
  options: {
    ...HISTORY_OPTIONS,
    vm: { type: "string" },
    device: { type: "string" },
    since: { type: "string" },
    until: { type: "string" },
    limit: { type: "string" },
  },
  run(args, io) {
    refusePositionals(args, "takes options only, e.g. --vm NAME");
    const filter = readFilter(args, Date.now());
    const { database } = findSurroundings(io.env, args.text("database"));
    return withHistory(database, io, (store) => {
      const entries = readTimeLine(store, withMeantVm(filter, store));
      if (args.flag("json")) io.out(documentText({ entries: entries.map(entryJson) }));
      else io.out(`${describeTimeLine(entries, createPaint(io.color), io.tableColumns)}\n`);
      return EXIT.ok;
    });
  },
};

function readFilter(args: ParsedArguments, now: number): TimeLineFilter {
  const [vm, device, since, until, limit] = ["vm", "device", "since", "until", "limit"].map(args.text);
  const bdf = device === undefined ? undefined : parseBdf(device);
  if (device !== undefined && bdf === undefined)
    throw new UsageError(`'${device}' is no PCI address such as 0000:01:00.0`);
  return {
    limit: limit === undefined ? DEFAULT_LIMIT : parseCount(limit, "limit"),
    ...(vm !== undefined && { vm: vmName(vm) }),
    ...(bdf !== undefined && { device: bdf }),
    ...(since !== undefined && { since: parseTime(since, now) }),
    ...(until !== undefined && { until: parseTime(until, now) }),
  };
}

/** The entries for a person: id, time, what. */
export function describeTimeLine(entries: readonly TimeLineEntry[], paint: Paint, width: number): string {
  if (entries.length === 0) return "Nothing is on record that fits.";
  return table(
    entries.flatMap((entry) => rowsOf(entry, paint)),
    width,
  );
}

function rowsOf(entry: TimeLineEntry, paint: Paint): readonly (readonly string[])[] {
  const time = formatTime(entry.at);
  switch (entry.kind) {
    case "boot":
      return [[paint("bold", `b${entry.boot.ordinal}`), time, paint("bold", bootText(entry))]];
    case "start": {
      const { number, vm, outcome, summary, origin } = entry.start;
      const why = summary === undefined ? "" : `: ${printable(summary)}`;
      const imported = origin === "imported" ? " (imported)" : "";
      return [
        [
          `#${number}`,
          time,
          `${printable(quotedVm(vm))} ${outcomeWord(outcome, paint, summary !== undefined)}${why}${imported}`,
        ],
      ];
    }
    case "hot-plug": {
      const { summary } = entry.hotPlug;
      const what = `${paint("red", "failed")}: ${printable(describeHotPlug(entry.hotPlug))}: ${printable(summary)}`;
      return [["", time, what]];
    }
    case "alert": {
      const { id, content, closedAt } = entry.incident;
      const over = closedAt === undefined ? "" : ` (over ${formatTime(closedAt)})`;
      return [[printable(id), time, `${paint("yellow", "alert")}: ${printable(content.subject)}${over}`]];
    }
    case "change": {
      const { changes, fromBoot, bootOrdinal, reason } = entry;
      const rows = changes
        .slice(0, MOST_CHANGES)
        .map(({ sentence }, index) => [
          "",
          index === 0 ? time : "",
          `${paint("cyan", "changed")}: ${printable(sentence)}`,
        ]);
      const between = fromBoot !== undefined && bootOrdinal !== undefined && fromBoot !== bootOrdinal;
      const more = changes.length - MOST_CHANGES;
      if (more > 0)
        rows.push([
          "",
          "",
          `and ${more} more${between ? `: vfio-watch diff b${fromBoot} b${bootOrdinal}` : ` (seen at: ${printable(reason)})`}`,
        ]);
      return rows;
    }
  }
}

function bootText({ boot, bios, kernel }: Extract<TimeLineEntry, { kind: "boot" }>): string {
  const what = [
    ...(bios === undefined ? [] : [`BIOS ${printable(bios)}`]),
    ...(kernel === undefined ? [] : [`kernel ${printable(kernel)}`]),
    ...(boot.end === "unknown" ? [] : [`ended ${boot.end}`]),
    ...(boot.origin === "imported" ? ["imported"] : []),
  ];
  return `boot${what.length === 0 ? "" : `: ${what.join(", ")}`}`;
}
