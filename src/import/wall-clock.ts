/** Parts of a time as a wall clock shows it; `month` counts from 0. */
export interface WallTime {
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

/** Turns what a wall clock showed into UTC. */
export interface WallClock {
  /** e.g. `Europe/Berlin`, or `this machine's time zone`. */
  readonly zone: string;
  /** UTC epoch milliseconds. */
  toUtc(year: number, time: WallTime): number;
}

/** The clock on the wall beside this machine. */
export const ownWallClock: WallClock = {
  zone: "this machine's time zone",
  toUtc: (year, { month, day, hour, minute, second }) =>
    new Date(year, month, day, hour, minute, second).getTime(),
};

/**
 * The clock of a place, e.g. `America/New_York`; undefined where there is no such place. Brings in ICU, which the
 * service must not load: only for commands.
 */
export function wallClockOf(zone: string): WallClock | undefined {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch {
    return undefined;
  }
  const offsetAt = (at: number): number => {
    const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    const shown = Date.UTC(
      parts.get("year") ?? 0,
      (parts.get("month") ?? 1) - 1,
      parts.get("day"),
      parts.get("hour"),
      parts.get("minute"),
      parts.get("second"),
    );
    return shown - Math.floor(at / 1000) * 1000;
  };
  return {
    zone,
    toUtc(year, { month, day, hour, minute, second }) {
      const shown = Date.UTC(year, month, day, hour, minute, second);
      // Twice, since near a change of daylight saving the first guess may lie on its other side.
      const first = shown - offsetAt(shown);
      return shown - offsetAt(first);
    },
  };
}
