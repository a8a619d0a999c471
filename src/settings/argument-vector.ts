import type { Parsed } from "./parsed.ts";

/**
 * Splits a command line at blanks; single or double quotes hold an argument together, nothing is expanded and no
 * shell ever sees it. The command itself must be an absolute path. Undefined for an empty line.
 */
export function parseArgumentVector(line: string): Parsed<readonly string[] | undefined> {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (const character of line) {
    if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else word += character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + character;
  }
  if (quote !== undefined) return { problem: "has a quote that is not closed" };
  if (word !== undefined) words.push(word);
  const [program] = words;
  if (program === undefined) return { value: undefined };
  if (!program.startsWith("/")) return { problem: "does not begin with an absolute path" };
  return { value: words };
}
