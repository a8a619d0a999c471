/** The farthest moment from 1970 that a date can be; imported and stored rows may claim any number. */
const FARTHEST = 8.64e15;

/** ISO 8601 in UTC with milliseconds, from UTC epoch milliseconds; undefined for a number that is no time. */
export function isoTime(epochMs: number): string | undefined {
  return Math.abs(epochMs) <= FARTHEST ? new Date(epochMs).toISOString() : undefined;
}

/** `2026-01-21` in the machine's time zone. */
export function formatDay(epochMs: number): string {
  return localTime(epochMs)?.day ?? "-";
}

/** `2026-01-21 12:02 +01:00` in the machine's time zone; `unknown` for a number that is no time. */
export function formatMinute(epochMs: number, unknown = "-"): string {
  return inWords(epochMs, 5) ?? unknown;
}

/** `2026-01-21 12:02:34 +01:00` in the machine's time zone; `unknown` for a number that is no time. */
export function formatSecond(epochMs: number, unknown = "-"): string {
  return inWords(epochMs, 8) ?? unknown;
}

/** `12:02:34.962` in the machine's time zone. */
export function formatTimeOfDay(epochMs: number, unknown = "--:--:--.---"): string {
  return localTime(epochMs)?.time ?? unknown;
}

/** `2026-01-21T12:02:34.962+01:00` in the machine's time zone, `…Z` in UTC, for the lines of a log. */
export function formatLogTime(epochMs: number): string {
  const local = localTime(epochMs);
  const zone = zoneAt(epochMs);
  return local === undefined ? "-" : `${local.day}T${local.time}${zone === "UTC" ? "Z" : zone}`;
}

/**
 * The machine's offset from UTC at that time: `UTC`, `+01:00`, `-03:30`. Not the zone's name: the first question for
 * that maps 7 MB of ICU into a service that idles in 60, and `CST` is one of three zones.
 */
export function zoneAt(epochMs: number): string {
  const east = -Math.round(new Date(epochMs).getTimezoneOffset());
  if (east === 0 || Number.isNaN(east)) return "UTC";
  const minutes = Math.abs(east);
  return `${east < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** Runs `use` as if the machine stood in UTC. */
export async function inUtc<T>(use: () => T | Promise<T>): Promise<T> {
  const zone = process.env.TZ;
  process.env.TZ = "UTC";
  try {
    return await use();
  } finally {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
}

function inWords(epochMs: number, length: number): string | undefined {
  const local = localTime(epochMs);
  return local === undefined ? undefined : `${local.day} ${local.time.slice(0, length)} ${zoneAt(epochMs)}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** `2026-01-21` and `12:02:34.962`, as the clock on the wall shows it. */
function localTime(epochMs: number): { readonly day: string; readonly time: string } | undefined {
  const at = new Date(epochMs);
  // In a zone east of Greenwich the last hours that a date can be have no name.
  if (!(Math.abs(epochMs) <= FARTHEST) || Number.isNaN(at.getFullYear())) return undefined;
  return {
    day: `${String(at.getFullYear()).padStart(4, "0")}-${two(at.getMonth() + 1)}-${two(at.getDate())}`,
    time: `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`,
  };
}
