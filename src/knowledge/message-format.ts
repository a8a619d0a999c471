/*
 * A message's format as the data has it: `%s` any text, `%d` a number, `%x` one in hexadecimal digits, `%c` a
 * character, `%m` what strerror says, `%%` a percent sign. Matched by hand and not as a regular expression: twenty
 * thousand of those would have to be compiled, and a browser has no engine that promises linear time.
 */

type Gap = "text" | "number" | "hexadecimal" | "reason";

/** A format taken apart: literals, and what stands between them. */
export interface MessageFormat {
  /** In small letters, none empty. */
  readonly literals: readonly string[];
  /** One before each literal but for the first, which only has one where the format begins with a gap. */
  readonly gaps: readonly (Gap | undefined)[];
  /** What stands behind the last literal. */
  readonly tail: Gap | undefined;
  /** Characters that stand for themselves: of two formats that fit, the one with more says more. */
  readonly weight: number;
}

/** Where a format fits, and what stood in its gaps. */
export interface FormatFit {
  readonly start: number;
  readonly end: number;
  readonly gaps: readonly string[];
}

const PLACEHOLDER = /%([sdxcm%])/g;
const KINDS: Readonly<Record<string, Gap>> = { d: "number", x: "hexadecimal", m: "reason" };
/** What a gap holds: a path, an option, a list of names. */
const LONGEST_GAP = 400;
/** A literal may stand in a text several times; the first ones decide. */
const MOST_TRIES = 8;
/** A sentence's last full stop is lost where it is quoted. */
const LAST_SIGNS = /[\s.:!,;]+$/;
const SHORTEST_WORD = 4;

/** The form in which formats and texts are compared; lengths may differ from the original's. */
export function folded(text: string): string {
  return text.replaceAll("`", "").replace(/\s+/g, " ").toLowerCase();
}

/** Takes a format apart. */
export function parseFormat(format: string): MessageFormat {
  const literals: string[] = [];
  const gaps: (Gap | undefined)[] = [];
  let literal = "";
  let gap: Gap | undefined;
  let from = 0;
  const source = folded(format).replace(LAST_SIGNS, "");
  for (const match of source.matchAll(PLACEHOLDER)) {
    literal += source.slice(from, match.index);
    from = match.index + match[0].length;
    if (match[1] === "%") {
      literal += "%";
      continue;
    }
    const kind = KINDS[match[1] ?? ""] ?? "text";
    if (literal === "") gap = gap === undefined ? kind : "text";
    else {
      literals.push(literal);
      gaps.push(gap);
      literal = "";
      gap = kind;
    }
  }
  literal += source.slice(from);
  const tail = literal === "" ? gap : undefined;
  if (literal !== "") {
    literals.push(literal);
    gaps.push(gap);
  }
  return { literals, gaps, tail, weight: literals.reduce((sum, { length }) => sum + length, 0) };
}

/** The words of a folded text by which formats are looked up. */
export function wordsOf(text: string): readonly string[] {
  return text.match(/[a-z0-9_]{4,}/g) ?? [];
}

/** Letters, digits and the underscore by their codes. */
const OF_WORD = Uint8Array.from({ length: 128 }, (_, code) => (/\w/.test(String.fromCharCode(code)) ? 1 : 0));
const PERCENT = 0x25;

/**
 * The number of the longest word (`hashOfWord`) that stands as a whole in every text that the format between two places
 * of the data fits; 0 where there is none. A word that touches a gap may be only the end of a longer one. By hand and
 * without making a string: it is asked of all formats for each text that nobody knows, in a service that has to stay
 * small.
 */
export function keyHash(data: Uint8Array, from: number, to: number): number {
  let best = from;
  let length = SHORTEST_WORD - 1;
  let begin = -1;
  let touches = false;
  for (let at = from; at <= to; at++) {
    const code = at < to ? (data[at] ?? 0) : 0;
    if (code < 128 && OF_WORD[code] === 1) {
      if (begin < 0) begin = at;
      continue;
    }
    const isGap = code === PERCENT && data[at + 1] !== PERCENT;
    if (begin >= 0 && !touches && !isGap && at - begin > length) {
      best = begin;
      length = at - begin;
    }
    begin = -1;
    touches = isGap;
    // The letter behind a percent sign belongs to it, and so does the second of two.
    if (code === PERCENT) at++;
  }
  return length < SHORTEST_WORD ? 0 : hash(data, best, best + length);
}

/** The same of a format by itself. */
export function keyHashOf(format: string): number {
  const bytes = new TextEncoder().encode(format);
  return keyHash(bytes, 0, bytes.length);
}

/** The number by which a word is looked up; two words may have the same one. */
export function hashOfWord(word: string): number {
  const bytes = new TextEncoder().encode(word);
  return hash(bytes, 0, bytes.length);
}

/** Fowler, Noll and Vo's, of the small letters; never 0. */
function hash(data: Uint8Array, from: number, to: number): number {
  let value = 0x811c9dc5;
  for (let at = from; at < to; at++) {
    const code = data[at] ?? 0;
    value = Math.imul(value ^ (code >= 0x41 && code <= 0x5a ? code + 0x20 : code), 0x01000193);
  }
  return value === 0 ? 1 : value;
}

/**
 * Where a format fits a folded text: as a whole message or as one that another quotes, never as a part of a longer
 * sentence.
 */
export function fit(format: MessageFormat, text: string): FormatFit | undefined {
  const [first] = format.literals;
  if (first === undefined) return undefined;
  let at = text.indexOf(first);
  for (let tries = 0; at >= 0 && tries < MOST_TRIES; tries++) {
    const found = fitFrom(format, text, at);
    if (found !== undefined) return found;
    at = text.indexOf(first, at + 1);
  }
  return undefined;
}

function fitFrom(format: MessageFormat, text: string, at: number): FormatFit | undefined {
  const { literals, gaps, tail } = format;
  const found: string[] = [];
  let start = at;
  if (gaps[0] === undefined) {
    if (!beginsMessage(text, at)) return undefined;
  } else {
    start =
      gaps[0] === "number" || gaps[0] === "hexadecimal" ? beginOfNumber(text, at) : beginOfMessage(text, at);
    if (start === at) return undefined;
    found.push(text.slice(start, at).trim());
  }
  let position = at + (literals[0]?.length ?? 0);
  for (let index = 1; index < literals.length; index++) {
    const literal = literals[index] ?? "";
    const next = placeOf(
      literal,
      gaps[index],
      text,
      position,
      index === literals.length - 1 && tail === undefined,
    );
    if (next === undefined) return undefined;
    found.push(text.slice(position, next));
    position = next + literal.length;
  }
  if (tail === undefined)
    return endsMessage(text, position) ? { start, end: position, gaps: found } : undefined;
  const end = tail === "text" ? text.length : endOfTail(text, position, tail);
  if (end === position) return undefined;
  if (
    tail === "reason"
      ? !ENDS_REASON.test(text.slice(end, end + 1))
      : tail !== "text" && !endsMessage(text, end)
  )
    return undefined;
  found.push(text.slice(position, end));
  return { start, end, gaps: found };
}

/** Where a literal stands behind a gap; `last` says that the message has to end with it. */
function placeOf(
  literal: string,
  gap: Gap | undefined,
  text: string,
  from: number,
  last: boolean,
): number | undefined {
  if (gap === "number" || gap === "hexadecimal") {
    const end = endOfNumber(text, from, gap);
    return end > from && text.startsWith(literal, end) ? end : undefined;
  }
  let at = text.indexOf(literal, from);
  for (let tries = 0; at >= 0 && at - from <= LONGEST_GAP && tries < MOST_TRIES; tries++) {
    if (!last || endsMessage(text, at + literal.length)) return at;
    at = text.indexOf(literal, at + 1);
  }
  return undefined;
}

/** A number may be signed, padded, or have a base in front: `-22`, ` 5`, `0x1f`, `ffff8881`. */
const NUMBER = /-?[0-9]+/y;
const HEXADECIMAL = /(?:0x)?[0-9a-f]+/y;

/** What strerror says is a few plain words. */
const REASON = /[a-z][a-z ,'/()-]{2,60}/y;

/** Nothing but the end of a message or of a quote stands behind it. */
const ENDS_REASON = /^(?:$|[:;.!)'"\]}\\])/;

function endOfTail(text: string, from: number, kind: Gap): number {
  if (kind !== "reason") return endOfNumber(text, from, kind);
  REASON.lastIndex = from;
  const found = REASON.exec(text);
  return found === null ? from : from + found[0].trimEnd().length;
}

function endOfNumber(text: string, from: number, kind: Gap): number {
  const expression = kind === "number" ? NUMBER : HEXADECIMAL;
  expression.lastIndex = from;
  const found = expression.exec(text);
  return found === null ? from : from + found[0].length;
}

function beginOfNumber(text: string, to: number): number {
  let at = to;
  while (at > 0 && /[0-9a-fx-]/.test(text.charAt(at - 1))) at--;
  return beginsMessage(text, at) ? at : to;
}

/** What stands in front of a message that is quoted: the end of another's sentence, a sign, or nothing. */
function beginsMessage(text: string, at: number): boolean {
  let before = at - 1;
  if (before >= 0 && /[a-z0-9_%/]/.test(text.charAt(before))) return false;
  while (before >= 0 && text[before] === " ") before--;
  return before < 0 || /[^a-z0-9_,%/$&]/.test(text.charAt(before));
}

/** Where the message that goes on at `at` begins, if a text stands in front: behind the last `: ` or at the start. */
function beginOfMessage(text: string, at: number): number {
  const from = Math.max(0, at - LONGEST_GAP);
  const colon = text.lastIndexOf(": ", at - 1);
  // `: ` directly in front is the literal's own beginning.
  return colon < from || colon + 2 > at ? from : colon + 2;
}

function endsMessage(text: string, at: number): boolean {
  const rest = text.slice(at, at + 3);
  return rest === "" || /^\s*(?:$|[:;.,!?'")\]>}\\|]|[([<-] ?|— ?)/.test(rest);
}
