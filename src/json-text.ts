import { HOSTILE_IN_JSON } from "./hostile-text.ts";

/**
 * A value as a JSON document with an end of line, safe to be looked at in a terminal: JSON itself demands escapes for
 * C0 controls only, so those of C1, DEL and what turns the direction of writing are escaped too. All of them can stand
 * in strings alone, and mean the same there.
 */
export function jsonText(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, undefined, indent) ?? "null";
  return `${text.replace(HOSTILE_IN_JSON, unicodeEscape)}\n`;
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
