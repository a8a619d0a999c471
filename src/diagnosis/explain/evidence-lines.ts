/** A piece of an evidence that is shorter stands in too many lines to tell which one is meant. */
const SHORTEST_PIECE = 16;

/**
 * The numbers of the lines that hold the evidence, which was taken from them without what a page or a log put in front,
 * with its blanks closed up, and together where a message had been wrapped.
 */
export function evidenceLines(lines: readonly string[], evidence: readonly string[]): ReadonlySet<number> {
  const wanted = [...new Set(evidence.map(closedUp))].filter((text) => text !== "");
  // In a log of millions of lines the few are found by their first words, before anything is made of the others.
  const heads = wanted.map((text) => text.slice(0, SHORTEST_PIECE));
  const marked = new Set<number>();
  for (const [number, line] of lines.entries()) {
    const mayHold = heads.some((head) => line.includes(head)) || /\s\s|\t|&|`|\u00a0|["'“”‘’]/.test(line);
    if (!mayHold && !marked.has(number - 1)) continue;
    const text = closedUp(line);
    const holds = wanted.some(
      (one) => text.includes(one) || (text.length >= SHORTEST_PIECE && one.includes(withoutDecoration(text))),
    );
    if (holds) marked.add(number);
  }
  return marked;
}

function closedUp(text: string): string {
  return text
    .replace(/[\u2018\u2019`]/g, "'")
    .replace(/[\u201c\u201d]/g, '"')
    .replace(/&quot;/g, '"')
    .replace(/&#0?39;|&apos;/g, "'")
    .replace(/&gt;/g, ">")
    .replace(/&lt;/g, "<")
    .replace(/&amp;/g, "&")
    .replace(/\s+/g, " ")
    .trim();
}

function withoutDecoration(text: string): string {
  return text.replace(/^(?:[>|│*-] ?)+/, "");
}
