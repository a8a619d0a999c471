import { accessSync, constants, lstatSync, statSync } from "node:fs";

/** What is in the place of a file; undefined for a file, for nothing, and where nobody can say. */
export function whatIsThere(path: string): string | undefined {
  try {
    const found = statSync(path);
    if (found.isFile()) return undefined;
    return found.isDirectory() ? "a directory" : "a pipe or a device";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ELOOP") return "a link that leads back to itself";
    // A link may lead into a directory that is made later, such as one on another disk; but not by SQLite.
    const isLink = code === "ENOENT" && lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    return isLink ? "a link that leads nowhere" : undefined;
  }
}

/** Whether the file cannot even be looked for, because its directory belongs to somebody else. */
export function isHidden(path: string): boolean {
  try {
    lstatSync(path);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES";
  }
}

/** Whether this user may read the file. */
export function mayRead(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
