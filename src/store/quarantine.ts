import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** Damaged databases that are kept; a disk that damages one file after the other must not fill itself with them. */
const KEPT = 3;
const SURE = "sure\n";
const COMPANIONS = ["", "-wal", "-shm"];

/**
 * Moves a damaged database aside, with its write-ahead log, so that nothing of it is lost and a new one can
 * begin. Returns the new name of the database file. Throws what the file system throws.
 */
export function quarantine(path: string, now: number): string {
  const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
  let target = `${path}.corrupt-${time}`;
  for (let copy = 2; existsSync(target); copy++) target = `${path}.corrupt-${time}-${copy}`;
  setAside(path, target);
  removeDamageMark(path);
  dropOldQuarantines(path);
  return target;
}

/** Gives a database another name, with its log. */
export function setAside(path: string, target: string): void {
  for (const companion of COMPANIONS)
    if (existsSync(path + companion)) renameSync(path + companion, target + companion);
}

/** Removes a database with its log, e.g. one that was begun and did not come to be. */
export function removeDatabase(path: string): void {
  for (const companion of COMPANIONS) rmSync(path + companion, { force: true });
}

/**
 * Leaves a mark that the file was found damaged while it was in use, for the next start; `isSure` where it was looked
 * through for that already, and seemed whole.
 */
export function markDamaged(path: string, isSure = false): void {
  try {
    writeFileSync(damageMark(path), isSure ? SURE : "", { mode: 0o600 });
  } catch {
    // A disk that cannot take an empty file will show its damage again by itself.
  }
}

/** Whether the last user of the file found it damaged. */
export function damageMarkOf(path: string): "none" | "doubted" | "sure" {
  const text = existsSync(damageMark(path)) ? readFileSync(damageMark(path), "utf8") : undefined;
  return text === undefined ? "none" : text === SURE ? "sure" : "doubted";
}

/** The file is whole after all, or no longer there. */
export function removeDamageMark(path: string): void {
  rmSync(damageMark(path), { force: true });
}

function damageMark(path: string): string {
  return `${path}.damaged`;
}

function dropOldQuarantines(path: string): void {
  const prefix = `${basename(path)}.corrupt-`;
  const names = readdirSync(dirname(path)).filter((name) => name.startsWith(prefix));
  const databases = names.filter((name) => !/-(?:wal|shm)$/.test(name)).sort();
  for (const old of databases.slice(0, -KEPT)) {
    removeDatabase(join(dirname(path), old));
  }
}
