import { rmSync } from "node:fs";
import Database from "better-sqlite3";
import { makePrivate } from "../private-files.ts";
import { explainDiskTrouble, saysDamaged, sqliteCode } from "./troubles.ts";

/** What came of trying to become the one writer. */
export type WriterLock =
  | { readonly state: "held"; release(): void }
  /** `pid` is 0 where the holder could not leave it. */
  | { readonly state: "taken"; readonly pid: number }
  | { readonly state: "impossible"; readonly why: string; readonly remedy: string };

/**
 * Becomes the one writer of `databasePath`. The lock is a transaction that stays open on a tiny database of its
 * own (`<databasePath>.lock`): the kernel takes such a lock back when its process dies, however it dies, so
 * there is no stale lock to judge after a power cut. The holder's pid stands in that file as its user version.
 */
export function takeWriterLock(databasePath: string): WriterLock {
  const path = `${databasePath}.lock`;
  const first = attempt(path);
  if (first.state !== "damaged") return first;
  // Nobody can hold a lock in a file that is no database.
  rmSync(path, { force: true });
  const second = attempt(path);
  return second.state === "damaged"
    ? { state: "impossible", why: `The lock file ${path} cannot be used.`, remedy: "Check the disk." }
    : second;
}

function attempt(path: string): WriterLock | { readonly state: "damaged" } {
  let lock: Database.Database | undefined;
  try {
    makePrivate(path);
    lock = new Database(path, { timeout: 0 });
    const database = lock;
    lock.pragma("journal_mode = MEMORY");
    lock.pragma("cache_size = 4");
    // Somebody else may slip in between the two transactions; then the pid is not ours, and we try again.
    for (let round = 0; round < 10; round++) {
      lock.exec("BEGIN IMMEDIATE");
      if (lock.pragma("user_version", { simple: true }) === process.pid || round === 9) break;
      if (!leavePid(lock)) break;
    }
    return { state: "held", release: () => database.close() };
  } catch (error) {
    const pid = sqliteCode(error)?.startsWith("SQLITE_BUSY") && lock !== undefined ? holder(lock) : undefined;
    lock?.close();
    if (pid !== undefined) return { state: "taken", pid };
    if (saysDamaged(error)) return { state: "damaged" };
    const trouble = explainDiskTrouble(error, path);
    if (trouble !== undefined) return { state: "impossible", why: trouble.why, remedy: trouble.remedy };
    throw error;
  }
}

/** Writes our pid and gives the lock up for a moment; false, with the lock still held, on a full disk. */
function leavePid(lock: Database.Database): boolean {
  try {
    lock.pragma(`user_version = ${process.pid}`);
    lock.exec("COMMIT");
    return true;
  } catch {
    if (lock.inTransaction) lock.exec("ROLLBACK");
    lock.exec("BEGIN IMMEDIATE");
    return false;
  }
}

function holder(lock: Database.Database): number {
  try {
    const pid = lock.pragma("user_version", { simple: true });
    return typeof pid === "number" ? pid : 0;
  } catch {
    return 0;
  }
}
