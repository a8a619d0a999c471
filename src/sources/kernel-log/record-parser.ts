import { isAscii } from "node:buffer";
import { type Bdf, parseBdf } from "../../model/identifiers.ts";
import { RAW_TEXT_LIMIT, TEXT_LIMIT, unescapeKernelText } from "./escaping.ts";

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
  /** Unescaped and bounded. May be a slice of a bigger string: `unpinned` makes a copy that stands alone. */
  text: string;
  /** What follows `DEVICE=` in the dictionary, else empty. */
  device: string;
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

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;
const DEVICE_LINE = " DEVICE=";
const PCI_DEVICE = /^\+pci:(.{1,32})$/;

/** Makes a parser that calls `told` for each record, and `unreadable` for each line that is none. */
export function createKmsgParser(options: {
  readonly told: (record: KmsgRecord) => void;
  readonly unreadable: () => void;
}): KmsgParser {
  const { told, unreadable } = options;
  const record: KmsgRecord = {
    priority: 0,
    sequence: 0,
    monotonicUs: 0,
    fragment: false,
    caller: "",
    text: "",
    device: "",
  };
  /** The beginning of a line, or of a record whose dictionary may still come. */
  let rest: Buffer | undefined;
  /** The line in `rest` is longer than the limit: its remainder is dropped. */
  let dropping = false;

  /** Reads the records in `bytes`; returns where the part that may still go on begins. */
  function parse(bytes: Buffer, complete: boolean): number {
    const chunk = bytes.toString("latin1");
    const plain = isAscii(bytes);
    let nextBackslash = -2;
    let at = 0;
    while (at < chunk.length) {
      const lineEnd = chunk.indexOf("\n", at);
      if (lineEnd < 0) return at;
      let recordEnd = lineEnd + 1;
      while (chunk.charCodeAt(recordEnd) === SPACE) {
        const end = chunk.indexOf("\n", recordEnd);
        if (end < 0) return at;
        recordEnd = end + 1;
      }
      if (recordEnd === chunk.length && !complete) return at;

      const textAt = parseHeader(chunk, at, lineEnd);
      if (textAt < 0) {
        if (lineEnd > at) unreadable();
      } else {
        if (nextBackslash !== -1 && nextBackslash < textAt) nextBackslash = chunk.indexOf("\\", textAt);
        // The kernel escapes a carriage return, so a bare one was added by whatever carried the recording.
        const textEnd = chunk.charCodeAt(lineEnd - 1) === CARRIAGE_RETURN ? lineEnd - 1 : lineEnd;
        const raw = chunk.slice(textAt, Math.min(textEnd, textAt + RAW_TEXT_LIMIT + 1));
        const asItStands =
          plain && raw.length <= TEXT_LIMIT && (nextBackslash < 0 || nextBackslash >= lineEnd);
        record.text = asItStands ? raw : unescapeKernelText(raw);
        record.device = recordEnd === lineEnd + 1 ? "" : deviceOf(chunk, lineEnd + 1, recordEnd);
        told(record);
      }
      at = recordEnd;
    }
    return at;
  }

  /** Reads `PRIO,SEQ,USEC,FLAGS[,more…];` into the record; returns where the text begins, or -1. */
  function parseHeader(chunk: string, start: number, end: number): number {
    let at = start;
    let field = 0;
    while (field < 3) {
      const begin = at;
      let value = 0;
      let code = chunk.charCodeAt(at);
      while (code >= 0x30 && code <= 0x39) {
        value = value * 10 + (code - 0x30);
        code = chunk.charCodeAt(++at);
      }
      if (code !== COMMA || at === begin || at - begin > DIGIT_LIMIT) return -1;
      if (field === 0) record.priority = value;
      else if (field === 1) record.sequence = value;
      else record.monotonicUs = value;
      field++;
      at++;
    }
    const flag = chunk[at];
    const flagEnd = chunk.charCodeAt(at + 1);
    if (flagEnd === SEMICOLON) {
      record.caller = "";
      at += 2;
    } else {
      // Fields between the flag and the semicolon may be added by any kernel (Documentation/ABI/testing/dev-kmsg).
      const semicolon = findSemicolon(chunk, at, end);
      if (semicolon < 0) return -1;
      record.caller = /,caller=([TC]\d{1,10})/.exec(chunk.slice(at, semicolon))?.[1] ?? "";
      at = semicolon + 1;
    }
    // "c" since Linux 3.5; kernels before 4.9 marked the later fragments of a line with "+".
    record.fragment = flag === "c" || flag === "+";
    return at;
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
      if (rest !== undefined) input = Buffer.concat([rest, input]);
      const parsed = parse(input, complete && input[input.length - 1] === NEWLINE);
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

function findSemicolon(chunk: string, start: number, end: number): number {
  const limit = Math.min(end, start + EXTRA_FIELDS_LIMIT);
  for (let at = start; at < limit; at++) if (chunk.charCodeAt(at) === SEMICOLON) return at;
  return -1;
}

function deviceOf(chunk: string, start: number, end: number): string {
  for (let at = start; at < end; at = chunk.indexOf("\n", at) + 1) {
    if (!chunk.startsWith(DEVICE_LINE, at)) continue;
    const valueAt = at + DEVICE_LINE.length;
    return chunk.slice(valueAt, Math.min(chunk.indexOf("\n", valueAt), valueAt + 64));
  }
  return "";
}

/** The PCI address in the value of a record's `DEVICE=`, e.g. `+pci:0000:01:00.0`; other kinds of device have none. */
export function pciDevice(device: string): Bdf | undefined {
  if (device === "") return undefined;
  const address = PCI_DEVICE.exec(device)?.[1];
  return address === undefined ? undefined : parseBdf(address);
}
