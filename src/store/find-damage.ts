import type Database from "better-sqlite3";
import { isSound } from "./sound-rows.ts";

/**
 * What is damaged in a database of this version, in words; undefined where nothing is. Reads every row: SQLite itself
 * finds no fault with a text in which a byte was changed.
 */
export function findDamage(database: Database.Database): string | undefined {
  const verdict = String(database.pragma("integrity_check(1)", { simple: true }));
  if (verdict !== "ok") return verdict;
  const tables = database
    .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    .pluck()
    .all();
  for (const table of tables) {
    for (const row of database.prepare<[], Record<string, unknown>>(`SELECT * FROM "${table}"`).iterate())
      if (!isSound(table, row)) return `a row of the table ${table} is none that this program writes`;
  }
  return undefined;
}
