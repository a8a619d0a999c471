/** More than so many characters are not compared: names are hostile, and the comparison takes their product. */
const LONGEST = 100;

/** Those of `known` that somebody may have meant with `text`, the nearest first; at most `most`. */
export function nearest(text: string, known: readonly string[], most = 3): readonly string[] {
  const said = folded(text).slice(0, LONGEST);
  const least = Math.max(2, Math.floor(said.length / 3));
  return known
    .map((name) => ({ name, away: distanceTo(said, folded(name).slice(0, LONGEST)) }))
    .filter(({ away }) => away <= least)
    .sort((a, b) => a.away - b.away)
    .slice(0, most)
    .map(({ name }) => name);
}

/** What is the same for people: case does not count, nor how an accent is put together. */
export function folded(text: string): string {
  return text.normalize("NFC").toLowerCase();
}

/** A part of a name is near to it, whatever its length; else letters that have to be put in, left out or changed. */
function distanceTo(said: string, name: string): number {
  if (said.length >= 3 && name.includes(said)) return 1;
  return editDistance(said, name);
}

/** Damerau's distance with neighbours that changed places (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let older: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (older[j - 2] ?? 0) + 1);
      next.push(least);
    }
    older = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
