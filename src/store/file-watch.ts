import { statSync } from "node:fs";

/**
 * Notices that somebody removed, moved or replaced files while a program has them open: what is written then goes
 * into a file that no longer has a name, and nobody will ever read it.
 */
export interface FileWatch {
  /**
   * Whether one of the files is no longer the one that it was at the first look at which it existed. Asks twice
   * before it says so of a file that has only another number: some network file systems give new ones.
   */
  areDisplaced(): boolean;
}

/** Makes the watch over `paths`; the files are only looked at, never opened. */
export function createFileWatch(paths: readonly string[]): FileWatch {
  const known = new Map<string, string>();
  const doubted = new Map<string, string>();

  function isDisplaced(path: string): boolean {
    const first = known.get(path);
    const now = identityOf(path);
    if (now === UNKNOWN) return false;
    if (first === undefined) {
      if (now !== undefined) known.set(path, now);
      return false;
    }
    if (now === first) {
      doubted.delete(path);
      return false;
    }
    if (now === undefined || doubted.get(path) === now) return true;
    doubted.set(path, now);
    return false;
  }

  for (const path of paths) isDisplaced(path);
  return { areDisplaced: () => paths.filter(isDisplaced).length > 0 };
}

const UNKNOWN = "unknown";

/** Undefined where there is no such file; a directory that cannot be looked into proves nothing. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === "ENOENT" || code === "ENOTDIR" ? undefined : UNKNOWN;
  }
}
