/** One small fault: what stands at a place of a file is replaced by something else. */
export interface Mutation {
  /** Offset in the file. */
  readonly at: number;
  readonly from: string;
  readonly to: string;
  /** What kind of fault it is, for the table. */
  readonly kind: string;
}

/** A token and what a slip of the hand might make of it. */
const SLIPS: readonly (readonly [kind: string, pattern: RegExp, slip: (found: string) => string])[] = [
  ["equality", / (?:===|!==) /g, (found) => (found === " === " ? " !== " : " === ")],
  [
    "boundary",
    / (?:<=|>=|<|>) (?![^\n]*=>\s*(?:void|[A-Z])|\w+[>,])/g,
    (found) => BOUNDARIES[found] ?? found,
  ],
  ["logic", / (?:&&|\|\|) /g, (found) => (found === " && " ? " || " : " && ")],
  ["fallback", / \?\? /g, () => " && "],
  ["arithmetic", / [+-] (?=[\w(])/g, (found) => (found === " + " ? " - " : " + ")],
  ["truth", /\b(?:true|false)\b(?=[,;)\s])/g, (found) => (found === "true" ? "false" : "true")],
  ["negation", /(?<=[(&| ])!(?=[\w(])/g, () => ""],
  ["condition", /(?<=\bif \()/g, () => "!!0 && "],
  ["number", /(?<=[ ([-])\d[\d_]*(?=[,;)\s\]])/g, (found) => String(Number(found.replaceAll("_", "")) + 1)],
  ["method", /\.(?:some|every|findLast|find|min|max|first|last)\(/g, (found) => METHODS[found] ?? found],
  ["statement", /(?<=\n {2,})(?:[a-z][\w.?]*\([^\n]*\);|[\w.[\]]+ (?:\+=|=) [^\n]+;)(?=\n)/g, () => ";"],
];

const BOUNDARIES: Readonly<Record<string, string>> = {
  " < ": " <= ",
  " <= ": " < ",
  " > ": " >= ",
  " >= ": " > ",
};
const METHODS: Readonly<Record<string, string>> = {
  ".some(": ".every(",
  ".every(": ".some(",
  ".find(": ".findLast(",
  ".findLast(": ".find(",
  ".min(": ".max(",
  ".max(": ".min(",
};

/** All small faults that can be put into this source, in order of place. */
export function mutationsOf(source: string): readonly Mutation[] {
  const code = blanked(source);
  const found: Mutation[] = [];
  for (const [kind, pattern, slip] of SLIPS) {
    for (const { 0: from, index } of code.matchAll(pattern)) {
      // What was blanked is text or comment; a statement is compared as it stands.
      const original = source.slice(index, index + from.length);
      const to = slip(original);
      if (to !== original || from === "") found.push({ at: index, from: original, to, kind });
    }
  }
  return found.sort((a, b) => a.at - b.at);
}

/** The source with the fault in it. */
export function withMutation(source: string, { at, from, to }: Mutation): string {
  return source.slice(0, at) + to + source.slice(at + from.length);
}

/**
 * The source with the insides of texts, comments, imports and types replaced by spaces, offsets kept: a fault there is
 * none, or not one of the code. Expressions are left as they are, a slip in one is worth finding.
 */
export function blanked(source: string): string {
  return source
    .replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/[^\n]*/g, spaces)
    .replaceAll(/^(?:import|export) (?:type )?\{[^}]*\}[^\n]*;$|^import [^\n]*;$/gm, spaces)
    .replaceAll(/^(?:export )?(?:interface \w+[\s\S]*?\n\}|type \w+[\s\S]*?;)$/gm, spaces)
    .replaceAll(/"(?:[^"\\\n]|\\.)*"/g, (text) => `"${spaces(text.slice(1, -1))}"`);
}

function spaces(text: string): string {
  return text.replaceAll(/[^\n]/g, " ");
}
