import { versionsOf } from "../../history/time-line.ts";
import { isFailure } from "../../history/trials.ts";
import { lastWordsOf } from "../../import/take-in.ts";
import type { BootRecord } from "../../model/history.ts";
import type { Store } from "../../store/store.ts";
import { createPaint, formatTime, type Paint, printable } from "../../terminal-text.ts";
import { table, wrap } from "../../text-columns.ts";
import { parseCount } from "../arguments.ts";
import { type Command, EXIT, refusePositionals } from "../command.ts";
import { documentText, timeJson } from "../json/document.ts";
import { findSurroundings, HISTORY_OPTIONS, HISTORY_OPTIONS_HELP, withHistory } from "../surroundings.ts";

const DEFAULT_LIMIT = 20;
const MOST_LAST_WORDS = 5;

/** The boots on record. */
export const bootsCommand: Command = {
  name: "boots",
  summary: "Lists boots with BIOS, kernel, how they ended, and how starts of VMs went in them.",
  usage: "[--limit N] [--json]",
  help: `
  --limit N          the newest N boots (default ${DEFAULT_LIMIT})
${HISTORY_OPTIONS_HELP}

b12 names a boot in 'vfio-watch diff b11 b12' and 'facts --at b12'; so does the beginning of its id.
JSON: {"boots":[{"id","ordinal","startedAt","lastSeenAt","end","origin","snapshotId","bios","kernel","good",
"failed","refused","lastWords"}]}.
Example: vfio-watch boots --limit 5`,
  options: { ...HISTORY_OPTIONS, limit: { type: "string" } },
  run(args, io) {
    refusePositionals(args);
    const limit = args.text("limit");
    const count = limit === undefined ? DEFAULT_LIMIT : parseCount(limit, "limit");
    const { database } = findSurroundings(io.env, args.text("database"));
    return withHistory(database, io, (store) => {
      const all = store.boots.list();
      const rows = all.slice(-count).map((boot) => bootRow(store, boot));
      if (args.flag("json")) io.out(documentText({ boots: rows.map(bootJson) }));
      else io.out(`${describeBoots(rows, all.length, createPaint(io.color), io.tableColumns)}\n`);
      return EXIT.ok;
    });
  },
};

/** A boot with what happened in it. */
export interface BootRow extends BootRecord {
  readonly bios: string | undefined;
  readonly kernel: string | undefined;
  readonly good: number;
  readonly failed: number;
  readonly refused: number;
  /** What the kernel said last where it died and left that in the firmware's memory; the newest line last. */
  readonly lastWords: readonly string[];
}

function bootRow(store: Store, boot: BootRecord): BootRow {
  const counts = { good: 0, failed: 0, refused: 0 };
  for (const tally of store.attempts.tallies({ bootId: boot.id })) {
    if (tally.outcome === "started") counts.good += tally.count;
    else if (isFailure(tally)) counts.failed += tally.count;
    else counts.refused += tally.count;
  }
  return { ...boot, ...versionsOf(store, boot), ...counts, lastWords: lastWordsOf(store, boot.id) };
}

function bootJson(row: BootRow): object {
  return {
    id: row.id,
    ordinal: row.ordinal,
    startedAt: timeJson(row.startedAt),
    lastSeenAt: timeJson(row.lastSeenAt),
    end: row.end,
    origin: row.origin,
    snapshotId: row.snapshotId ?? null,
    bios: row.bios ?? null,
    kernel: row.kernel ?? null,
    good: row.good,
    failed: row.failed,
    refused: row.refused,
    lastWords: row.lastWords,
  };
}

/** The boots for a person, the newest last. */
export function describeBoots(rows: readonly BootRow[], all: number, paint: Paint, width: number): string {
  if (rows.length === 0) return "No boot is on record.";
  const lines = [
    table(
      [
        ["", "id", "started", "BIOS", "kernel", "end", "starts good/failed", ""],
        ...rows.map((row, index) => bootCells(row, rows[index - 1], paint)),
      ],
      width,
      { header: true },
    ),
  ];
  for (const { ordinal, lastWords } of rows) {
    const last = lastWords.slice(-MOST_LAST_WORDS).map((line) => wrap(`  ${printable(line)}`, width, "    "));
    if (last.length > 0)
      lines.push("", paint("red", `The kernel of b${ordinal} died; its last words:`), ...last);
  }
  if (rows.length < all)
    lines.push(`${all - rows.length} older boots are not shown (--limit ${all} shows all).`);
  return lines.join("\n");
}

function bootCells(row: BootRow, before: BootRow | undefined, paint: Paint): readonly string[] {
  const bios = printable(row.bios ?? "-");
  const hasNewBios = before?.bios !== undefined && row.bios !== undefined && before.bios !== row.bios;
  const failed = row.failed === 0 ? "0" : paint("red", String(row.failed));
  const refused = row.refused === 0 ? "" : `, ${row.refused} refused`;
  return [
    `b${row.ordinal}`,
    printable(row.id.slice(0, 8)),
    formatTime(row.startedAt),
    hasNewBios ? paint("yellow", bios) : bios,
    printable(row.kernel ?? "-"),
    row.end,
    `${row.good}/${failed}${refused}`,
    row.origin === "imported" ? "imported" : "",
  ];
}
