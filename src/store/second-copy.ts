import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import Database from "better-sqlite3";
import { keepDirectoryPrivate, keepPrivate } from "../private-files.ts";
import { copyReadable, NEEDED_FOR_BLAME } from "./copy-readable.ts";
import { openForReading } from "./database.ts";
import { migrate } from "./migrate.ts";

/** The copies of a history in a directory, the newest first, whether or not they are there. */
export function secondCopies(database: string, directory: string): readonly string[] {
  return ["copy.gz", "copy-2.gz"].map((ending) => join(directory, `${basename(database)}.${ending}`));
}

/**
 * Writes what blame needs of a history (boots, facts, starts without their evidence) into a small file in another place,
 * from which a new one can begin; the one before it is kept. Nothing is written where it would say the same. Returns its
 * size in bytes, 0 where nothing was written, or why it cannot be.
 */
export function writeSecondCopy(database: string, directory: string): number | string {
  const opened = openForReading(database);
  if (opened.state === "refused") return opened.why;
  const [file = "", older = ""] = secondCopies(database, directory);
  try {
    const copy = packed(opened.database);
    if (existsSync(file) && readFileSync(file).equals(copy)) return 0;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    keepDirectoryPrivate(directory);
    for (const copy of [file, older]) keepPrivate(copy);
    const fresh = `${file}.new`;
    const descriptor = openSync(fresh, "w", 0o600);
    try {
      writeSync(descriptor, copy);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (existsSync(file)) renameSync(file, older);
    renameSync(fresh, file);
    return copy.length;
  } catch (error) {
    if (existsSync(`${file}.new`)) rmSync(`${file}.new`);
    return `The second copy ${file} cannot be written: ${error instanceof Error ? error.message : String(error)}.`;
  } finally {
    opened.database.close();
  }
}

function packed(history: Database.Database): Buffer {
  const copy = new Database(":memory:");
  try {
    migrate(copy, 0);
    copy.transaction(() => {
      copyReadable(history, copy, NEEDED_FOR_BLAME);
      // What changes while nothing happens would make every copy another one.
      copy.exec(
        "DELETE FROM meta WHERE key <> 'history'; UPDATE boot SET last_seen_at = started_at WHERE end = 'unknown'",
      );
    })();
    copy.exec("VACUUM");
    return gzipSync(copy.serialize());
  } finally {
    copy.close();
  }
}
