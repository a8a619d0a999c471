import type { WallTime } from "./wall-clock.ts";

/** When a line was written: a moment, or what a wall clock showed without its year. */
export type LineStamp =
  | { readonly kind: "moment"; readonly at: number }
  | { readonly kind: "yearless"; readonly time: WallTime };

/** One line of a syslog daemon's file. */
export interface LogLine {
  readonly stamp: LineStamp;
  /** `kernel`, `libvirtd`, … */
  readonly program: string;
  readonly text: string;
}

/** A mark that stands for repetitions of the line before it. */
export interface RepeatMark {
  readonly times: number;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const TRADITIONAL = /^([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\S{1,255}) (.*)$/s;
const ISO = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)) (\S{1,255}) (.*)$/s;
const PROGRAM = /^([^\s:[\]]{1,64})(?:\[\d{1,10}\])?: ?(.*)$/s;
/** What Unraid's diagnostics put in the place of lines that are equal from the host name on. */
const COLLAPSED = /^### \[PREVIOUS LINE REPEATED (\d{1,9}) TIMES\] ###$/;
/** Older syslog daemons, and rsyslog's own form, which repeats the text. */
const REPEATED = /^last message repeated (\d{1,9}) times?$/;
const RSYSLOG_REPEATED = /^message repeated (\d{1,9}) times: \[ (.*)\]$/s;

/** Reads one line without its line end; undefined where it is none of a syslog daemon's. */
export function parseLogLine(line: string): LogLine | RepeatMark | undefined {
  const collapsed = COLLAPSED.exec(line);
  if (collapsed !== null) return { times: Number(collapsed[1]) };
  const found = stamped(line);
  if (found === undefined) return undefined;
  const repeated = REPEATED.exec(found.rest);
  if (repeated !== null) return { times: Number(repeated[1]) };
  const said = PROGRAM.exec(found.rest);
  if (said === null) return undefined;
  const [, program = "", text = ""] = said;
  const mark = REPEATED.exec(text);
  return mark === null ? { stamp: found.stamp, program, text } : { times: Number(mark[1]) };
}

/** rsyslog's `message repeated 3 times: [ text]`: the text and how often; any other text counts once. */
export function unfoldRepeats(text: string): { readonly text: string; readonly times: number } {
  const folded = RSYSLOG_REPEATED.exec(text);
  return folded === null ? { text, times: 1 } : { text: folded[2] ?? "", times: Number(folded[1]) };
}

function stamped(line: string): { readonly stamp: LineStamp; readonly rest: string } | undefined {
  const iso = ISO.exec(line);
  if (iso !== null) {
    const at = Date.parse(iso[1] ?? "");
    return Number.isNaN(at) ? undefined : { stamp: { kind: "moment", at }, rest: iso[3] ?? "" };
  }
  const parts = TRADITIONAL.exec(line);
  const month = MONTHS.indexOf(parts?.[1] ?? "");
  if (parts === null || month < 0) return undefined;
  const [day = 0, hour = 0, minute = 0, second = 0] = parts.slice(2, 6).map(Number);
  if (day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return undefined;
  return { stamp: { kind: "yearless", time: { month, day, hour, minute, second } }, rest: parts[7] ?? "" };
}
