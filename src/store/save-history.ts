import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import Database from "better-sqlite3";
import { copyReadable, NEEDED_FOR_BLAME } from "./copy-readable.ts";
import { migrate, nameHistory } from "./migrate.ts";
import { SCHEMA_VERSION } from "./schema.ts";
import { keepWhatIsWhole } from "./whole-rows.ts";

/** What of an old history is in the new one. */
export interface Saved {
  readonly boots: number;
  readonly starts: number;
  /** How many starts there ever were; undefined where nothing tells. */
  readonly startsBefore: number | undefined;
  /** The second copy that was needed. */
  readonly copy: string | undefined;
}

/**
 * Fills a new, empty database with what can be read of a damaged one, and with what a second copy of the same history
 * has besides. `database` has to be without foreign keys; all of it is one transaction.
 */
export function saveHistory(
  database: Database.Database,
  options: {
    /** The damaged file; undefined where it is none of ours, or nothing. */
    readonly damaged: string | undefined;
    /** Second copies, the newest first. */
    readonly copies: readonly string[];
  },
): Saved {
  let before: number | undefined;
  let history: string | undefined;
  let copy: string | undefined;
  const old = options.damaged === undefined ? undefined : openDamaged(options.damaged);
  const version = old === undefined ? SCHEMA_VERSION : versionOf(old);
  migrate(database, 0, version);
  database.transaction(() => {
    if (old === undefined) return;
    copyReadable(old, database);
    before = quietly(() =>
      old.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'attempt'").pluck().get(),
    ) as number | undefined;
    history = historyOf(database);
    old.close();
  })();
  if (version < SCHEMA_VERSION) finishOlder(database, version);
  database.transaction(() => {
    for (const path of options.copies) {
      const other = quietly(() => openCopy(path));
      if (other === undefined) continue;
      // Numbers mean the same in both only where one was made of the other.
      const isSame =
        countOf(database, "boot") === 0 || (history !== undefined && historyOf(other) === history);
      if (isSame && quietly(() => copyReadable(other, database, NEEDED_FOR_BLAME) ?? true) === true)
        copy ??= path;
      other.close();
      if (isSame) break;
    }
    keepWhatIsWhole(database);
    nameHistory(database);
  })();
  return {
    boots: countOf(database, "boot"),
    starts: countOf(database, "attempt"),
    startsBefore: before,
    copy,
  };
}

/** A second copy is a database of its own, packed with gzip. */
function openCopy(path: string): Database.Database {
  const database = new Database(gunzipSync(readFileSync(path), { maxOutputLength: 2 ** 30 }));
  database.pragma("foreign_keys = OFF");
  migrate(database, versionOf(database));
  return database;
}

function openDamaged(path: string): Database.Database | undefined {
  return quietly(() => {
    const database = new Database(path, { readonly: true, fileMustExist: true });
    // Otherwise one bad entry of the schema would hide every table; the file itself is only read.
    database.unsafeMode(true).pragma("writable_schema = ON");
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
    return database;
  });
}

/** A damaged history of an older version; its snapshots are packed in a form that may no longer be read. */
function finishOlder(database: Database.Database, version: number): void {
  if (quietly(() => migrate(database, version) ?? true) === true) return;
  database.exec("UPDATE snapshot SET base = NULL, facts = NULL");
  migrate(database, version);
}

function versionOf(database: Database.Database): number {
  const version = quietly(() => database.pragma("user_version", { simple: true }));
  return typeof version === "number" && version > 0 && version <= SCHEMA_VERSION ? version : SCHEMA_VERSION;
}

function historyOf(database: Database.Database): string | undefined {
  const id = quietly(() => database.prepare("SELECT value FROM meta WHERE key = 'history'").pluck().get());
  return typeof id === "string" ? id : undefined;
}

function countOf(database: Database.Database, table: string): number {
  return Number(database.prepare(`SELECT count(*) FROM ${table}`).pluck().get());
}

/** What a damaged file refuses is not there. */
function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
