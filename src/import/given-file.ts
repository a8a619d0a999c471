import { basename } from "node:path";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { type Condensed, createCondenser } from "../diagnosis/explain/long-text.ts";
import type { Matcher } from "../diagnosis/matcher.ts";
import { decodeText } from "./decode-text.ts";
import { openZipBundle } from "./file-bundle.ts";
import { type GivenText, logsIn } from "./given-text.ts";
import { createNotes, IMPORT_LIMITS } from "./limits.ts";
import { createLogReader, type LogFile } from "./log-text.ts";
import { isGzip, isZip, packedWith } from "./packed.ts";
import { fileIsPackedWith, isZipFile, streamFile } from "./text-files.ts";
import { type OpenedBundle, zipBundle } from "./zip-bundle.ts";

/** What is shorter is taken as it stands; of longer texts only parts are looked at anyway (bytes). */
const TAKEN_WHOLE = 3 * 1024 ** 2;
/** Of an endless line the beginning is looked at (bytes). */
const LONGEST_LINE = 1024 ** 2;
/** What tells how something is packed (bytes). */
const HEAD = 8;
const PIECE = 16 * 1024;
const LARGEST_PIPED_ARCHIVE = 32 * 1024 ** 2;

/** Of a file, its text or what is to be looked at of it. */
export type TextOfFile =
  | (Extract<GivenText, { state: "text" }> & { readonly unread: number })
  | Extract<GivenText, { state: "refused" }>;

/**
 * Makes text of a log file on disk, as `textOfGiven` does of bytes, but reads it piece by piece: of a long one only what
 * `matcher` knows is kept, with the lines around it. Throws what the file system throws.
 */
export async function textOfFile(path: string, matcher: () => Matcher): Promise<TextOfFile> {
  const packed = fileIsPackedWith(path);
  if (packed !== undefined) return { state: "refused", why: `is packed with ${packed}.` };
  const found = logsOf(path);
  if (typeof found === "string") return { state: "refused", why: found };
  return textOfLogs(found, path, matcher);
}

/**
 * The same of what comes through a pipe, whose end nobody knows before: `name` is what it is called. An archive has its
 * list at its end and is taken into memory, so it may not be long. Throws what the reading throws.
 */
export async function textOfStream(
  chunks: AsyncIterable<Buffer>,
  name: string,
  matcher: () => Matcher,
): Promise<TextOfFile> {
  const iterator = chunks[Symbol.asyncIterator]();
  const next = async () => {
    const { done, value } = await iterator.next();
    return done === true ? undefined : value;
  };
  let head: Buffer = Buffer.alloc(0);
  for (let part = await next(); part !== undefined; part = await next()) {
    head = Buffer.concat([head, part]);
    if (head.length >= HEAD) break;
  }
  const packed = packedWith(head);
  if (packed !== undefined) return { state: "refused", why: `is packed with ${packed}.` };
  async function* all() {
    yield head;
    for (let part = await next(); part !== undefined; part = await next()) yield part;
  }
  if (!isZip(head))
    return textOfLogs(
      [{ name, shown: name, read: (take) => giveAll(Readable.from(all()), isGzip(head), take) }],
      name,
      matcher,
    );
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of all()) {
    length += part.length;
    if (length > LARGEST_PIPED_ARCHIVE)
      return {
        state: "refused",
        why: `is a ZIP archive of more than ${LARGEST_PIPED_ARCHIVE / 1024 ** 2} MB; name its file instead.`,
      };
    parts.push(part);
  }
  const found = logsOfBundle(zipBundle(Buffer.concat(parts), { name, modifiedAt: 0 }));
  return typeof found === "string" ? { state: "refused", why: found } : textOfLogs(found, name, matcher);
}

async function giveAll(
  source: Readable,
  isPacked: boolean,
  take: Parameters<LogFile["read"]>[0],
): Promise<string | undefined> {
  const stream = isPacked ? source.pipe(createGunzip({ chunkSize: PIECE })) : source;
  source.on("error", (error) => stream.destroy(error));
  try {
    for await (const part of stream as AsyncIterable<Buffer>) if (!take(part)) return undefined;
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `${why}; what came before was read`;
  } finally {
    source.destroy();
  }
}

async function textOfLogs(
  found: readonly LogFile[],
  path: string,
  matcher: () => Matcher,
): Promise<TextOfFile> {
  const notes = createNotes();
  const reader = createLogReader({
    limits: { ...IMPORT_LIMITS, lineBytes: LONGEST_LINE, archiveBytes: IMPORT_LIMITS.fileBytes },
    notes,
    // Whoever gives one endless line wants to know what is in it.
    cutsLines: true,
  });
  const condenser = createCondenser(matcher);
  const whole: Buffer[][] = [];
  let length = 0;
  for (const file of found) {
    const parts: Buffer[] = [];
    whole.push(parts);
    const kept: LogFile = {
      ...file,
      read: (take) =>
        file.read((part) => {
          length += part.length;
          if (length > TAKEN_WHOLE) whole.splice(0);
          // A copy, because what was unpacked together lies in one piece of memory.
          else parts.push(Buffer.from(part));
          return take(part);
        }),
    };
    await reader.read(kept, condenser.line);
    // An empty line keeps the last line of one file from going on in the next.
    condenser.line("");
  }
  const files = found.length === 1 && found[0]?.shown === path ? [] : found.map(({ shown }) => shown);
  if (length <= TAKEN_WHOLE)
    return { state: "text", text: textOfAll(whole), files, notes: problemsIn(notes.list()), unread: 0 };
  const condensed: Condensed = condenser.finish();
  return { state: "text", ...condensed, files, notes: notes.list() };
}

function textOfAll(files: readonly (readonly Buffer[])[]): string {
  return files.map((parts) => decodeText(Buffer.concat(parts))).join("\n\n");
}

/** Nothing is cut of what is taken whole. */
function problemsIn(notes: readonly string[]): readonly string[] {
  return notes.filter((note) => !/overlong lines? (?:was|were) cut,/.test(note));
}

function logsOf(path: string): readonly LogFile[] | string {
  if (!isZipFile(path))
    return [{ name: basename(path), shown: path, read: (take) => streamFile(path, take) }];
  return logsOfBundle(openZipBundle(path));
}

function logsOfBundle(opened: OpenedBundle): readonly LogFile[] | string {
  if (opened.state === "refused") return `is a ZIP archive that is not read: ${opened.why}`;
  const { bundle } = opened;
  const wanted = logsIn(bundle);
  if (wanted.length === 0)
    return "is a ZIP archive without any log: neither Unraid's diagnostics nor *.txt or *.log.";
  return wanted.map((shown) => ({ name: shown, shown, read: (take) => bundle.stream(shown, take) }));
}
