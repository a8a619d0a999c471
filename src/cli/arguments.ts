import { UsageError } from "./command.ts";

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/**
 * Reads a time argument as UTC epoch milliseconds: a span back from now (`90m`, `24h`, `7d`, `2w`), a day, or a
 * day with a time in UTC. Throws `UsageError` for anything else.
 */
export function parseTime(text: string, now: number): number {
  const span = /^(\d{1,6})([mhdw])$/.exec(text);
  if (span !== null) return now - Number(span[1]) * (UNITS[span[2] ?? "d"] ?? 0);
  const day = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?))?$/.exec(text);
  const time = day === null ? Number.NaN : Date.parse(`${day[1]}T${day[2] ?? "00:00"}Z`);
  if (Number.isNaN(time)) {
    throw new UsageError(
      `'${text}' is no time; use a span back (7d, 24h, 90m) or a UTC date (2026-01-21, 2026-01-21T11:02)`,
    );
  }
  return time;
}

/** Reads a positive whole number. Throws `UsageError` for anything else. */
export function parseCount(text: string, option: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text))
    throw new UsageError(`--${option} takes a whole number from 1, not '${text}'`);
  return Number(text);
}
