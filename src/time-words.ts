/** The farthest moment from 1970 that a date can be; imported and stored rows may claim any number. */
const FARTHEST = 8.64e15;

/** ISO 8601 in UTC with milliseconds, from UTC epoch milliseconds; undefined for a number that is no time. */
export function isoTime(epochMs: number): string | undefined {
  return Math.abs(epochMs) <= FARTHEST ? new Date(epochMs).toISOString() : undefined;
}

/** `2026-01-21` in UTC. */
export function formatDay(epochMs: number): string {
  return isoTime(epochMs)?.slice(0, 10) ?? "-";
}

/** `2026-01-21 11:02 UTC`; `unknown` for a number that is no time. */
export function formatMinute(epochMs: number, unknown = "-"): string {
  return inWords(epochMs, 16) ?? unknown;
}

/** `2026-01-21 11:02:34 UTC`; `unknown` for a number that is no time. */
export function formatSecond(epochMs: number, unknown = "-"): string {
  return inWords(epochMs, 19) ?? unknown;
}

function inWords(epochMs: number, length: number): string | undefined {
  const iso = isoTime(epochMs);
  return iso === undefined ? undefined : `${iso.slice(0, length).replace("T", " ")} UTC`;
}
