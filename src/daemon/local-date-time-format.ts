const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;

interface Part {
  readonly type: string;
  readonly value: string;
}

/**
 * The part of `Intl.DateTimeFormat` that node-cron asks for, in local time alone. The first use of the real one
 * maps 7 MB of ICU's data into a service that idles in 60; the bundler puts this in its place. `formatToParts`
 * gives the numbers of the date, or, for `timeZoneName`, the zone as `GMT`, `GMT+2` or `GMT+5:30`. Throws for
 * another time zone than the machine's own.
 */
export class LocalDateTimeFormat {
  readonly #wantsZone: boolean;

  constructor(_locale: string, options: { readonly timeZone?: string; readonly timeZoneName?: string }) {
    if (options.timeZone !== undefined)
      throw new RangeError(`only local time is known, not ${options.timeZone}`);
    this.#wantsZone = options.timeZoneName !== undefined;
  }

  formatToParts(date: Date): readonly Part[] {
    if (this.#wantsZone) return [{ type: "timeZoneName", value: zoneOf(date) }];
    const two = (value: number) => String(value).padStart(2, "0");
    return [
      { type: "weekday", value: WEEKDAYS[date.getDay()] ?? "" },
      { type: "month", value: two(date.getMonth() + 1) },
      { type: "day", value: two(date.getDate()) },
      { type: "year", value: String(date.getFullYear()) },
      { type: "hour", value: two(date.getHours()) },
      { type: "minute", value: two(date.getMinutes()) },
      { type: "second", value: two(date.getSeconds()) },
    ];
  }
}

function zoneOf(date: Date): string {
  const east = -date.getTimezoneOffset();
  if (east === 0) return "GMT";
  const [hours, minutes] = [Math.floor(Math.abs(east) / 60), Math.abs(east) % 60];
  return `GMT${east > 0 ? "+" : "-"}${hours}${minutes === 0 ? "" : `:${String(minutes).padStart(2, "0")}`}`;
}
