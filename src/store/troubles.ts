import { accessSync, constants, statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { StoreTrouble, StoreTroubleKind } from "./refusal.ts";

const MOST_TROUBLES = 32;

/** Remembers what went wrong with the database, and when it was over. */
export interface Troubles {
  /** Counts a trouble; one that still lasts is counted once more, not listed twice. */
  report(kind: StoreTroubleKind, why: string, remedy: string): StoreTrouble;
  /** A write succeeded: whatever kept writes from succeeding is over. Returns whether there was anything. */
  settle(): boolean;
  /** Adds what an earlier process noted, behind what is known already. */
  addEarlier(earlier: readonly StoreTrouble[]): void;
  /** Newest first. */
  list(): readonly StoreTrouble[];
}

/** Kinds that a successful write proves to be over. */
const ENDED_BY_A_WRITE: ReadonlySet<StoreTroubleKind> = new Set([
  "disk-full",
  "read-only",
  "input-output",
  "busy",
]);

/** Makes an empty list of troubles; times come from `clock`. */
export function createTroubles(clock: { now(): number }): Troubles {
  let troubles: StoreTrouble[] = [];
  let open = false;
  return {
    report(kind, why, remedy) {
      const lasting = troubles.find((trouble) => trouble.kind === kind && trouble.until === undefined);
      const trouble: StoreTrouble = {
        kind,
        since: lasting?.since ?? clock.now(),
        // Moving a file aside is over when it is told.
        until: kind === "quarantined" ? clock.now() : undefined,
        why,
        remedy,
        times: (lasting?.times ?? 0) + 1,
      };
      troubles = [trouble, ...troubles.filter((other) => other !== lasting)].slice(0, MOST_TROUBLES);
      open = true;
      return trouble;
    },
    settle() {
      if (!open) return false;
      open = false;
      const now = clock.now();
      troubles = troubles.map((trouble) =>
        trouble.until === undefined && ENDED_BY_A_WRITE.has(trouble.kind)
          ? { ...trouble, until: now }
          : trouble,
      );
      return true;
    },
    addEarlier(earlier) {
      troubles = [...troubles, ...earlier].slice(0, MOST_TROUBLES);
    },
    list: () => troubles,
  };
}

/** What is wrong with the disk, in words, for an error that SQLite gave. */
export interface DiskTrouble {
  readonly kind: StoreTroubleKind;
  readonly why: string;
  readonly remedy: string;
}

/** SQLite's error code, e.g. `SQLITE_IOERR_WRITE`; undefined for anything that is not an error of SQLite. */
export function sqliteCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return error.code.startsWith("SQLITE_") ? error.code : undefined;
}

/** Whether SQLite says that the file is no sound database. */
export function saysDamaged(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === "SQLITE_NOTADB" || code?.startsWith("SQLITE_CORRUPT") === true;
}

/**
 * Explains an error of SQLite that the disk is to blame for; undefined for every other error (a bug). `isFailing`: the
 * disk has just refused to read or write, and not taken anything since.
 */
export function explainDiskTrouble(error: unknown, path: string, isFailing = false): DiskTrouble | undefined {
  const code = sqliteCode(error);
  if (code === undefined) return undefined;
  if (saysDamaged(error) && !isFailing) return damagedFile(path, code);
  // A full disk also shows as a failed write, or as a shared-memory file that cannot grow.
  if (code === "SQLITE_FULL" || (isInputOutput(code) && roomLeft(path) < 64 * 1024)) {
    return {
      kind: "disk-full",
      why: `The disk that holds ${path} is full (${code}).`,
      remedy: `Make room below ${dirname(path)}; the service goes on by itself as soon as there is some.`,
    };
  }
  const isRefused = isInputOutput(code) || saysDamaged(error);
  if (code.startsWith("SQLITE_READONLY") || (isRefused && isReadOnly(path))) {
    if (path.startsWith("/boot/"))
      return {
        kind: "read-only",
        why: `The flash drive is read-only: ${path} cannot be written (${code}).`,
        remedy:
          "Shut the server down and have another computer check the flash drive for errors. Until then nothing new is kept beyond a reboot.",
      };
    return {
      kind: "read-only",
      why: `The database ${path} cannot be written: its file or directory is read-only to this user (${code}).`,
      remedy: "Run as root, mount the file system for writing, or set another place for the database.",
    };
  }
  if (code.startsWith("SQLITE_BUSY") || code === "SQLITE_LOCKED") {
    return {
      kind: "busy",
      why: `Another program holds the database ${path} locked (${code}).`,
      remedy: "End the other program that has the file open, then try again.",
    };
  }
  if (isRefused) {
    return {
      kind: "input-output",
      why: `The disk refuses to read or write ${path} (${code}).`,
      remedy: "Look into the kernel log for errors of that disk and check its file system.",
    };
  }
  return undefined;
}

/** What is said of a damaged history; `how` in SQLite's words or this program's. */
export function damagedFile(path: string, how: string): DiskTrouble {
  return {
    kind: "damaged",
    why: `The database ${path} is damaged (${how}).`,
    remedy:
      "The service moves it aside, keeps it, and begins a new one with what can be read of it. " +
      "Where the service does not run, start it; it does so at its next start.",
  };
}

function isInputOutput(code: string): boolean {
  return code.startsWith("SQLITE_IOERR") || code.startsWith("SQLITE_CANTOPEN");
}

/** Whether files can be made beside `path`; SQLite only says that it cannot open one. */
function isReadOnly(path: string): boolean {
  try {
    accessSync(dirname(path), constants.W_OK);
    return false;
  } catch {
    return true;
  }
}

/** Bytes left for files in the directory of `path`; infinite where nobody can say. */
function roomLeft(path: string): number {
  try {
    const disk = statfsSync(dirname(path));
    return disk.bavail * disk.bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
