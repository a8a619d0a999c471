/** Longer texts are cut: no fact needs more, and all of them come from files that others write. */
const LIMIT = 1024;

/** One line, without control characters, at most `limit` characters. */
export function oneLine(text: string, limit = LIMIT): string {
  const line = text
    .slice(0, limit * 4)
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ")
    .trim();
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}
