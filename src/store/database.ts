import { existsSync, readFileSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import { keepPrivate, makePrivate } from "../private-files.ts";
import { isHidden, mayRead, whatIsThere } from "./file-place.ts";
import { findDamage } from "./find-damage.ts";
import { APPLICATION_ID, migrate, nameHistory } from "./migrate.ts";
import { damageMarkOf, quarantine, removeDamageMark, removeDatabase } from "./quarantine.ts";
import { type Saved, saveHistory } from "./save-history.ts";
import { SCHEMA_VERSION } from "./schema.ts";
import type { RefusalReason } from "./store.ts";
import { type DiskTrouble, damagedFile, explainDiskTrouble, sqliteCode } from "./troubles.ts";

/** After an unclean end a file up to this size is checked; a larger one would hold up the start. */
const CHECK_UP_TO = 32 * 1024 * 1024;
const PATIENCE_MS = 2000;
/** The largest database that is read into memory. */
const READ_UP_TO = 1024 ** 3;
/**
 * A commit writes whole pages to the log, and an incident touches some thirty, most of them for a few bytes in an
 * index: with SQLite's usual 4096 that was 140 KB on a flash stick for 3 KB of rows. Smaller pages still would let most
 * evidence overflow into pages of its own, and make blame a fifth slower over ten years. A file keeps the size that it
 * was made with: making it anew (VACUUM) needs as much free space again and writes it all.
 */
const PAGE_SIZE = 2048;
/** The log is written back when it has grown to this (bytes): a page that was written often is written back once. */
const LOG_SIZE = 4_194_304;

export type OpenedDatabase =
  | {
      readonly state: "open";
      readonly database: Database.Database;
      /** The file that another was begun for, where there was one, and what of it or of a second copy is in that. */
      readonly begun?: { readonly file: string | undefined; readonly saved: Saved };
      /** False on a file system that has no shared memory: readers and the writer then wait for each other. */
      readonly writeAheadLog: boolean;
    }
  | {
      readonly state: "refused";
      readonly reason: RefusalReason;
      readonly why: string;
      readonly remedy: string;
    };

/**
 * Opens, checks and migrates the database for writing. A damaged file is moved aside, and a new one begun with what can
 * be read of it; what cannot is taken from one of the second copies. One that is made new begins with `older`, or with
 * the newest copy: flash sticks die, and their history with them.
 */
export function openForWriting(
  path: string,
  now: number,
  copies: readonly string[],
  older?: string,
): OpenedDatabase {
  const noFile = refuseNoFile(path);
  if (noFile !== undefined) return noFile;
  const isNew = !existsSync(path);
  if (isNew && older !== undefined) return beginAgain(path, older, []);
  if (isNew && copies.length > 0) return beginAgain(path, undefined, copies);
  try {
    const mark = damageMarkOf(path);
    if (mark === "sure") throw new Database.SqliteError("found damaged again", "SQLITE_CORRUPT");
    const opened = openWriter(path, mark === "doubted");
    // A disk that failed for a moment looks like a damaged file; one that is whole is not given up for that.
    if (mark === "doubted" && opened.state === "open") removeDamageMark(path);
    return opened;
  } catch (error) {
    if (isOfTheDisk(error, path)) return refusedByDisk(error, path);
  }
  try {
    const file = existsSync(path) ? quarantine(path, now) : undefined;
    return beginAgain(path, file, copies);
  } catch (error) {
    return refusedByDisk(error, path);
  }
}

/** A new history with what is left of the damaged one. Whatever that costs, there is a history to write to. */
function beginAgain(path: string, file: string | undefined, copies: readonly string[]): OpenedDatabase {
  let saved: Saved | undefined;
  const fill = (database: Database.Database) => {
    saved = saveHistory(database, { damaged: file, copies });
  };
  let opened: OpenedDatabase;
  try {
    opened = openWriter(path, false, fill);
  } catch (error) {
    if (isOfTheDisk(error, path)) throw error;
    removeDatabase(path);
    opened = openWriter(path, false);
    saved = undefined;
  }
  if (opened.state === "refused") return opened;
  const nothing: Saved = { boots: 0, starts: 0, startsBefore: undefined, copy: undefined };
  return { ...opened, begun: { file, saved: saved ?? nothing } };
}

/** Whether the disk, or somebody else's rights or lock, is to blame rather than what stands in the file. */
function isOfTheDisk(error: unknown, path: string): boolean {
  const trouble = explainDiskTrouble(error, path);
  if (trouble !== undefined) return trouble.kind !== "damaged";
  return sqliteCode(error) === undefined && error instanceof Error && "code" in error;
}

/** Opens the database for reading beside a writer. */
export function openForReading(path: string): OpenedDatabase {
  if (!existsSync(path)) return isHidden(path) ? notYours(path) : nothingYet(path);
  const noFile = refuseNoFile(path);
  if (noFile !== undefined) return noFile;
  if (!mayRead(path)) return notYours(path);
  let database: Database.Database | undefined;
  try {
    database = openReader(path);
    const version = versionOf(database);
    const refused = version === 0 ? nothingYet(path) : refuseVersion(version, path, true);
    if (refused !== undefined) {
      database.close();
      return refused;
    }
    return { state: "open", database, writeAheadLog: true };
  } catch (error) {
    database?.close();
    return refusedByDisk(error, path);
  }
}

/** What is damaged in the database at `path`; undefined where nothing is, and where there is none. Reads all of it. */
export function damageOf(path: string): DiskTrouble | undefined {
  const opened = openForReading(path);
  if (opened.state === "refused")
    return opened.reason === "damaged" ? { kind: "damaged", ...opened } : undefined;
  try {
    const damage = findDamage(opened.database);
    return damage === undefined ? undefined : damagedFile(path, damage);
  } catch (error) {
    return damagedFile(path, error instanceof Error ? error.message : String(error));
  } finally {
    opened.database.close();
  }
}

/** The largest history that is taken into memory where it can be read and not written (bytes). */
const KEPT_IN_MEMORY = 16 * 1024 * 1024;

/**
 * A database in memory, for a service whose own cannot be used: it watches and tells all the same. What the file holds
 * is taken along where it can be read and is not large, for what changed since the last good start stands in it.
 */
export function openInMemory(path: string): OpenedDatabase & { readonly state: "open" } {
  const database = copyOf(path) ?? new Database(":memory:");
  database.pragma("cache_size = -2000");
  migrate(database, versionOf(database));
  database.pragma("foreign_keys = ON");
  return { state: "open", database, writeAheadLog: true };
}

function copyOf(path: string): Database.Database | undefined {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > KEPT_IN_MEMORY) return undefined;
  const opened = openForReading(path);
  if (opened.state === "refused") return undefined;
  try {
    const bytes = opened.database.serialize();
    // As in `openReader`: memory has no write-ahead log.
    bytes.fill(1, 18, 20);
    return new Database(bytes);
  } catch {
    return undefined;
  } finally {
    opened.database.close();
  }
}

/**
 * A database with a write-ahead log wants two files beside it even from readers. Where none can be made (a read-only
 * file system, somebody else's directory) and nothing is left in a log, it is read into memory instead.
 */
function openReader(path: string): Database.Database {
  const database = new Database(path, { readonly: true, fileMustExist: true, timeout: PATIENCE_MS });
  try {
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
    return database;
  } catch (error) {
    database.close();
    const code = sqliteCode(error) ?? "";
    const isShut = code.startsWith("SQLITE_CANTOPEN") || code.startsWith("SQLITE_READONLY");
    const isWhole = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) === 0;
    if (!isShut || !isWhole || statSync(path).size > READ_UP_TO) throw error;
    const bytes = readFileSync(path);
    // The format versions in the header: 2 is a write-ahead log, which memory has not, 1 a rollback journal.
    bytes.fill(1, 18, 20);
    return new Database(bytes, { readonly: true });
  }
}

/**
 * Opens the database for a few short writes beside the service, which stays its writer: nothing is made, checked,
 * moved aside or migrated. A database of any other version than this program's is refused.
 */
export function openForGuest(path: string): OpenedDatabase {
  if (!existsSync(path)) return isHidden(path) ? notYours(path) : nothingYet(path);
  const noFile = refuseNoFile(path);
  if (noFile !== undefined) return noFile;
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { fileMustExist: true, timeout: PATIENCE_MS });
    const version = versionOf(database);
    const refused = version === 0 ? nothingYet(path) : refuseVersion(version, path, true);
    if (refused !== undefined) {
      database.close();
      return refused;
    }
    database.pragma("foreign_keys = ON");
    return { state: "open", database, writeAheadLog: true };
  } catch (error) {
    database?.close();
    return refusedByDisk(error, path);
  }
}

/** With `fill` the file is a new one, which that brings up to this version. */
function openWriter(
  path: string,
  checkWhole: boolean,
  fill?: (database: Database.Database) => void,
): OpenedDatabase {
  const endedUncleanly = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
  // SQLite would let everybody read it. A log and an index that are made get the mode of the file.
  makePrivate(path);
  for (const ending of ["-wal", "-shm", "-journal"]) keepPrivate(path + ending);
  const database = new Database(path, { timeout: PATIENCE_MS });
  try {
    const version = versionOf(database);
    const refused = refuseVersion(version, path, false) ?? refuseForeign(database, version, path);
    if (refused !== undefined) {
      database.close();
      return refused;
    }
    // The compiled-in cache of 16 MB is most of what the service may take in all.
    database.pragma("cache_size = -2000");
    if (version === 0) {
      database.pragma(`page_size = ${PAGE_SIZE}`);
      // Has to come before the first page is written, or the file could never shrink.
      database.pragma("auto_vacuum = INCREMENTAL");
    }
    const mode = database.pragma("journal_mode = WAL", { simple: true });
    database.pragma(`journal_size_limit = ${LOG_SIZE}`);
    // In pages, whose size an older file keeps.
    const pageSize = Number(database.pragma("page_size", { simple: true }));
    database.pragma(`wal_autocheckpoint = ${Math.floor(LOG_SIZE / pageSize)}`);
    if (checkWhole) checkAll(database);
    else if (endedUncleanly) check(database, path);
    if (fill === undefined) migrate(database, version);
    else fill(database);
    if (version < SCHEMA_VERSION) nameHistory(database);
    database.pragma("foreign_keys = ON");
    return { state: "open", database, writeAheadLog: mode === "wal" };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Throws what SQLite throws for a damaged file. */
function check(database: Database.Database, path: string): void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > CHECK_UP_TO) return;
  const verdict = database.pragma("quick_check(1)", { simple: true });
  if (verdict !== "ok") throw new Database.SqliteError(String(verdict), "SQLITE_CORRUPT");
}

/** As `check`, whatever the size, and with the content of every index and row. */
function checkAll(database: Database.Database): void {
  const damage = findDamage(database);
  if (damage !== undefined) throw new Database.SqliteError(damage, "SQLITE_CORRUPT");
}

function versionOf(database: Database.Database): number {
  const version = database.pragma("user_version", { simple: true });
  // A cut file still has its header; reading the schema finds out.
  database.prepare("SELECT count(*) FROM sqlite_schema").get();
  return typeof version === "number" ? version : 0;
}

function refuseVersion(version: number, path: string, readOnly: boolean): OpenedDatabase | undefined {
  if (version > SCHEMA_VERSION) {
    return {
      state: "refused",
      reason: "newer",
      why: `The database ${path} has version ${version}; this program knows versions up to ${SCHEMA_VERSION}.`,
      remedy: "Install the newer vfio-watch again, or set another place for the database.",
    };
  }
  if (readOnly && version < SCHEMA_VERSION) {
    return {
      state: "refused",
      reason: "older",
      why: `The database ${path} has version ${version}; this program reads version ${SCHEMA_VERSION}.`,
      remedy: "Restart the vfio-watch service: it brings the database up to date.",
    };
  }
  return undefined;
}

function refuseForeign(
  database: Database.Database,
  version: number,
  path: string,
): OpenedDatabase | undefined {
  const id = database.pragma("application_id", { simple: true });
  const empty = database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  if (version === 0 ? empty : id === APPLICATION_ID) return undefined;
  return {
    state: "refused",
    reason: "occupied",
    why: `${path} is a database of another program.`,
    remedy: "Set another place for the database of vfio-watch.",
  };
}

/** SQLite would wait at a pipe for ever, and blame the disk for a directory or a link into the void. */
function refuseNoFile(path: string): OpenedDatabase | undefined {
  const what = whatIsThere(path);
  if (what === undefined) return undefined;
  return {
    state: "refused",
    reason: "occupied",
    why: `${path} is ${what}, not a database.`,
    remedy: "Move it away, or set another place for the database.",
  };
}

function notYours(path: string): OpenedDatabase {
  return {
    state: "refused",
    reason: "inaccessible",
    why: `${path} may not be read by this user.`,
    remedy: "Run the command as root, or as the user whose service writes it.",
  };
}

function nothingYet(path: string): OpenedDatabase {
  return {
    state: "refused",
    reason: "missing",
    why: `There is no history at ${path} yet.`,
    remedy: "Start the service ('vfio-watch run'), or name another history with --database FILE.",
  };
}

function refusedByDisk(error: unknown, path: string): OpenedDatabase {
  const code = sqliteCode(error);
  // While it is opened only what stands in the file can make SQLite refuse for any other reason.
  const trouble =
    explainDiskTrouble(error, path) ?? (code === undefined ? undefined : damagedFile(path, code));
  if (trouble !== undefined) {
    const reason = trouble.kind === "damaged" ? "damaged" : "inaccessible";
    return { state: "refused", reason, why: trouble.why, remedy: trouble.remedy };
  }
  if (error instanceof Error && "code" in error) {
    return {
      state: "refused",
      reason: "inaccessible",
      why: `The database ${path} cannot be used: ${error.message}`,
      remedy: "Run as root, and check that the directory exists and can be written.",
    };
  }
  throw error;
}
