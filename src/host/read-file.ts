import { closeSync, constants, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { absent, mapReading, type Reading, read, unreadable } from "../model/reading.ts";

/** Most files of /sys and /proc are a line; this leaves room for the long ones and none for a hostile one. */
const USUAL_LIMIT = 256 * 1024;

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
  let file: number | undefined;
  try {
    file = openSync(path, OPEN_FLAGS);
    // sysfs gives 4096 as the size of every file and procfs 0: only reading to the end tells.
    let room = Buffer.allocUnsafe(Math.min(limit + 1, 4096));
    let length = 0;
    for (;;) {
      const count = readSync(file, room, length, room.length - length, null);
      if (count === 0) return read(room.subarray(0, length));
      length += count;
      if (length > limit) return unreadable(`larger than ${limit} bytes`);
      if (length === room.length) {
        const more = Buffer.allocUnsafe(Math.min(limit + 1, length * 4));
        room.copy(more, 0, 0, length);
        room = more;
      }
    }
  } catch (error) {
    return readingOfError(error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Reads a whole file as UTF-8, as it stands; bytes that are no UTF-8 become U+FFFD. */
export function readText(path: string, limit = USUAL_LIMIT): Reading<string> {
  return mapReading(readBytes(path, limit), (bytes) => bytes.toString("utf8"));
}

/** Reads a file that holds one value, without the white space around it. */
export function readValue(path: string, limit = 4096): Reading<string> {
  return mapReading(readText(path, limit), (text) => text.trim());
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
