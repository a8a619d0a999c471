import { bounded } from "./escaping.ts";

/** A line of the kernel's in a log file that a syslog daemon writes. */
export interface SyslogKernelLine {
  /** UTC epoch milliseconds. */
  readonly at: number;
  readonly text: string;
  /** Where the daemon kept the kernel's own time stamp (`[ 12.345678]`). */
  readonly monotonicUs: number | undefined;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const TRADITIONAL = /^([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) \S{1,255} kernel: (.*)$/s;
const ISO = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) \S{1,255} kernel: (.*)$/s;
const KERNEL_STAMP = /^\[ {0,8}(\d{1,9})\.(\d{6})\] ?/;
const DAY = 86_400_000;

/**
 * Reads one line, traditional (`Nov 23 13:34:01 Tower kernel: …`, local time) or ISO 8601; undefined for any
 * that is not the kernel's. A traditional stamp has no year: the latest is taken that does not put the line more
 * than a day after `now` (UTC epoch milliseconds).
 */
export function parseSyslogLine(line: string, now: number): SyslogKernelLine | undefined {
  const iso = ISO.exec(line);
  if (iso !== null) return kernelLine(Date.parse(iso[1] ?? ""), iso[2] ?? "");
  const parts = TRADITIONAL.exec(line);
  if (parts === null) return undefined;
  const month = MONTHS.indexOf(parts[1] ?? "");
  if (month < 0) return undefined;
  const [day, hour, minute, second] = parts.slice(2, 6).map(Number);
  const inYear = (year: number) => new Date(year, month, day, hour, minute, second).getTime();
  const year = new Date(now).getFullYear();
  const at = [year + 1, year].map(inYear).find((time) => time <= now + DAY) ?? inYear(year - 1);
  return kernelLine(at, parts[6] ?? "");
}

function kernelLine(at: number, rest: string): SyslogKernelLine | undefined {
  if (Number.isNaN(at)) return undefined;
  const stamp = KERNEL_STAMP.exec(rest);
  return {
    at,
    text: bounded(stamp === null ? rest : rest.slice(stamp[0].length)),
    monotonicUs: stamp === null ? undefined : Number(stamp[1]) * 1_000_000 + Number(stamp[2]),
  };
}
