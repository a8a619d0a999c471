import { HOSTILE } from "./hostile-text.ts";
import { formatSecond } from "./time-words.ts";

const ESCAPE = "\u001b[";
const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
export type Style = keyof typeof STYLES;

/** Colours text for a terminal, or leaves it alone. */
export type Paint = (style: Style, text: string) => string;

/** Makes the painter for a destination that wants colour or not. */
export function createPaint(color: boolean): Paint {
  return color ? (style, text) => `${ESCAPE}${STYLES[style]}m${text}${ESCAPE}0m` : (_style, text) => text;
}

/**
 * Makes hostile text (log lines, VM names) safe to print as one line: control characters, which could move the cursor
 * or retitle the terminal, and characters that turn the writing direction become visible escapes.
 */
export function printable(text: string): string {
  return text.replace(HOSTILE, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** A time as people and logs read it: `2026-01-21 12:02:34 +01:00`. Undefined prints as a dash. */
export function formatTime(epochMs: number | undefined): string {
  return epochMs === undefined ? "-" : formatSecond(epochMs);
}

/** A span in the largest unit that reads well: `350 ms`, `12 s`, `4 min`, `3 h`, `5 d`. */
export function formatSpan(milliseconds: number): string {
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1_000],
  ] as const;
  for (const [unit, size] of units) {
    if (milliseconds >= size * (unit === "s" ? 1 : 1.5)) return `${Math.round(milliseconds / size)} ${unit}`;
  }
  return `${Math.round(milliseconds)} ms`;
}
