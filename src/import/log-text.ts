import { counted, type ImportLimits, type Notes } from "./limits.ts";
import { createTranscoder } from "./transcode.ts";

/** Takes the next bytes of a file; false says that no more are wanted. */
export type TakeBytes = (bytes: Buffer) => boolean;

/** A log that is read piece by piece and never whole. */
export interface LogFile {
  /** Without its place; its age and its VM are read from it. */
  readonly name: string;
  /** As notes call it. */
  readonly shown: string;
  /** Gives its bytes, unpacked. Resolves to what went wrong, in words that follow its name. Never rejects. */
  read(take: TakeBytes): Promise<string | undefined>;
}

/** Reads the logs of one source, within the limits of a file and of all together. */
export interface LogReader {
  /** Gives a file's lines without their line ends; a last line that `goesOn` is put together with the next file's first. */
  read(file: LogFile, line: (text: string) => void, options?: { readonly goesOn?: boolean }): Promise<void>;
}

/** What a `LogReader` has to do with. */
export interface LogReaderOptions {
  readonly limits: ImportLimits;
  readonly notes: Notes;
  /** Of an overlong line the beginning is given; else it is passed over. */
  readonly cutsLines?: boolean;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** So many empty lines, one behind the other, are given. */
const EMPTY_GIVEN = 3;

/** Makes the reader of one source. */
export function createLogReader({ limits, notes, cutsLines = false }: LogReaderOptions): LogReader {
  let linesLeft = limits.sourceLines;
  let bytesLeft = limits.archiveBytes;
  /** The line that the file before left open, where it goes on in the next. */
  let begun: Buffer = Buffer.alloc(0);

  return {
    async read(file, line, { goesOn = false } = {}) {
      const most = Math.min(limits.fileLines, linesLeft);
      const mostBytes = Math.min(limits.fileBytes, bytesLeft);
      const cutter = createLineCutter({ most, longest: limits.lineBytes, line, begun, cutsLines });
      const transcoder = createTranscoder();
      let bytes = 0;
      let isCut = false;
      const problem = await file.read((part) => {
        const room = mostBytes - bytes;
        isCut = part.length > room;
        bytes += Math.min(part.length, room);
        cutter.push(transcoder.push(isCut ? part.subarray(0, room) : part));
        return !isCut;
      });
      cutter.push(transcoder.end());
      begun = cutter.end(goesOn);
      linesLeft -= cutter.given();
      bytesLeft -= bytes;
      const name = file.shown;
      if (problem !== undefined) notes.add(`${name}: ${problem}.`);
      if (isCut)
        notes.add(
          mostBytes < limits.fileBytes
            ? `${name}: all files together hold more than ${megabytes(limits.archiveBytes)}; of this one what comes after its first ${megabytes(mostBytes)} was left out.`
            : `${name}: it is longer than ${megabytes(limits.fileBytes)}; what comes after them was left out.`,
        );
      if (cutter.overlong() > 0)
        notes.add(
          `${name}: ${counted(cutter.overlong(), "overlong line")} ${cutter.overlong() === 1 ? "was" : "were"} ${cutsLines ? "cut, and only the beginning looked at" : "passed over"} (longer than ${limits.lineBytes / 1024} KB).`,
        );
      if (cutter.leftOut() > 0)
        notes.add(
          `${name}: ${counted(cutter.leftOut(), "line")} left out behind the first ${counted(most, "line")}: more are not read of one ${most < limits.fileLines ? "archive" : "file"}.`,
        );
    },
  };
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MB`;
}

interface LineCutter {
  push(bytes: Buffer): void;
  /** Gives the last line, or gives it back where it goes on elsewhere. */
  end(goesOn: boolean): Buffer;
  readonly given: () => number;
  readonly leftOut: () => number;
  readonly overlong: () => number;
}

/**
 * Cuts UTF-8 into lines. Of endless empty lines only the first few are given; behind the last line that is wanted the
 * others are counted, which costs next to nothing.
 */
function createLineCutter(options: {
  readonly most: number;
  readonly longest: number;
  readonly line: (text: string) => void;
  readonly begun: Buffer;
  readonly cutsLines: boolean;
}): LineCutter {
  const { most, longest, line, cutsLines } = options;
  let parts: Buffer[] = options.begun.length > 0 ? [options.begun] : [];
  let length = options.begun.length;
  let given = 0;
  let leftOut = 0;
  let overlong = 0;
  let empty = 0;
  let isLineBegun = false;

  function keep(bytes: Buffer): void {
    const room = longest - length;
    length += bytes.length;
    if (length <= longest) parts.push(bytes);
    else if (!cutsLines) parts = [];
    else if (room > 0) parts.push(bytes.subarray(0, room));
  }

  function give(): void {
    if (length > longest) overlong += 1;
    if (length <= longest || cutsLines) {
      const [only = Buffer.alloc(0), ...others] = parts;
      const bytes = others.length === 0 ? only : Buffer.concat(parts);
      const end = bytes[bytes.length - 1] === RETURN ? bytes.length - 1 : bytes.length;
      empty = end === 0 ? empty + 1 : 0;
      if (empty <= EMPTY_GIVEN) {
        given += 1;
        line(bytes.toString("utf8", 0, end));
      }
    }
    parts = [];
    length = 0;
  }

  /** Lines behind the last that is wanted: those in which something stands. */
  function count(bytes: Buffer, from: number): void {
    for (let at = from; at < bytes.length; at += 1) {
      const byte = bytes[at];
      if (byte === NEWLINE) {
        if (isLineBegun) leftOut += 1;
        isLineBegun = false;
      } else if (byte !== RETURN) isLineBegun = true;
    }
  }

  return {
    push(piece) {
      const bytes = withoutGaps(piece);
      let at = 0;
      while (at < bytes.length && given < most) {
        if (length === 0 && empty >= EMPTY_GIVEN) {
          while (bytes[at] === NEWLINE || bytes[at] === RETURN) at += 1;
          if (at >= bytes.length) return;
        }
        const end = bytes.indexOf(NEWLINE, at);
        if (end < 0) {
          // A copy, because the giver may use its buffer again.
          keep(Buffer.from(bytes.subarray(at)));
          return;
        }
        keep(bytes.subarray(at, end));
        give();
        at = end + 1;
      }
      if (at < bytes.length) count(bytes, at);
    },
    end(goesOn) {
      if (isLineBegun) leftOut += 1;
      if (goesOn && length <= longest) return Buffer.concat(parts);
      if (length > 0) give();
      return Buffer.alloc(0);
    },
    given: () => given,
    leftOut: () => leftOut,
    overlong: () => overlong,
  };
}

/** A log that was open when the host lost its power has a hole of NULs in it, behind which a line begins. */
function withoutGaps(bytes: Buffer): Buffer {
  if (!bytes.includes(0)) return bytes;
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(0); at >= 0 && at < copy.length; at += 1) if (copy[at] === 0) copy[at] = NEWLINE;
  return copy;
}
