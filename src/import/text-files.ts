import { closeSync, createReadStream, fstatSync, openSync, readSync } from "node:fs";
import { constants, createGunzip, gunzipSync } from "node:zlib";
import { createLineSplitter } from "../sources/kernel-log/line-splitter.ts";
import { isGzip, packedWith } from "./packed.ts";

/** What kind of log a file is, judged by what stands in it. */
export type LogKind = "syslog" | "domain-log" | "libvirtd-log" | "dump" | "zip" | "empty" | "unknown";

const LOOKED_AT = 64 * 1024;
const LINE_LIMIT = 64 * 1024;
/** Of one file no more than this is read, unpacked (bytes). */
const BYTES_LIMIT = 2 * 1024 ** 3;

const SYSLOG_LINE =
  /^(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S{1,16}) \S{1,255} [^\s:[\]]{1,64}(?:\[\d+\])?: /m;
const LIBVIRT_RECORD =
  /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d{4}: \d{1,10}: (?:debug|info|warning|error) : /m;
const DOMAIN_LINE =
  /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d{4}: (?:starting up|shutting down|Domain id=)/m;
const DUMP_HEADER = /^[A-Z][A-Za-z]{1,20}#\d{1,9} Part\d{1,4}\s*$/m;

/** Looks at the beginning of a file, unpacked where it is compressed. Throws what the file system throws. */
export function kindOfFile(path: string): LogKind {
  const file = openSync(path, "r");
  try {
    if (!fstatSync(file).isFile()) return "unknown";
    const room = Buffer.alloc(LOOKED_AT);
    const head = room.subarray(0, readSync(file, room, 0, room.length, 0));
    if (head.length === 0) return "empty";
    if (head.toString("latin1", 0, 2) === "PK") return "zip";
    const text = (isGzip(head) ? unpackedHead(head) : head).toString("utf8");
    if (LIBVIRT_RECORD.test(text)) return "libvirtd-log";
    if (DOMAIN_LINE.test(text)) return "domain-log";
    if (SYSLOG_LINE.test(text)) return "syslog";
    return DUMP_HEADER.test(text) ? "dump" : "unknown";
  } finally {
    closeSync(file);
  }
}

/** As `packedWith`, of a file. Throws what the file system throws. */
export function fileIsPackedWith(path: string): string | undefined {
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(8);
    return packedWith(head.subarray(0, readSync(file, head, 0, head.length, 0)));
  } finally {
    closeSync(file);
  }
}

function unpackedHead(head: Buffer): Buffer {
  try {
    // 64 KB unpack to 64 MB at most; a flush in the middle instead of an end gives what is there.
    return gunzipSync(head, {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: 1032 * LOOKED_AT,
    }).subarray(0, LOOKED_AT);
  } catch {
    return Buffer.alloc(0);
  }
}

/**
 * Gives a file's lines without their newline, unpacked where it is compressed; returns what went wrong, if anything.
 * Of a file that is longer than `newest` bytes only so many are read: the last, or of a compressed one the first.
 */
export async function readLines(
  path: string,
  line: (text: string) => void,
  newest = BYTES_LIMIT,
): Promise<string | undefined> {
  let overlong = 0;
  let length = 0;
  const splitter = createLineSplitter({
    limit: LINE_LIMIT,
    line,
    overlong: () => {
      overlong += 1;
    },
  });
  const head = openSync(path, "r");
  const two = Buffer.alloc(2);
  readSync(head, two, 0, 2, 0);
  const { size } = fstatSync(head);
  closeSync(head);
  const start = isGzip(two) ? 0 : Math.max(0, size - newest);
  const source = createReadStream(path, { start });
  const stream = isGzip(two) ? source.pipe(createGunzip()) : source;
  source.on("error", (error) => stream.destroy(error));
  try {
    for await (const part of stream as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > newest) return `${path} is longer than ${newest} bytes; the rest was not read.`;
      splitter.push(part);
    }
  } catch (error) {
    return `${path}: ${error instanceof Error ? error.message : error}; what came before was read.`;
  } finally {
    source.destroy();
  }
  if (splitter.pending() > 0) splitter.push(Buffer.from("\n"));
  if (start > 0) return `${path} is longer than ${newest} bytes; only its end was read.`;
  return overlong > 0 ? `${path}: ${overlong} overlong lines were passed over.` : undefined;
}

/** Reads a whole file, unpacked where it is compressed, up to `limit` bytes. Throws what the file system throws. */
export function readUnpacked(path: string, limit: number): Buffer {
  const content = readAll(path, limit);
  return isGzip(content)
    ? gunzipSync(content, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: limit })
    : content;
}

/** To the end, because files of /proc and pipes (`<(dmesg)` of a shell) have no size. */
function readAll(path: string, limit: number): Buffer {
  const file = openSync(path, "r");
  try {
    const parts: Buffer[] = [];
    let room = Buffer.alloc(Math.min(limit, fstatSync(file).size) + 1);
    let length = 0;
    for (;;) {
      const count = readSync(file, room, 0, room.length, null);
      if (count === 0) return Buffer.concat(parts);
      parts.push(room.subarray(0, count));
      length += count;
      if (length > limit) throw new TooLarge(path, limit);
      room = Buffer.alloc(LOOKED_AT);
    }
  } finally {
    closeSync(file);
  }
}

/** A file that is longer than anybody wants to read. */
export class TooLarge extends Error {
  constructor(path: string, limit: number) {
    super(`${path} is larger than ${limit} bytes`);
    this.name = "TooLarge";
  }
}
