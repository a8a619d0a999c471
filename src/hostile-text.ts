/**
 * What no output shows as it is, wherever it goes: C0 (a tab is harmless), DEL and C1, which command a terminal; what
 * turns the direction of writing; separators of lines that not every reader takes for one; what has no width, and makes
 * two texts look alike; the mark of a byte order. A joiner stays: it holds letters and pictures together.
 */
export const HOSTILE =
  /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** What of it a JSON text can still hold: there C0 is escaped, and a line end is its layout. */
export const HOSTILE_IN_JSON = new RegExp(HOSTILE.source.replace("\\u0000-\\u0008\\u000a-\\u001f", ""), "g");

/** As {@link HOSTILE}, for one line: each run of it, with tabs. */
const HOSTILE_RUNS = new RegExp(`(?:${HOSTILE.source}|\\t)+`, "g");

/** Longer texts are cut: no name and no value needs more. */
const LIMIT = 1024;

/** Hostile text as one line, at most `limit` characters: each run of what no output shows is one blank. */
export function oneLine(text: string, limit = LIMIT): string {
  // Of a text without end only as much is looked at as can be left of it.
  const line = text
    .slice(0, limit * 4)
    .toWellFormed()
    .replace(HOSTILE_RUNS, " ")
    .trim();
  return line.length > limit ? `${line.slice(0, limit - 1).toWellFormed()}…` : line;
}
