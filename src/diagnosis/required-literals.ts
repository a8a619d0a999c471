/** Shorter literals stand in too many lines to be worth looking for. */
const SHORTEST = 4;
const MOST_ALTERNATIVES = 24;

/**
 * Finds words of which at least one stands in every text that a pattern fits, so that texts without any need
 * not be tried. Undefined where the pattern promises none. Understands the syntax that the catalogue accepts;
 * whatever it does not understand promises nothing, so a doubt costs speed and never a match.
 */
export function requiredLiterals(source: string): readonly string[] | undefined {
  const reader = { source, position: 0 };
  const found = readAlternatives(reader);
  return reader.position === source.length ? found : undefined;
}

interface Reader {
  readonly source: string;
  position: number;
}

type Literals = readonly string[] | undefined;

function readAlternatives(reader: Reader): Literals {
  const all: string[] = [];
  let everyOneHasSome = true;
  for (;;) {
    const one = readSequence(reader);
    if (one === undefined) everyOneHasSome = false;
    else all.push(...one);
    if (reader.source[reader.position] !== "|") break;
    reader.position++;
  }
  return everyOneHasSome && all.length <= MOST_ALTERNATIVES ? [...new Set(all)] : undefined;
}

function readSequence(reader: Reader): Literals {
  let best: Literals;
  let run = "";
  const endRun = () => {
    if (run.length >= SHORTEST) best = better(best, [run]);
    run = "";
  };
  while (reader.position < reader.source.length) {
    const character = reader.source[reader.position];
    if (character === "|" || character === ")") break;
    if (character === "(") {
      const inner = readGroup(reader);
      const times = readQuantifier(reader);
      endRun();
      if (times.least > 0) best = better(best, inner);
      continue;
    }
    const literal = readCharacter(reader);
    const times = readQuantifier(reader);
    if (literal === undefined || times.least === 0) {
      endRun();
      continue;
    }
    run += literal;
    // `ab+c`: the b stands there, but what follows it need not follow this one.
    if (!times.exactlyOne) {
      endRun();
    }
  }
  endRun();
  return best;
}

/** The set whose shortest word is longest is the rarest; among equals the smaller set. */
function better(a: Literals, b: Literals): Literals {
  if (a === undefined || b === undefined) return a ?? b;
  const [shortestA, shortestB] = [shortest(a), shortest(b)];
  if (shortestA !== shortestB) return shortestA > shortestB ? a : b;
  return a.length <= b.length ? a : b;
}

function shortest(literals: readonly string[]): number {
  return Math.min(...literals.map((literal) => literal.length));
}

function readGroup(reader: Reader): Literals {
  const opening = /^\((?:\?:|\?<[A-Za-z0-9_]+>)?/.exec(
    reader.source.slice(reader.position, reader.position + 60),
  );
  reader.position += opening?.[0].length ?? 1;
  const inner = readAlternatives(reader);
  if (reader.source[reader.position] === ")") reader.position++;
  return inner;
}

/** One character that stands for itself; undefined for a class or an assertion. */
function readCharacter(reader: Reader): string | undefined {
  const { source } = reader;
  const character = source[reader.position] ?? "";
  reader.position++;
  if (character === "[") {
    for (; reader.position < source.length && source[reader.position] !== "]"; reader.position++) {
      if (source[reader.position] === "\\") reader.position++;
    }
    reader.position++;
    return undefined;
  }
  if (character === "." || character === "^" || character === "$") return undefined;
  if (character !== "\\") return character;
  const escaped = source[reader.position] ?? "";
  reader.position++;
  if (escaped === "x" || escaped === "u" || escaped === "c") {
    // Rare and of several lengths: the digits that follow must not pass for text.
    const code = /^(?:\{[0-9a-f]+\}|[0-9a-f]{2,4}|[A-Z])/i.exec(
      source.slice(reader.position, reader.position + 10),
    );
    const length = escaped === "x" ? 2 : escaped === "c" ? 1 : (code?.[0].length ?? 0);
    reader.position += length;
    return undefined;
  }
  return /[A-Za-z0-9]/.test(escaped) ? undefined : escaped;
}

function readQuantifier(reader: Reader): { readonly least: number; readonly exactlyOne: boolean } {
  const found = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/.exec(
    reader.source.slice(reader.position, reader.position + 24),
  );
  if (found === null) return { least: 1, exactlyOne: true };
  reader.position += found[0].length;
  if (found[1] !== undefined) return { least: found[1] === "+" ? 1 : 0, exactlyOne: false };
  return { least: Number(found[2]), exactlyOne: false };
}
