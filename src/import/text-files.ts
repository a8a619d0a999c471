import { closeSync, createReadStream, fstatSync, openSync, type ReadStream, readSync } from "node:fs";
import { constants, createGunzip, gunzipSync } from "node:zlib";
import { decodeText } from "./decode-text.ts";
import type { TakeBytes } from "./log-text.ts";
import { isGzip, isZip, packedWith } from "./packed.ts";

/** What kind of log a file is, judged by what stands in it. */
export type LogKind = "syslog" | "domain-log" | "libvirtd-log" | "dump" | "zip" | "empty" | "unknown";

const LOOKED_AT = 64 * 1024;
const PIECE = 16 * 1024;

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
    const text = decodeText(isGzip(head) ? unpackedHead(head) : head);
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

/** As `isZip`, of a file. Throws what the file system throws. */
export function isZipFile(path: string): boolean {
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(4);
    return isZip(head.subarray(0, readSync(file, head, 0, head.length, 0)));
  } finally {
    closeSync(file);
  }
}

/** A small piece first: 64 KB of zeros unpack to 64 MB. */
function unpackedHead(head: Buffer): Buffer {
  let text: Buffer = Buffer.alloc(0);
  for (let length = 2048; text.length < LOOKED_AT; length *= 4) {
    try {
      // A flush in the middle instead of an end gives what is there.
      text = gunzipSync(head.subarray(0, length), {
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: 64 * LOOKED_AT,
      });
    } catch {
      break;
    }
    if (length >= head.length) break;
  }
  return text.subarray(0, LOOKED_AT);
}

/**
 * Gives a file's bytes piece by piece, unpacked where it is compressed, until `take` says that no more are wanted;
 * resolves to what went wrong, if anything. Of a plain file that is longer than `newest` bytes the last are given.
 */
export async function streamFile(
  path: string,
  take: TakeBytes,
  newest = Number.POSITIVE_INFINITY,
): Promise<string | undefined> {
  let source: ReadStream | undefined;
  let isGiven = false;
  try {
    const { head, size } = lookInto(path);
    const isPacked = isGzip(head);
    // Even, so that UTF-16 is not cut through a character; what says that it is UTF-16 stands at the beginning.
    const start = isPacked || size <= newest ? 0 : 2 * Math.ceil((size - newest + head.length) / 2);
    source = createReadStream(path, { start, highWaterMark: PIECE });
    const stream = isPacked ? source.pipe(createGunzip({ chunkSize: PIECE })) : source;
    source.on("error", (error) => stream.destroy(error));
    if (start > 0 && isUtf16(head)) take(head);
    for await (const part of stream as AsyncIterable<Buffer>) {
      isGiven = true;
      if (!take(part)) return undefined;
    }
    return start === 0
      ? undefined
      : `it is longer than ${Math.round(newest / 1024 ** 2)} MB; only its end was read, from byte ${start} on`;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return isGiven ? `${why}; what came before was read` : why;
  } finally {
    source?.destroy();
  }
}

function lookInto(path: string): { readonly head: Buffer; readonly size: number } {
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(2);
    return { head: head.subarray(0, readSync(file, head, 0, 2, 0)), size: fstatSync(file).size };
  } finally {
    closeSync(file);
  }
}

function isUtf16(head: Buffer): boolean {
  const mark = head.toString("hex");
  return mark === "fffe" || mark === "feff";
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
