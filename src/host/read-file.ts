import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
} from "node:fs";
import { absent, mapReading, type Reading, read, unreadable } from "../model/reading.ts";

/** Most files of /sys and /proc are a line; this leaves room for the long ones and none for a hostile one. */
const USUAL_LIMIT = 256 * 1024;

/** Given anew with each call, Node would make it anew with each call. */
const AS_TEXT = { encoding: "utf8", flag: "r" } as const;

/** Non-blocking, so that a FIFO in the place of a file ends at once instead of hanging the reader. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * What an error of the file system means for a reading. A path below something that is not a directory is as
 * absent as one that does not exist; everything else was there and could not be read.
 */
function readingOfError(error: unknown): Reading<never> {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return absent;
    case "EACCES":
    case "EPERM":
      return unreadable("needs root");
    case "EISDIR":
      return unreadable("is a directory, not a file");
    default:
      return unreadable(`reading it failed with ${code}`);
  }
}

/** Reads a whole file. A file of more than `limit` bytes is unreadable, not cut: half a value is no value. */
export function readBytes(path: string, limit = USUAL_LIMIT): Reading<Buffer> {
  return mapReading(readInto(scratch, path, limit), (bytes) => Buffer.from(bytes));
}

/** Reads a whole file as UTF-8, as it stands; bytes that are no UTF-8 become U+FFFD. */
export function readText(path: string, limit = USUAL_LIMIT): Reading<string> {
  return mapReading(readInto(scratch, path, limit), (bytes) => bytes.toString("utf8"));
}

/** Room for one reading at a time, so that a hundred small files are not a hundred buffers. */
const scratch = Buffer.allocUnsafeSlow(16 * 1024);

/** The bytes of a whole file, in `room` where they fit in and else elsewhere. */
function readInto(room: Buffer, path: string, limit: number): Reading<Buffer> {
  let file: number | undefined;
  try {
    file = openSync(path, OPEN_FLAGS);
    let buffer = room;
    let length = 0;
    for (;;) {
      // sysfs gives 4096 as the size of every file and procfs 0: only reading to the end tells.
      const count = readSync(file, buffer, length, buffer.length - length, null);
      if (count === 0) return read(buffer.subarray(0, length));
      length += count;
      if (length > limit) return unreadable(`larger than ${limit} bytes`);
      if (length < buffer.length) continue;
      const more = Buffer.allocUnsafe(Math.max(length, Math.min(limit, roomFor(file, length))) + 1);
      buffer.copy(more, 0, 0, length);
      buffer = more;
    }
  } catch (error) {
    return readingOfError(error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** As much as an ordinary file has; of others four times what they have given so far. */
function roomFor(file: number, length: number): number {
  const { size } = fstatSync(file);
  return size > length ? size : length * 4;
}

/** Reads a file that holds one value, without the white space around it. */
export function readValue(path: string, limit = 4096): Reading<string> {
  return mapReading(readText(path, limit), (text) => text.trim());
}

/**
 * Reads a text of the kernel's that cannot be large: an attribute in sysfs has at most a page. In one call into Node
 * and not four, which halves the time of a snapshot; so without a limit, and not for files that others write.
 */
export function readAttribute(path: string): Reading<string> {
  try {
    return read(readFileSync(path, AS_TEXT));
  } catch (error) {
    return readingOfError(error);
  }
}

/** The first `length` bytes of a file as text, or all of a shorter one. */
export function readBeginning(path: string, length: number): Reading<string> {
  let file: number | undefined;
  try {
    file = openSync(path, OPEN_FLAGS);
    const room = Buffer.allocUnsafe(length);
    let filled = 0;
    for (;;) {
      const count = readSync(file, room, filled, length - filled, null);
      filled += count;
      if (count === 0 || filled === length) return read(room.toString("utf8", 0, filled));
    }
  } catch (error) {
    return readingOfError(error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Which file or directory stands at a path: the same words again mean the very same one. */
export function readIdentity(path: string): Reading<string> {
  try {
    const status = statSync(path, { throwIfNoEntry: false });
    return status === undefined ? absent : read(`${status.dev} ${status.ino} ${status.mtimeMs}`);
  } catch (error) {
    return readingOfError(error);
  }
}

/** Names in a directory, in no particular order. */
export function readNames(path: string): Reading<readonly string[]> {
  try {
    return read(readdirSync(path));
  } catch (error) {
    return readingOfError(error);
  }
}

/** Where a symbolic link points, as written in the link. */
export function readLink(path: string): Reading<string> {
  try {
    return read(readlinkSync(path));
  } catch (error) {
    // EINVAL: a plain file or directory where the kernel has a link, as in a tree that was copied.
    return readingOfError(error);
  }
}
