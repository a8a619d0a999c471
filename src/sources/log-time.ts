/** A time stamp at the beginning of a line. */
export interface TimeStamp {
  /** UTC epoch milliseconds. */
  readonly at: number;
  /** Characters that it takes, up to where the text begins. */
  readonly length: number;
}

const LIBVIRT = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{3})([+-])(\d\d)(\d\d): /;
const QEMU = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})\d{0,6}Z /;

/** libvirt's `2026-11-23 08:50:21.028+0000: ` (virTimeFieldsThenRaw writes UTC, so the zone is +0000). */
export function readLibvirtTime(line: string): TimeStamp | undefined {
  const parts = LIBVIRT.exec(line);
  if (parts === null) return undefined;
  const at = utc(parts);
  const minutes = Number(parts[9]) * 60 + Number(parts[10]);
  return at === undefined
    ? undefined
    : { at: at - (parts[8] === "-" ? -minutes : minutes) * 60_000, length: parts[0].length };
}

/** QEMU's `2026-11-23T08:50:20.962606Z `, written with `-msg timestamp=on`. */
export function readQemuTime(line: string): TimeStamp | undefined {
  const parts = QEMU.exec(line);
  const at = parts === null ? undefined : utc(parts);
  return parts === null || at === undefined ? undefined : { at, length: parts[0].length };
}

/** Undefined for a date that does not exist: `Date.UTC` would silently carry the 13th month over. */
function utc(parts: RegExpExecArray): number | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, millisecond = 0] = parts
    .slice(1, 8)
    .map(Number);
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) {
    return undefined;
  }
  return Date.UTC(year, month - 1, day, hour, minute, second, millisecond);
}
