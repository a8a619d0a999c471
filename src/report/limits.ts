import type { Cell } from "./document.ts";

/** More devices or groups than this make no report; a large server has some hundred. */
export const MOST_ROWS = 150;
export const MOST_ITEMS = 60;

/** What a machine said or reads. */
export function code(text: string): Cell {
  return { text, code: true };
}

/** Says in a caption that a table was cut. */
export function cutNote(length: number): string {
  return length > MOST_ROWS ? `, the first ${MOST_ROWS}` : "";
}
