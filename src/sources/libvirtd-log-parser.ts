import { hash } from "node:crypto";
import { type VmName, vmName } from "../model/identifiers.ts";
import type { LibvirtdRecord } from "../model/observation.ts";
import { readLibvirtTime } from "./log-time.ts";

export interface LibvirtdLogParser {
  /**
   * Takes the next line. A line that begins a record completes the one before, which is returned. `offset` is
   * where the line begins in its file, in bytes; `arrivedAt` (UTC epoch milliseconds) is the time of a line
   * that belongs to no record.
   */
  line(text: string, offset: number, arrivedAt: number): LibvirtdRecord | undefined;
  /** Gives the record that is still open, because nothing followed for a while. */
  flush(): LibvirtdRecord | undefined;
  /** A record has begun that may go on. */
  pending(): boolean;
}

interface OpenRecord {
  readonly at: number;
  readonly exactTime: boolean;
  readonly level: LibvirtdRecord["level"];
  readonly origin: string | undefined;
  readonly offset: number;
  readonly firstLine: string;
  text: string;
}

const MAX_TEXT = 16 * 1024;
const HEADER = /^\d{1,10}: (debug|info|warning|error) : /;
const ORIGIN = /^([A-Za-z_][\w.-]{0,120}):\d{1,7} : /;

/** Reads libvirtd's or virtqemud's own log; a record may go over several lines. `fileName` is for identities. */
export function createLibvirtdLogParser(options: { readonly fileName: string }): LibvirtdLogParser {
  let open: OpenRecord | undefined;
  let lastTime: number | undefined;

  function flush(): LibvirtdRecord | undefined {
    if (open === undefined) return undefined;
    const { at, exactTime, level, origin, offset, firstLine } = open;
    const text = open.text.trimEnd();
    const vm = vmNamedIn(text);
    open = undefined;
    return {
      kind: "libvirtd-record",
      source: "libvirtd-log",
      at,
      exactTime,
      identity: `${options.fileName}:${offset}:${hash("sha1", `${at}\n${firstLine}`, "hex").slice(0, 16)}`,
      level,
      ...(origin === undefined ? {} : { origin }),
      text,
      ...(vm === undefined ? {} : { vm }),
    };
  }

  return {
    line(raw, offset, arrivedAt) {
      const stamp = readLibvirtTime(raw);
      const afterTime = stamp === undefined ? "" : raw.slice(stamp.length);
      const header = stamp === undefined ? null : HEADER.exec(afterTime);
      if (stamp === undefined || header === null) {
        if (open !== undefined) {
          if (open.text.length < MAX_TEXT) open.text = bounded(`${open.text}\n${raw}`);
          return undefined;
        }
        if (raw.trim() === "") return undefined;
        // The rest of a record whose beginning was told before, or was passed over.
        const at = lastTime ?? arrivedAt;
        const text = bounded(raw);
        open = { at, exactTime: false, level: "info", origin: undefined, offset, firstLine: raw, text };
        return undefined;
      }
      const before = flush();
      lastTime = stamp.at;
      const said = afterTime.slice(header[0].length);
      const origin = ORIGIN.exec(said);
      open = {
        at: stamp.at,
        exactTime: true,
        level: header[1] as LibvirtdRecord["level"],
        origin: origin?.[1],
        offset,
        firstLine: raw,
        text: bounded(said.slice(origin?.[0].length ?? 0)),
      };
      return before;
    },
    flush,
    pending: () => open !== undefined,
  };
}

/** A whole log that was recorded or copied from another machine. */
export function readRecordedLibvirtdLog(
  text: string,
  options: { readonly fileName: string; readonly withoutTime?: number },
): LibvirtdRecord[] {
  const parser = createLibvirtdLogParser({ fileName: options.fileName });
  const records: (LibvirtdRecord | undefined)[] = [];
  let offset = 0;
  for (const line of text.split("\n")) {
    records.push(parser.line(line.replace(/\r$/, ""), offset, options.withoutTime ?? 0));
    offset += Buffer.byteLength(line) + 1;
  }
  records.push(parser.flush());
  return records.filter((record) => record !== undefined);
}

/**
 * Where libvirt's texts name the VM they are about. Quotes are not escaped in them, so each pattern ends at
 * what libvirt writes behind the name. A VM after "by" is the one that has the device, not the one that failed.
 */
const VM_PATTERNS = [
  /\(vm='([^\n]{1,256}?)'\)(?::|$)/m,
  /\bname='([^\n]{1,256}?)' uuid=/,
  /(?<!\bby )\b(?:[Dd]omain|VM) '([^\n]{1,256}?)'(?=[\s:,.;)]|$)/m,
  /\bwith matching name '([^\n]{1,256}?)'/,
  /\/hooks\/qemu(?:\.d\/[^\s)]{1,100})? '?([^\n]{1,256}?)'? (?:prepare|start|started|stopped|release|reconnect) (?:begin|end) /,
];

/** The VM that a text of libvirt's names; undefined where it names none. */
export function vmNamedIn(text: string): VmName | undefined {
  const beginning = text.slice(0, 2048);
  for (const pattern of VM_PATTERNS) {
    const name = pattern.exec(beginning)?.[1];
    if (name !== undefined) return vmName(name);
  }
  return undefined;
}

function bounded(text: string): string {
  return text.length <= MAX_TEXT ? text : text.slice(0, MAX_TEXT).toWellFormed();
}
