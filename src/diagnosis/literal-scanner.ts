/** Finds which of many words stand in a text. */
export interface LiteralScanner {
  /** The number of each word that stands in the text, in no order; a word that stands twice may be there twice. */
  find(text: string): readonly number[];
  /** Whether any word stands in the bytes from `from` up to `to`, which are ASCII and no string yet. */
  standsIn(bytes: Uint8Array, from: number, to: number): boolean;
}

interface Word {
  readonly number: number;
  readonly text: string;
  /** Where the window begins in the word. */
  readonly offset: number;
}

/** Pairs of characters that share a place cost a comparison and never a match. */
const PLACES = 1 << 14;
const LONGEST_WINDOW = 255;
/** A word that is no longer than a pair leaves nothing to leap over: it is looked for by itself. */
const LONGEST_ALONE = 2;

/**
 * Makes a scanner after Wu and Manber ("A fast algorithm for multi-pattern searching", 1994). It looks at two
 * characters, and unless a word may stand there it leaps as far as the window (the length of the shortest word)
 * allows: several times faster than one alternation of all words, which V8 tries anew at every character. On bytes it
 * is faster again, because V8 finds out anew for each character of what kind a string is.
 */
export function createLiteralScanner(words: readonly string[]): LiteralScanner {
  const all = words.map((text, number) => ({ text, number }));
  const alone = all.filter(({ text }) => text.length <= LONGEST_ALONE);
  const together = all.filter(({ text }) => text.length > LONGEST_ALONE);
  const window = Math.min(LONGEST_WINDOW, ...together.map(({ text }) => text.length));
  // A pair that stands in no window: the next one may begin with its second character at the earliest.
  const leaps = new Uint8Array(PLACES).fill(window - 1);
  const mayStand = new Uint8Array(PLACES);
  const ending = new Map<number, Word[]>();
  for (const word of together) {
    const { text } = word;
    const offset = rarestWindow(text, window);
    for (let end = 1; end < window; end++) {
      const place = placeOfPair(text, offset + end);
      leaps[place] = Math.min(leaps[place] ?? 0, window - 1 - end);
    }
    const last = placeOfPair(text, offset + window - 1);
    mayStand[both(placeOfPair(text, offset + 1), last)] = 1;
    ending.set(last, [...(ending.get(last) ?? []), { ...word, offset }]);
  }

  function standsTogether(bytes: Uint8Array, from: number, to: number): boolean {
    for (let end = from + window - 1; end < to; ) {
      const place = placeOfBytes(bytes, end);
      const leap = leaps[place] ?? 0;
      if (leap > 0) {
        end += leap;
        continue;
      }
      const begin = end - window + 1;
      if (mayStand[both(placeOfBytes(bytes, begin + 1), place)] === 1) {
        for (const word of ending.get(place) ?? NONE)
          if (isAt(bytes, from, to, begin - word.offset, word)) return true;
      }
      end += 1;
    }
    return false;
  }

  return {
    standsIn(bytes, from, to) {
      if (together.length > 0 && standsTogether(bytes, from, to)) return true;
      for (const word of alone) {
        for (let at = from; at <= to; at++) if (isAt(bytes, from, to, at, word)) return true;
      }
      return false;
    },
    find(text) {
      // Made for the few texts with a word: most have none, and there are millions of them.
      let found: number[] | undefined;
      for (const { text: word, number } of alone) {
        if (text.includes(word)) found = [...(found ?? NONE), number];
      }
      if (together.length === 0) return found ?? NONE;
      for (let end = window - 1; end < text.length; ) {
        const place = placeOfPair(text, end);
        const leap = leaps[place] ?? 0;
        if (leap > 0) {
          end += leap;
          continue;
        }
        const begin = end - window + 1;
        if (mayStand[both(placeOfPair(text, begin + 1), place)] === 1) {
          for (const word of ending.get(place) ?? NONE) {
            if (word.offset > begin || !text.startsWith(word.text, begin - word.offset)) continue;
            found ??= [];
            found.push(word.number);
          }
        }
        end += 1;
      }
      return found ?? NONE;
    },
  };
}

/** Whether the word stands at `at`, between `from` and `to`. */
function isAt(bytes: Uint8Array, from: number, to: number, at: number, { text }: { text: string }): boolean {
  if (at < from || at + text.length > to) return false;
  for (let index = 0; index < text.length; index++)
    if (bytes[at + index] !== text.charCodeAt(index)) return false;
  return true;
}

const NONE: readonly never[] = [];

/** The place of the pair that ends at `end`. */
function placeOfPair(text: string, end: number): number {
  return ((text.charCodeAt(end - 1) << 7) ^ text.charCodeAt(end)) & (PLACES - 1);
}

/** The same of two bytes. */
function placeOfBytes(bytes: Uint8Array, end: number): number {
  return (((bytes[end - 1] ?? 0) << 7) ^ (bytes[end] ?? 0)) & (PLACES - 1);
}

/** The place of a window's first and last pair together. Letters differ in few bits, so they are spread. */
function both(first: number, last: number): number {
  return (Math.imul(first, 0x9e5) ^ last) & (PLACES - 1);
}

/**
 * Where in a word the part begins whose pairs are rarest in what kernels and programs write; the later ones shorten
 * the leaps most.
 */
function rarestWindow(word: string, window: number): number {
  let rarest = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let offset = 0; offset + window <= word.length; offset++) {
    let cost = 0;
    for (let end = 1; end < window; end++) {
      const at = offset + end;
      cost += commonness(word[at - 1] ?? "") * commonness(word[at] ?? "") * end * end;
    }
    if (cost < least) [least, rarest] = [cost, offset];
  }
  return rarest;
}

/** The characters of log lines, the most common ones first: addresses and English words. */
const COMMON = " 0etifasor:ndclm12pu4x-b.63g8y79CP5AvIS";

/** About how common a character is, from 0 to 1. */
function commonness(character: string): number {
  const place = COMMON.indexOf(character);
  return 1 / (1 + (place < 0 ? COMMON.length : place));
}
