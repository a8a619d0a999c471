import { constants, crc32, createInflateRaw } from "node:zlib";

/** One file in an archive. Directories are not among them. */
export interface ZipEntry {
  /** With `/` between the parts; never absolute, never with `..`. */
  readonly name: string;
  readonly size: number;
  readonly compressedSize: number;
  readonly method: number;
  readonly checksum: number;
  /** Where its data begin. */
  readonly offset: number;
  /** Why it cannot be read, where that is known from the listing. */
  readonly problem: string | undefined;
}

/** What came of reading one entry: all of it, or its beginning and what is wrong with the rest. */
export interface ZipContent {
  readonly bytes: Buffer;
  readonly problem: string | undefined;
}

export type OpenedZip =
  | {
      readonly state: "open";
      readonly entries: readonly ZipEntry[];
      /** What is wrong with the archive as a whole, in sentences. */
      readonly damage: readonly string[];
      /**
       * Inflates one entry piece by piece, until `take` says that no more is wanted. Resolves to what is wrong with it,
       * if anything. Never rejects.
       */
      readonly stream: (entry: ZipEntry, take: (part: Buffer) => boolean) => Promise<string | undefined>;
      /** Inflates one entry into memory, at most `most` bytes of it. Never rejects. */
      readonly read: (entry: ZipEntry, most?: number) => Promise<ZipContent>;
    }
  | { readonly state: "refused"; readonly why: string };

/** Limits of what is opened at all; the archives in question have a few hundred files and a few megabytes. */
export interface ZipLimits {
  readonly entries: number;
  /** Bytes of one file when inflated; of a larger one the beginning is read. */
  readonly entrySize: number;
}

const ZIP_LIMITS: ZipLimits = { entries: 20_000, entrySize: 1024 ** 3 };

const END_SIGNATURE = 0x06054b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_SIZE = 22;
const CENTRAL_SIZE = 46;
const LOCAL_SIZE = 30;
const LONGEST_COMMENT = 0xffff;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 0x0001;
const IS_ENCRYPTED = "it is encrypted";
const SIZES_FOLLOW = 0x0008;
/** Deflate cannot do better than 1032:1; a listing that says so lies. */
const BEST_RATIO = 1032;

interface Listed {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly checksum: number;
  readonly compressedSize: number;
  readonly size: number;
}

/**
 * Opens an archive that lies in memory. Refused, with the reason, is what no honest archive of text files has: paths
 * that lead out of it, impossible sizes, files that share their data, ZIP64. One without its list (a download that
 * broke off) is read from its beginning as far as it goes.
 */
export function openZip(bytes: Buffer, limits: ZipLimits = ZIP_LIMITS): OpenedZip {
  if (bytes.length < 4 || bytes.readUInt16LE(0) !== 0x4b50) return refused("It is not a ZIP archive.");
  const end = findEnd(bytes);
  const damage: string[] = [];
  const listed = end === undefined ? undefined : listCentral(bytes, end, limits);
  if (typeof listed === "string") return refused(listed);
  if (listed === undefined || listed.broken) {
    damage.push(
      listed === undefined
        ? "The archive breaks off before its list of files; what stands before that was read."
        : "The archive's list of files is damaged; files were looked for one by one.",
    );
  }
  const found = listed === undefined || listed.broken ? listLocal(bytes, limits) : listed.entries;
  if (typeof found === "string") return refused(found);
  const bad = found.map((entry) => dangerOf(entry, bytes.length)).find((why) => why !== undefined);
  if (bad !== undefined) return refused(bad);
  if (sharesData(found)) return refused("Several of its files share the same data, as in an archive bomb.");
  const entries = found.filter((entry) => !entry.name.endsWith("/"));
  if (entries.length > 0 && entries.every(({ problem }) => problem === IS_ENCRYPTED))
    return refused(
      "It is encrypted. Unpack it with its password (7z x, or a file manager) and give the folder instead.",
    );
  const stream = (entry: ZipEntry, take: (part: Buffer) => boolean) =>
    streamEntry(bytes, entry, { limits, take });
  return {
    state: "open",
    entries,
    damage,
    stream,
    async read(entry, most = limits.entrySize) {
      const parts: Buffer[] = [];
      let length = 0;
      let isCut = false;
      const problem = await stream(entry, (part) => {
        const room = most - length;
        isCut = part.length > room;
        parts.push(isCut ? part.subarray(0, room) : part);
        length += Math.min(part.length, room);
        return !isCut;
      });
      const cut = `it is longer than ${most} bytes; only its beginning was read`;
      return { bytes: Buffer.concat(parts), problem: isCut ? cut : problem };
    },
  };
}

function refused(why: string): OpenedZip {
  return { state: "refused", why };
}

function findEnd(bytes: Buffer): number | undefined {
  const first = Math.max(0, bytes.length - END_SIZE - LONGEST_COMMENT);
  for (let at = bytes.length - END_SIZE; at >= first; at -= 1) {
    if (bytes.readUInt32LE(at) === END_SIGNATURE) return at;
  }
  return undefined;
}

/** A string says why the archive is refused; `broken` that the list cannot be followed to its end. */
function listCentral(
  bytes: Buffer,
  end: number,
  limits: ZipLimits,
): { readonly entries: ZipEntry[]; readonly broken: boolean } | string {
  const count = bytes.readUInt16LE(end + 10);
  const size = bytes.readUInt32LE(end + 12);
  const start = bytes.readUInt32LE(end + 16);
  if (count === 0xffff || size === 0xffffffff || start === 0xffffffff)
    return "It is a ZIP64 archive, which diagnostics never are.";
  if (bytes.readUInt16LE(end + 4) !== 0 || bytes.readUInt16LE(end + 8) !== count)
    return "It is one part of an archive in several parts.";
  if (count > limits.entries) return `It lists ${count} files; ${limits.entries} are the most that is read.`;
  const entries: ZipEntry[] = [];
  let at = start;
  for (let index = 0; index < count; index += 1) {
    if (at + CENTRAL_SIZE > end || bytes.readUInt32LE(at) !== CENTRAL_SIGNATURE)
      return { entries, broken: true };
    const nameLength = bytes.readUInt16LE(at + 28);
    const next = at + CENTRAL_SIZE + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    if (next > end) return { entries, broken: true };
    const local = bytes.readUInt32LE(at + 42);
    const fields = {
      name: decodeName(bytes.subarray(at + CENTRAL_SIZE, at + CENTRAL_SIZE + nameLength)),
      flags: bytes.readUInt16LE(at + 8),
      method: bytes.readUInt16LE(at + 10),
      checksum: bytes.readUInt32LE(at + 16),
      compressedSize: bytes.readUInt32LE(at + 20),
      size: bytes.readUInt32LE(at + 24),
    };
    entries.push(entryOf(fields, dataOffset(bytes, local)));
    at = next;
  }
  return { entries, broken: false };
}

/** The names and extra fields of a file's own header may be longer than the list's, so it has to be looked at. */
function dataOffset(bytes: Buffer, local: number): number | undefined {
  if (local + LOCAL_SIZE > bytes.length || bytes.readUInt32LE(local) !== LOCAL_SIGNATURE) return undefined;
  return local + LOCAL_SIZE + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
}

/** Goes from file to file without a list. */
function listLocal(bytes: Buffer, limits: ZipLimits): ZipEntry[] | string {
  const entries: ZipEntry[] = [];
  let at = 0;
  while (at + LOCAL_SIZE <= bytes.length) {
    if (bytes.readUInt32LE(at) !== LOCAL_SIGNATURE) {
      const next = bytes.indexOf("PK\u0003\u0004", at + 1, "latin1");
      if (next < 0) break;
      at = next;
      continue;
    }
    if (entries.length >= limits.entries) return `It holds more than ${limits.entries} files.`;
    const nameLength = bytes.readUInt16LE(at + 26);
    const data = at + LOCAL_SIZE + nameLength + bytes.readUInt16LE(at + 28);
    if (data > bytes.length) break;
    const flags = bytes.readUInt16LE(at + 6);
    const unsized = (flags & SIZES_FOLLOW) !== 0;
    const following = bytes.indexOf("PK\u0003\u0004", data, "latin1");
    const room = (following < 0 ? bytes.length : following) - data;
    const compressedSize = unsized ? room : Math.min(bytes.readUInt32LE(at + 18), bytes.length - data);
    const fields = {
      name: decodeName(bytes.subarray(at + LOCAL_SIZE, at + LOCAL_SIZE + nameLength)),
      flags,
      method: bytes.readUInt16LE(at + 8),
      checksum: unsized ? -1 : bytes.readUInt32LE(at + 14),
      compressedSize,
      size: unsized ? Math.min(limits.entrySize, compressedSize * BEST_RATIO) : bytes.readUInt32LE(at + 22),
    };
    entries.push(entryOf(fields, data));
    at = data + compressedSize;
  }
  return entries;
}

function entryOf(fields: Listed, offset: number | undefined): ZipEntry {
  const { name, method, checksum, compressedSize, size } = fields;
  const problem =
    (fields.flags & ENCRYPTED) !== 0
      ? IS_ENCRYPTED
      : method !== STORED && method !== DEFLATED
        ? `it is packed in a way that is not known here (method ${method})`
        : offset === undefined
          ? "its place in the archive is damaged"
          : undefined;
  return { name, method, checksum, compressedSize, size, offset: offset ?? 0, problem };
}

/** Why an archive with such an entry is refused as a whole. */
function dangerOf(entry: ZipEntry, archive: number): string | undefined {
  const { name, size, compressedSize } = entry;
  const shown = JSON.stringify(name.slice(0, 120));
  if (
    name.startsWith("/") ||
    /^[A-Za-z]:/.test(name) ||
    name.includes("\u0000") ||
    name.split(/[/\\]/).includes("..")
  )
    return `The path ${shown} leads out of the archive.`;
  if (size === 0xffffffff || compressedSize === 0xffffffff)
    return "It is a ZIP64 archive, which diagnostics never are.";
  if (compressedSize > archive) return `${shown} claims more bytes than the whole archive has.`;
  if (size > compressedSize * BEST_RATIO + BEST_RATIO) return `${shown} claims an impossible size.`;
  return undefined;
}

function sharesData(entries: readonly ZipEntry[]): boolean {
  const readable = entries.filter((entry) => entry.problem === undefined && entry.compressedSize > 0);
  const ordered = readable.toSorted((a, b) => a.offset - b.offset);
  return ordered.some((entry, index) => {
    const next = ordered[index + 1];
    return next !== undefined && entry.offset + entry.compressedSize > next.offset;
  });
}

async function streamEntry(
  bytes: Buffer,
  entry: ZipEntry,
  { limits, take }: { readonly limits: ZipLimits; readonly take: (part: Buffer) => boolean },
): Promise<string | undefined> {
  if (entry.problem !== undefined) return entry.problem;
  const packed = bytes.subarray(entry.offset, entry.offset + entry.compressedSize);
  let length = 0;
  let checksum = 0;
  let isEnough = false;
  const counting = (part: Buffer): boolean => {
    length += part.length;
    checksum = crc32(part, checksum);
    isEnough = !take(part);
    return !isEnough;
  };
  const problem =
    entry.method === STORED
      ? void inPieces(packed.subarray(0, Math.min(entry.size, limits.entrySize)), counting)
      : await inflate(packed, Math.min(entry.size, limits.entrySize), counting);
  if (isEnough || problem !== undefined) return problem;
  const isSized = entry.checksum >= 0;
  if (packed.length < entry.compressedSize || (isSized && length < Math.min(entry.size, limits.entrySize)))
    return "it breaks off";
  return isSized && checksum !== entry.checksum
    ? "its checksum is wrong, so some of it may be damaged"
    : undefined;
}

/** Small, since what was read is freed only when the young objects are collected, which few pieces do not cause. */
const PIECE = 16 * 1024;

function inPieces(bytes: Buffer, take: (part: Buffer) => boolean): void {
  for (let at = 0; at < bytes.length; at += PIECE) if (!take(bytes.subarray(at, at + PIECE))) return;
}

/** As a stream, because of damaged data everything up to the damage is wanted, and of a bomb only its beginning. */
function inflate(
  packed: Buffer,
  limit: number,
  take: (part: Buffer) => boolean,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    let length = 0;
    // Without it, data that break off would be an error instead of what is there.
    const engine = createInflateRaw({ finishFlush: constants.Z_SYNC_FLUSH, chunkSize: PIECE });
    const done = (problem: string | undefined) => {
      engine.removeAllListeners("data");
      engine.destroy();
      resolve(problem);
    };
    engine.on("data", (part: Buffer) => {
      const room = limit - length;
      length += part.length;
      // What lies beyond the size that was told is nothing that was packed there.
      if (length > limit) {
        if (room > 0) take(part.subarray(0, room));
        done("it holds more than the archive says");
      } else if (!take(part)) done(undefined);
    });
    engine.on("error", () => done("it is damaged; its beginning was read"));
    engine.on("end", () => done(undefined));
    engine.end(packed);
  });
}

function decodeName(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  return text.includes("\ufffd") ? bytes.toString("latin1") : text;
}
