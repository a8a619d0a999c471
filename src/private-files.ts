import { chmodSync, closeSync, lstatSync, openSync } from "node:fs";
import { basename } from "node:path";

/**
 * Makes the file where there is none, for its owner alone, and takes the rights of others away from one that an earlier
 * version or a script left open: log lines and VM definitions are nobody else's business.
 */
export function makePrivate(path: string): void {
  try {
    closeSync(openSync(path, "a", 0o600));
  } catch {
    // Whoever uses the file meets the same, and explains it.
  }
  keepPrivate(path);
}

/** Takes the rights of others away from a file of ours. A file system without rights (FAT) has its own for all files. */
export function keepPrivate(path: string): void {
  try {
    const status = lstatSync(path);
    if (status.isFile() && isOpen(status)) chmodSync(path, 0o600);
  } catch {
    // None is there, or a file system that keeps no rights.
  }
}

/**
 * Takes the rights of others away from a directory that is this program's by its name; one that somebody chose for the
 * history (a home, a share) may hold other things, and stays as it is.
 */
export function keepDirectoryPrivate(path: string): void {
  try {
    const status = lstatSync(path);
    if (basename(path) === "vfio-watch" && status.isDirectory() && isOpen(status)) chmodSync(path, 0o700);
  } catch {
    // As above.
  }
}

function isOpen({ mode, uid }: { readonly mode: number; readonly uid: number }): boolean {
  return (mode & 0o077) !== 0 && uid === process.getuid?.();
}
