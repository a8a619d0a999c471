import type Database from "better-sqlite3";
import { type AnyRow, isSound } from "./sound-rows.ts";

/** What to read of a table, and where its rows lie. */
interface Reading {
  readonly table: string;
  /** Rows are read in ranges of this column; a text, whose ranges nobody knows, from both ends. */
  readonly by: string;
  readonly isNumber: boolean;
  /** An index that holds all columns: a second copy of the rows, on other pages. */
  readonly index?: string;
}

/** Indexes that hold all columns of their table. */
const COVERING: readonly Reading[] = [
  { table: "fact_key", by: "key", isNumber: false, index: "sqlite_autoindex_fact_key_1" },
  { table: "fact", by: "fact_key", isNumber: true, index: "sqlite_autoindex_fact_1" },
  { table: "span", by: "strand, last", isNumber: false, index: "span_last" },
];

/** Every table of the new database by its key, evidence after the starts that it is of. */
function readingsOf(to: Database.Database): readonly Reading[] {
  const keys = to
    .prepare<[], { table: string; by: string; type: string }>(
      `SELECT tables.name AS "table", columns.name AS "by", columns.type AS type
       FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
       WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite%' AND columns.pk = 1
       ORDER BY tables.name = 'evidence'`,
    )
    .all();
  return [...keys.map(({ table, by, type }) => ({ table, by, isNumber: type === "INTEGER" })), ...COVERING];
}

/** What blame needs; a second copy has these alone. */
export const NEEDED_FOR_BLAME: readonly string[] = [
  ...["meta", "boot", "fact_key", "fact", "snapshot", "span", "snapshot_moment"],
  ...["vm", "vm_name", "device_group", "device_set", "attempt", "diagnosis"],
];

/** A table is given up after so many ranges that could not be read (each costs some ten microseconds). */
const MOST_FAILURES = 20_000;
/** And after so many where not one row could be. */
const MOST_IN_VAIN = 500;
/** Evidence of older starts is left behind: nobody waits minutes for a service that has to begin again. */
const MOST_EVIDENCE = 100_000;

/**
 * Copies every row that can be read and makes sense, with the numbers that it had; a row that is there already stays.
 * Where a range cannot be read it is halved, so that one bad page costs its own rows alone. Foreign keys have to be off.
 */
export function copyReadable(
  from: Database.Database,
  to: Database.Database,
  tables?: readonly string[],
): void {
  for (const reading of readingsOf(to)) {
    if (tables?.includes(reading.table) === false) continue;
    const columns = columnsOf(to, reading.table).filter((column) =>
      columnsOf(from, reading.table).includes(column),
    );
    if (columns.length === 0) continue;
    const names = columns.map((name) => `"${name}"`).join(", ");
    const insert = to.prepare(
      `INSERT OR IGNORE INTO ${reading.table} (${names}) VALUES (${columns.map(() => "?").join(", ")})`,
    );
    read(from, reading, names, lowestOf(to, reading.table), (row) => {
      if (!isSound(reading.table, row)) return;
      try {
        insert.run(columns.map((column) => row[column]));
      } catch {
        // A value of a type that the column cannot have.
      }
    });
  }
}

function columnsOf(database: Database.Database, table: string): readonly string[] {
  try {
    const rows = database.pragma(`table_info(${table})`) as readonly { readonly name: string }[];
    return rows.map(({ name }) => name);
  } catch {
    return [];
  }
}

/** The start from which on evidence is taken along. */
function lowestOf(to: Database.Database, table: string): number {
  if (table !== "evidence") return 0;
  const lowest = to
    .prepare(
      `SELECT min(number) FROM (SELECT number, sum(evidence_count) OVER (ORDER BY number DESC) AS newer FROM attempt)
       WHERE newer <= ?`,
    )
    .pluck()
    .get(MOST_EVIDENCE);
  return Number(lowest ?? 0);
}

function read(
  from: Database.Database,
  { table, by, isNumber, index }: Reading,
  names: string,
  lowest: number,
  take: (row: AnyRow) => void,
): void {
  const source = `FROM ${table} ${index === undefined ? "NOT INDEXED" : `INDEXED BY ${index}`}`;
  if (!isNumber) {
    for (const direction of ["ASC", "DESC"]) {
      const order = by.replaceAll(/\w+/g, `$& ${direction}`);
      if (isReadToItsEnd(() => from.prepare(`SELECT ${names} ${source} ORDER BY ${order}`).iterate(), take))
        return;
    }
    return;
  }
  const sql = `SELECT ${names} ${source} WHERE ${by} BETWEEN ? AND ? ORDER BY ${by}`;
  // The widest first, so that what can be read behind a large hole is found before the hole is looked through.
  const ranges: [low: number, high: number][] = [[lowest, highestOf(from, table, by)]];
  let rows = 0;
  let failures = 0;
  for (const [low, high] of ranges) {
    let reached = low;
    const isWhole = isReadToItsEnd(
      () => from.prepare(sql).iterate(low, high),
      (row) => {
        rows++;
        reached = Math.max(reached, Number(row[by]) || 0);
        take(row);
      },
    );
    if (isWhole) continue;
    failures++;
    if (failures > (rows === 0 ? MOST_IN_VAIN : MOST_FAILURES)) return;
    if (reached >= high) continue;
    const middle = Math.floor((reached + high) / 2);
    ranges.push([reached, middle], [middle + 1, high]);
  }
}

/** Whether all rows could be read; those before the first that could not are taken. */
function isReadToItsEnd(rows: () => Iterable<unknown>, take: (row: AnyRow) => void): boolean {
  try {
    for (const row of rows()) take(row as AnyRow);
    return true;
  } catch {
    return false;
  }
}

/** The largest number in the column, or one that is larger than any. */
function highestOf(from: Database.Database, table: string, by: string): number {
  try {
    const highest = from.prepare(`SELECT max(${by}) FROM ${table}`).pluck().get();
    if (typeof highest === "number") return highest;
  } catch {
    // The way to the end of the table is damaged.
  }
  return 2 ** 24;
}
