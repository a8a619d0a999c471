import { UsageError } from "./command.ts";

const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000] as const;

/** systemd.time(7)'s units; a month is the twelfth part of a year of 365.25 days there. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ...named(SECOND, "s", "sec", "second", "seconds"),
  ...named(MINUTE, "m", "min", "minute", "minutes"),
  ...named(HOUR, "h", "hr", "hour", "hours"),
  ...named(DAY, "d", "day", "days"),
  ...named(7 * DAY, "w", "week", "weeks"),
  ...named(30.4375 * DAY, "M", "month", "months"),
  ...named(365.25 * DAY, "y", "year", "years"),
]);

/** What `--help` says of `--since` and `--until`. */
export const TIME_HELP = `  --since TIME       as journalctl takes it: yesterday, 'today', '2 weeks ago', 1h30m, now-2h, 2026-01-21,
                     '2026-01-21 11:02'; in this machine's time zone, or '… UTC', '… +01:00'
  --until TIME       likewise`;

/**
 * Reads a time argument as UTC epoch milliseconds, in the forms of journalctl: `now`, `today`, `yesterday`,
 * `tomorrow`, each with a span added or taken (`now-2h`); a span, which goes back (`1h30m`, `-2h`, `2 weeks ago`), or
 * forward with `+`; a date, a time of the day, both, with or without a zone; `@` and seconds of the epoch. Without a
 * zone it is the machine's. Throws `UsageError` for anything else.
 */
export function parseTime(text: string, now: number): number {
  const said = text.trim().replace(/\s+/g, " ");
  const time = relative(said, now) ?? absolute(said, now);
  if (time === undefined || !(Math.abs(time) <= 8.64e15)) {
    throw new UsageError(
      `'${text}' is no time; use a span back (7d, 1h30m, '2 weeks ago'), yesterday, now-2h, or a date (2026-01-21, '2026-01-21 11:02')`,
    );
  }
  return Math.round(time);
}

function relative(said: string, now: number): number | undefined {
  const [, anchor, sign, rest = ""] = /^(now|today|yesterday|tomorrow)? ?([+-])? ?(.*)$/s.exec(said) ?? [];
  const from = anchor === undefined ? now : anchorOf(anchor, now);
  if (anchor !== undefined && sign === undefined) return rest === "" ? from : undefined;
  const [, span = "", ago] = /^(.*?)( ago)?$/s.exec(rest) ?? [];
  if (ago !== undefined && (sign !== undefined || anchor !== undefined)) return undefined;
  const length = spanOf(span);
  if (length === undefined) return undefined;
  return sign === "+" ? from + length : from - length;
}

function anchorOf(word: string, now: number): number {
  const days = { now: 0, today: 0, yesterday: -1, tomorrow: 1 }[word] ?? 0;
  if (word === "now") return now;
  const at = new Date(now);
  return new Date(at.getFullYear(), at.getMonth(), at.getDate() + days).getTime();
}

/** `1h30m`, `2 weeks 3 days`; undefined for what is no span. */
function spanOf(text: string): number | undefined {
  if (!/^(?:\d{1,9}(?:\.\d{1,9})? ?[A-Za-z]{1,7} ?)+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number, unit = ""] of text.matchAll(/(\d+(?:\.\d+)?) ?([A-Za-z]+)/g)) {
    const size = UNITS.get(unit) ?? UNITS.get(unit.toLowerCase());
    if (size === undefined) return undefined;
    sum += Number(number) * size;
  }
  return sum;
}

const ABSOLUTE =
  /^(?:[A-Z][a-z]{2} )?(?:(\d{4})-(\d\d)-(\d\d))?(?:(?:^|[T ])(\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(?: ?(Z|UTC|GMT|[+-]\d\d:?\d\d))?$/;

function absolute(said: string, now: number): number | undefined {
  const epoch = /^@(\d{1,12}(?:\.\d{1,9})?)$/.exec(said);
  if (epoch !== null) return Number(epoch[1]) * SECOND;
  const parts = ABSOLUTE.exec(said);
  if (parts === null || (parts[1] === undefined && parts[4] === undefined)) return undefined;
  const numbers = parts.slice(1, 7).map((part) => (part === undefined ? undefined : Number(part)));
  const [hour = 0, minute = 0, second = 0] = numbers.slice(3);
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const milliseconds = Math.floor(Number(`0.${parts[7] ?? 0}`) * SECOND);
  const zone = parts[8];
  const offset = zone === undefined ? undefined : offsetOf(zone);
  const today = offset === undefined ? new Date(now) : new Date(now + offset);
  const local = offset === undefined;
  const year = numbers[0] ?? (local ? today.getFullYear() : today.getUTCFullYear());
  const month = (numbers[1] ?? (local ? today.getMonth() : today.getUTCMonth()) + 1) - 1;
  const day = numbers[2] ?? (local ? today.getDate() : today.getUTCDate());
  const inUtc = new Date(Date.UTC(year, month, day, hour, minute, second, milliseconds));
  // There is no 30th of February.
  if (inUtc.getUTCMonth() !== month || inUtc.getUTCDate() !== day) return undefined;
  return offset === undefined
    ? new Date(year, month, day, hour, minute, second, milliseconds).getTime()
    : inUtc.getTime() - offset;
}

/** How far the zone is east of Greenwich (ms). */
function offsetOf(zone: string): number {
  const [, sign, hours, minutes] = /^([+-])(\d\d):?(\d\d)$/.exec(zone) ?? [];
  return (sign === "-" ? -1 : 1) * (Number(hours ?? 0) * HOUR + Number(minutes ?? 0) * MINUTE);
}

function named(size: number, ...names: readonly string[]): readonly (readonly [string, number])[] {
  return names.map((name) => [name, size] as const);
}
