import type { Parsed } from "./parsed.ts";

/** A span of the day in local time, in minutes since midnight; `from` > `to` spans midnight. */
export interface TimeOfDayRange {
  readonly from: number;
  readonly to: number;
}

const TIME = /^(\d{1,2}):(\d{2})$/;

/** Reads `22:00-07:00`; undefined for an empty text. */
export function parseTimeOfDayRange(text: string): Parsed<TimeOfDayRange | undefined> {
  if (text.trim() === "") return { value: undefined };
  const [from, to, ...more] = text.split("-").map(minutesOf);
  if (from === undefined || to === undefined || more.length > 0)
    return { problem: "is not a span like 22:00-07:00" };
  if (from === to) return { problem: "begins and ends at the same time" };
  return { value: { from, to } };
}

function minutesOf(text: string): number | undefined {
  const parts = TIME.exec(text.trim());
  if (parts === null) return undefined;
  const hours = Number(parts[1]);
  const minutes = Number(parts[2]);
  return hours <= 23 && minutes <= 59 ? hours * 60 + minutes : undefined;
}
