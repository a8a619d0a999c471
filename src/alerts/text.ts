import { oneLine } from "../hostile-text.ts";
import { formatMinute } from "../time-words.ts";

/** Makes one harmless line out of hostile text, with single blanks. */
export function singleSpaced(text: string): string {
  return oneLine(text, Number.POSITIVE_INFINITY).replace(/ {2,}/g, " ");
}

/**
 * Cuts text to a limit at a word's end and marks the cut with `…`. `measure` says how large a text is where it
 * goes (characters by default); it must not shrink as text grows. Only a word that is too long itself is cut.
 */
export function cutAtWord(
  text: string,
  limit: number,
  measure: (text: string) => number = (whole) => whole.length,
): string {
  if (measure(text) <= limit) return text;
  const kept = (end: number) => text.slice(0, end).trimEnd();
  const fits = (end: number) => measure(`${kept(end)}…`) <= limit;
  const ends = [...text.matchAll(/\S(?=\s)/g)].map((match) => match.index + 1);
  const end = lastThat(ends, fits) ?? lastThat(characterEnds(text), fits) ?? 0;
  return kept(end) === "" ? "" : `${kept(end)}…`;
}

/** Size of a text in UTF-8. */
export function bytes(text: string): number {
  return Buffer.byteLength(text);
}

/** A time for a person, e.g. `2026-11-20 18:02 UTC`. `at` is UTC epoch milliseconds. */
export function timeOf(at: number): string {
  return formatMinute(at, "an unknown time");
}

function characterEnds(text: string): number[] {
  let end = 0;
  return Array.from(text, (character) => {
    end += character.length;
    return end;
  });
}

/** The last of ascending numbers for which `fits` holds, given that it holds up to some point and not after it. */
function lastThat(ascending: readonly number[], fits: (number: number) => boolean): number | undefined {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (fits(ascending[middle] ?? 0)) low = middle + 1;
    else high = middle;
  }
  return ascending[low - 1];
}
