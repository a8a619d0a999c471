import { isAscii } from "node:buffer";
import { type Bdf, parseBdf } from "../../model/identifiers.ts";
import { bounded, RAW_TEXT_LIMIT, unescapeKernelText } from "./escaping.ts";

/**
 * One record as `/dev/kmsg` gives it. The parser fills the same object for every record (millions of them would
 * keep the garbage collector busy): whoever keeps something copies it.
 */
export interface KmsgRecord {
  /** Facility × 8 + level. */
  priority: number;
  sequence: number;
  /** Microseconds of the kernel's log clock. */
  monotonicUs: number;
  /** The record continues a line that was begun in an earlier one. */
  fragment: boolean;
  /** `T123` or `C0` on kernels that tell who wrote (CONFIG_PRINTK_CALLER), else empty. */
  caller: string;
  /** The bytes that the record stands in; they are the reader's, and another record's soon. */
  bytes: Buffer;
  /** Where the text begins in the bytes, and ends. No string is made of a text that nobody asks about. */
  textAt: number;
  textEnd: number;
  /** The bytes of the text are the text: ASCII, and nothing escaped. */
  isPlain: boolean;
  /** Where the dictionary ends, which follows the text. */
  end: number;
}

/** The text of a record, unescaped and bounded: a string of its own. */
export function textOf({
  bytes,
  textAt,
  textEnd,
  isPlain,
}: Pick<KmsgRecord, "bytes" | "textAt" | "textEnd" | "isPlain">): string {
  const raw = bytes.toString("latin1", textAt, textEnd);
  return isPlain ? bounded(raw) : unescapeKernelText(raw);
}

/** Parses the byte stream of `/dev/kmsg`, or a recording of it, cut into chunks anywhere. */
export interface KmsgParser {
  /**
   * Takes the next bytes. A record is given on once it is known to be complete, which is when something follows
   * its dictionary; `complete` says that `bytes` ends with a whole record, so that the last one need not wait.
   */
  push(bytes: Buffer, complete?: boolean): void;
  /** Nothing follows what was pushed so far: gives the last record on. */
  flush(): void;
}

/** A line longer than this has no end that matters: its text is cut much earlier. */
const LINE_LIMIT = 2 * RAW_TEXT_LIMIT;
/** Numbers stay exact up to here. */
const DIGIT_LIMIT = 15;
/** More than any kernel puts between the flag and the text. */
const EXTRA_FIELDS_LIMIT = 256;

const NO_BYTES = Buffer.alloc(0);
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const COMMA = 0x2c;
const PLUS = 0x2b;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;
const LETTER_C = 0x63;
const DEVICE_LINE = " DEVICE=";
const PCI_DEVICE = /^\+pci:(.{1,32})$/;

/**
 * Makes a parser that calls `told` for each record, and `unreadable` for each line that is none. `leaving` is called
 * before the bytes of the records told so far go: whoever still wants a text of theirs makes it now.
 */
export function createKmsgParser(options: {
  readonly told: (record: KmsgRecord) => void;
  readonly unreadable: () => void;
  readonly leaving?: () => void;
}): KmsgParser {
  const { told, unreadable, leaving } = options;
  const record: KmsgRecord = {
    priority: 0,
    sequence: 0,
    monotonicUs: 0,
    fragment: false,
    caller: "",
    bytes: NO_BYTES,
    textAt: 0,
    textEnd: 0,
    isPlain: true,
    end: 0,
  };
  /** The beginning of a line, or of a record whose dictionary may still come. */
  let rest: Buffer | undefined;
  /** The line in `rest` is longer than the limit: its remainder is dropped. */
  let dropping = false;

  /** Reads the records in `bytes`; returns where the part that may still go on begins. */
  function parse(bytes: Buffer, complete: boolean): number {
    record.bytes = bytes;
    try {
      return parseRecords(bytes, complete);
    } finally {
      leaving?.();
      record.bytes = NO_BYTES;
    }
  }

  // On the bytes throughout: reading a character of a string costs several times as much as reading a byte.
  function parseRecords(bytes: Buffer, complete: boolean): number {
    const ascii = isAscii(bytes);
    let nextBackslash = -2;
    let at = 0;
    while (at < bytes.length) {
      const lineEnd = bytes.indexOf(NEWLINE, at);
      if (lineEnd < 0) return at;
      let recordEnd = lineEnd + 1;
      while (recordEnd < bytes.length && bytes[recordEnd] === SPACE) {
        const end = bytes.indexOf(NEWLINE, recordEnd);
        if (end < 0) return at;
        recordEnd = end + 1;
      }
      if (recordEnd === bytes.length && !complete) return at;

      const textAt = parseHeader(bytes, at, lineEnd);
      if (textAt < 0) {
        if (lineEnd > at) unreadable();
      } else {
        if (nextBackslash !== -1 && nextBackslash < textAt) nextBackslash = bytes.indexOf(BACKSLASH, textAt);
        // The kernel escapes a carriage return, so a bare one was added by whatever carried the recording.
        const textEnd = bytes[lineEnd - 1] === CARRIAGE_RETURN ? lineEnd - 1 : lineEnd;
        record.textAt = textAt;
        record.textEnd = Math.min(textEnd, textAt + RAW_TEXT_LIMIT + 1);
        record.isPlain = ascii && (nextBackslash < 0 || nextBackslash >= lineEnd);
        record.end = recordEnd;
        told(record);
      }
      at = recordEnd;
    }
    return at;
  }

  /** Reads `PRIO,SEQ,USEC,FLAGS[,more…];` into the record; returns where the text begins, or -1. */
  function parseHeader(bytes: Buffer, start: number, end: number): number {
    let at = start;
    let field = 0;
    while (field < 3) {
      const begin = at;
      let value = 0;
      // Ends at the newline at the latest, which is no digit.
      let code = bytes[at] ?? 0;
      while (code >= 0x30 && code <= 0x39) {
        value = value * 10 + (code - 0x30);
        code = bytes[++at] ?? 0;
      }
      if (code !== COMMA || at === begin || at - begin > DIGIT_LIMIT) return -1;
      if (field === 0) record.priority = value;
      else if (field === 1) record.sequence = value;
      else record.monotonicUs = value;
      field++;
      at++;
    }
    const flag = bytes[at];
    if (at + 1 < end && bytes[at + 1] === SEMICOLON) {
      record.caller = "";
      at += 2;
    } else {
      // Fields between the flag and the semicolon may be added by any kernel (Documentation/ABI/testing/dev-kmsg).
      const semicolon = findSemicolon(bytes, at, end);
      if (semicolon < 0) return -1;
      record.caller = /,caller=([TC]\d{1,10})/.exec(bytes.toString("latin1", at, semicolon))?.[1] ?? "";
      at = semicolon + 1;
    }
    // "c" since Linux 3.5; kernels before 4.9 marked the later fragments of a line with "+".
    record.fragment = flag === LETTER_C || flag === PLUS;
    return at;
  }

  function take(input: Buffer, complete: boolean): void {
    const parsed = parse(input, complete);
    let left = input.subarray(parsed);
    if (left.length > LINE_LIMIT) {
      // No kernel writes a dictionary of this length: take the lines for what they are.
      const lines = left.lastIndexOf(NEWLINE) + 1;
      if (lines > 0) parse(left.subarray(0, lines), true);
      left = left.subarray(lines);
      dropping = left.length > LINE_LIMIT;
    }
    // A copy, because the caller may use its buffer again and a slice would keep the whole of it in memory.
    rest = left.length === 0 ? undefined : Buffer.from(left.subarray(0, LINE_LIMIT));
  }

  return {
    push(bytes, complete = false) {
      let input = bytes;
      if (dropping) {
        const end = input.indexOf(NEWLINE);
        if (end < 0) return;
        input = input.subarray(end);
        dropping = false;
      }
      if (rest !== undefined) {
        const end = endOfRecord(input);
        const begun = Buffer.concat([rest, input.subarray(0, end)]);
        if (end < input.length) {
          // The bytes after the record that was cut stay where they are: no copy of all of them is made.
          take(begun, true);
          input = input.subarray(end);
        } else {
          input = begun;
        }
      }
      take(input, complete && input[input.length - 1] === NEWLINE);
    },
    flush() {
      if (rest === undefined) return;
      const last = rest[rest.length - 1] === NEWLINE ? rest : Buffer.concat([rest, Buffer.from("\n")]);
      rest = undefined;
      dropping = false;
      parse(last, true);
    },
  };
}

/** Where in bytes that go on with a record the next record begins; their length where that cannot be told yet. */
function endOfRecord(bytes: Buffer): number {
  // A dictionary may begin with them: the line that it belongs to was whole.
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1))
    if (at + 1 < bytes.length && bytes[at + 1] !== SPACE) return at + 1;
  return bytes.length;
}

function findSemicolon(bytes: Buffer, start: number, end: number): number {
  const limit = Math.min(end, start + EXTRA_FIELDS_LIMIT);
  for (let at = start; at < limit; at++) if (bytes[at] === SEMICOLON) return at;
  return -1;
}

/** What follows `DEVICE=` in the dictionary of a record, else empty. */
export function deviceOf({ bytes, textEnd, end }: Pick<KmsgRecord, "bytes" | "textEnd" | "end">): string {
  const dictionaryAt = bytes.indexOf(NEWLINE, textEnd) + 1;
  if (dictionaryAt === end) return "";
  const dictionary = bytes.toString("latin1", dictionaryAt, end);
  for (let at = 0; at < dictionary.length; at = dictionary.indexOf("\n", at) + 1) {
    if (!dictionary.startsWith(DEVICE_LINE, at)) continue;
    const valueAt = at + DEVICE_LINE.length;
    return dictionary.slice(valueAt, Math.min(dictionary.indexOf("\n", valueAt), valueAt + 64));
  }
  return "";
}

/** The PCI address in the value of a record's `DEVICE=`, e.g. `+pci:0000:01:00.0`; other kinds of device have none. */
export function pciDevice(device: string): Bdf | undefined {
  if (device === "") return undefined;
  const address = PCI_DEVICE.exec(device)?.[1];
  return address === undefined ? undefined : parseBdf(address);
}
