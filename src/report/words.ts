import type { Outcome } from "../model/attempt.ts";
import { formatSecond } from "../time-words.ts";
import type { Mark } from "./document.ts";

/** `s` for more than one. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** A VM's or another hostile name in the quotes that the field uses. */
export function quoted(name: string): string {
  return `'${name}'`;
}

/** The first of a list, and how many more there are. */
export function shortened(items: readonly string[], most: number): readonly string[] {
  return items.length <= most ? items : [...items.slice(0, most), `and ${items.length - most} more`];
}

const OUTCOMES: Readonly<Record<Outcome, Mark>> = {
  started: { word: "started", tone: "good" },
  failed: { word: "failed", tone: "bad" },
  "crashed-early": { word: "died soon after the start", tone: "bad" },
  refused: { word: "refused by the platform", tone: "warning" },
};

/** The outcome of a start for a reader; `isOver`: the host went down in the middle of one that has none. */
export function outcomeMark(outcome: Outcome | undefined, isOver = false): Mark {
  if (outcome !== undefined) return OUTCOMES[outcome];
  return { word: isOver ? "cut short" : "starting", tone: "neutral" };
}

/** e.g. `2026-11-23 09:50:19 +01:00`, in the zone of the host. */
export function timeOf(at: number): string {
  return formatSecond(at, "an unknown time");
}
