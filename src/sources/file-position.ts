import { hash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { absent, type Reading, read, unreadable } from "../model/reading.ts";

/**
 * Where reading goes on. The bytes before the offset are remembered as two short hashes (of the file's first
 * bytes and of those just before the offset), because an inode number alone lies: tmpfs hands them out anew
 * after each boot, and a truncated log grows past the old offset again.
 */
export interface FilePosition {
  readonly device: number;
  readonly inode: number;
  readonly offset: number;
  readonly head: string;
  readonly tail: string;
  readonly tailLength: number;
  /** The offset is inside a line whose beginning was dropped: go on after its end. */
  readonly skipping?: true;
}

/** How many bytes at either place a position remembers, at most. */
export const REMEMBERED_BYTES = 256;

/**
 * The position at `offset`: `head` are the file's first bytes (256 where there are as many), `before` those
 * that stand before the offset.
 */
export function positionAt(
  stats: Pick<Stats, "dev" | "ino">,
  offset: number,
  bytes: { readonly head: Buffer; readonly before: Buffer },
  skipping = false,
): FilePosition {
  return {
    device: stats.dev,
    inode: stats.ino,
    offset,
    head: shortHash(bytes.head.subarray(0, Math.min(REMEMBERED_BYTES, offset))),
    tail: shortHash(bytes.before),
    tailLength: bytes.before.length,
    ...(skipping ? { skipping: true as const } : {}),
  };
}

/** Reads a stored position; undefined for anything that is not one. */
export function readPosition(value: unknown): FilePosition | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { device, inode, offset, head, tail, tailLength, skipping } = value as Record<string, unknown>;
  const count = (number: unknown) => Number.isSafeInteger(number) && Number(number) >= 0;
  if (!count(device) || !count(inode) || !count(offset) || !count(tailLength)) return undefined;
  if (typeof head !== "string" || typeof tail !== "string") return undefined;
  if (Number(tailLength) > REMEMBERED_BYTES) return undefined;
  const position = {
    device: Number(device),
    inode: Number(inode),
    offset: Number(offset),
    head,
    tail,
    tailLength: Number(tailLength),
  };
  return skipping === true ? { ...position, skipping } : position;
}

/** Does `file` begin with what had been read up to `position`? */
export function holds(file: string, position: FilePosition): boolean {
  const opened = openFile(file);
  if (opened.state !== "read") return false;
  const { descriptor, stats } = opened.value;
  try {
    return holdsOpen(descriptor, stats, position);
  } finally {
    closeSync(descriptor);
  }
}

/** The same for a file that is open. */
export function holdsOpen(descriptor: number, stats: Stats, position: FilePosition): boolean {
  if (stats.size < position.offset) return false;
  if (position.offset === 0) return stats.ino === position.inode && stats.dev === position.device;
  const head = bytesAt(descriptor, 0, Math.min(REMEMBERED_BYTES, position.offset));
  const tail = bytesAt(descriptor, position.offset - position.tailLength, position.tailLength);
  return shortHash(head) === position.head && shortHash(tail) === position.tail;
}

/** The position behind everything that the file holds now. */
export function endOf(file: string): FilePosition | undefined {
  const opened = openFile(file);
  if (opened.state !== "read") return undefined;
  const { descriptor, stats } = opened.value;
  try {
    const tailLength = Math.min(REMEMBERED_BYTES, stats.size);
    const head = bytesAt(descriptor, 0, tailLength);
    return positionAt(stats, stats.size, {
      head,
      before: bytesAt(descriptor, stats.size - tailLength, tailLength),
    });
  } finally {
    closeSync(descriptor);
  }
}

/** What virtlogd (`NAME.log.0`) or logrotate (`.1`, `-20260101`) put aside, the newest first. */
export function rotatedFiles(path: string): { readonly path: string; readonly mtimeMs: number }[] {
  const directory = dirname(path);
  const name = basename(path);
  let entries: string[];
  try {
    entries = readdirSync(directory);
  } catch {
    return [];
  }
  return entries
    .filter((entry) => entry.startsWith(name) && /^[.-]\d{1,10}$/.test(entry.slice(name.length)))
    .flatMap((entry) => {
      const file = join(directory, entry);
      const found = lookAt(file);
      return found.state === "read" ? [{ path: file, mtimeMs: found.value.mtimeMs }] : [];
    })
    .sort((a, b) => b.mtimeMs - a.mtimeMs);
}

/** What is at `path`, if it is a regular file. */
export function lookAt(path: string): Reading<Stats> {
  const stats = statusOf(path);
  return stats.state === "read" && !stats.value.isFile() ? unreadable("not a regular file") : stats;
}

/** What is at `path`. Never throws: a stick that was pulled out or a directory that is closed is no bug. */
export function statusOf(path: string): Reading<Stats> {
  try {
    return read(statSync(path));
  } catch (error) {
    return failure(error);
  }
}

/** Opens a regular file for reading. Whoever calls closes it again. */
export function openFile(path: string): Reading<{ readonly descriptor: number; readonly stats: Stats }> {
  let descriptor: number;
  try {
    // Without O_NONBLOCK a named pipe that someone put there would hold the whole program up.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return failure(error);
  }
  const stats = fstatSync(descriptor);
  if (stats.isFile()) return read({ descriptor, stats });
  closeSync(descriptor);
  return unreadable("not a regular file");
}

/** What a failed look at a file means. */
export function failure(error: unknown): Reading<never> {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  if (code === "ENOENT" || code === "ENOTDIR") return absent;
  return unreadable(code === "EACCES" || code === "EPERM" ? "permission denied: needs root" : code);
}

/** Up to `length` bytes from `offset` on; fewer at the end of the file. */
export function bytesAt(descriptor: number, offset: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(Math.max(0, length));
  let filled = 0;
  while (filled < buffer.length) {
    const got = readSync(descriptor, buffer, filled, buffer.length - filled, Math.max(0, offset) + filled);
    if (got === 0) break;
    filled += got;
  }
  return buffer.subarray(0, filled);
}

function shortHash(bytes: Buffer): string {
  return hash("sha1", bytes, "hex").slice(0, 16);
}
