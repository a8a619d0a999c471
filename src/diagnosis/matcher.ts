import type { Layer, Signature, SignatureMatch } from "../model/catalogue.ts";
import type { Catalogue } from "./catalogue.ts";
import { allowLinearEngine } from "./linear-engine.ts";
import { createLiteralScanner, type LiteralScanner } from "./literal-scanner.ts";
import { requiredLiterals } from "./required-literals.ts";

/** No known message is longer; the rest of a text is not looked at. */
export const LONGEST_TEXT = 16_384;

/** Finds the known messages in a text. */
export interface Matcher {
  /**
   * The signatures that fit, in the catalogue's order: what is specific comes first. Where two fit the same
   * words, only the first of them counts. Only the first LONGEST_TEXT characters are looked at.
   *
   * A kernel text is compared with the kernel's messages only. QEMU's and libvirt's are looked for in both:
   * libvirt quotes QEMU, and libvirt's child writes into QEMU's log.
   */
  match(layer: Layer | "any", text: string): readonly SignatureMatch[];
  /** Whether any signature fits; for whoever only has to choose. */
  knows(layer: Layer | "any", text: string): boolean;
}

export interface MatcherOptions {
  /** For text that people typed or tools mangled; captures are then in lower case. */
  readonly ignoreCase?: boolean;
  /** False tries every rule on every text: what the fast path is measured against. */
  readonly prefilter?: boolean;
}

interface Rule {
  readonly signature: Signature;
  readonly expression: RegExp;
  /** One of these stands in every text that the rule fits; undefined where nothing is known. */
  readonly literals: readonly string[] | undefined;
}

interface RuleSet {
  readonly rules: readonly Rule[];
  /** Finds the words without which rules cannot fit, all of them in one go. */
  readonly scanner: LiteralScanner;
  /** For each word of the scanner the numbers of the rules that one of them is enough for. */
  readonly rulesOfWord: readonly (readonly number[])[];
  /** The numbers of the rules without literals: to be tried on every text. */
  readonly unfiltered: readonly number[];
  readonly alwaysTried: readonly Rule[];
}

/**
 * Makes a matcher. One scan for the words without which no rule can fit lets ordinary lines pass in well under a
 * microsecond; only the rules whose words it finds are tried.
 */
export function createMatcher(catalogue: Catalogue, options: MatcherOptions = {}): Matcher {
  allowLinearEngine();
  const fold = options.ignoreCase === true;
  const rules = catalogue.signatures.map((signature) => ruleOf(signature, fold));
  const kernel = rules.filter((rule) => rule.signature.layer === "kernel");
  const others = rules.filter((rule) => rule.signature.layer !== "kernel");
  const sets = { kernel: ruleSet(kernel), qemu: ruleSet(others), any: ruleSet(rules) };
  const useFilter = options.prefilter !== false;
  const candidates = (layer: Layer | "any", subject: string) => {
    const set = sets[layer === "libvirt" ? "qemu" : layer];
    return useFilter ? mayFit(set, subject) : set.rules;
  };
  const subjectOf = (text: string) => {
    const bounded = text.length > LONGEST_TEXT ? text.slice(0, LONGEST_TEXT) : text;
    return fold ? foldCase(bounded) : bounded;
  };
  return {
    match(layer, text) {
      const subject = subjectOf(text);
      return matchAll(candidates(layer, subject), subject);
    },
    knows(layer, text) {
      const subject = subjectOf(text);
      for (const { expression } of candidates(layer, subject)) if (expression.test(subject)) return true;
      return false;
    },
  };
}

const NOTHING: readonly never[] = [];

/** The rules that may fit, in the catalogue's order. */
function mayFit(set: RuleSet, text: string): readonly Rule[] {
  const words = set.scanner.find(text);
  if (words.length === 0) return set.alwaysTried;
  const numbers = new Set(set.unfiltered);
  for (const word of words) {
    for (const number of set.rulesOfWord[word] ?? NOTHING) numbers.add(number);
  }
  return rulesOf(
    set.rules,
    [...numbers].sort((a, b) => a - b),
  );
}

function rulesOf(rules: readonly Rule[], numbers: readonly number[]): readonly Rule[] {
  return numbers.flatMap((number) => rules[number] ?? NOTHING);
}

function matchAll(rules: readonly Rule[], text: string): readonly SignatureMatch[] {
  if (rules.length === 0) return NOTHING;
  const found: { readonly start: number; readonly end: number; readonly match: SignatureMatch }[] = [];
  for (const { signature, expression } of rules) {
    const result = expression.exec(text);
    if (result === null) continue;
    const start = result.index;
    const end = start + result[0].length;
    if (found.some((other) => start < other.end && other.start < end)) continue;
    found.push({ start, end, match: { signature, captures: capturesOf(result) } });
  }
  return found.map(({ match }) => match);
}

function capturesOf(result: RegExpExecArray): Readonly<Record<string, string>> {
  const captures: Record<string, string> = {};
  for (const [name, value] of Object.entries(result.groups ?? {})) {
    if (value !== undefined) captures[name] = value;
  }
  return captures;
}

function ruleOf(signature: Signature, fold: boolean): Rule {
  // The linear engine has no `i` flag, so case is folded on both sides instead.
  const source = fold ? foldPattern(signature.pattern) : signature.pattern;
  return { signature, expression: new RegExp(source, "m"), literals: requiredLiterals(source) };
}

function ruleSet(rules: readonly Rule[]): RuleSet {
  const byWord = new Map<string, number[]>();
  const unfiltered: number[] = [];
  for (const [number, { literals }] of rules.entries()) {
    if (literals === undefined) unfiltered.push(number);
    for (const word of literals ?? NOTHING) {
      const others = byWord.get(word);
      if (others === undefined) byWord.set(word, [number]);
      else others.push(number);
    }
  }
  const scanner = createLiteralScanner([...byWord.keys()]);
  const alwaysTried = rulesOf(rules, unfiltered);
  return { rules, scanner, rulesOfWord: [...byWord.values()], unfiltered, alwaysTried };
}

/** Capitals of Latin and Cyrillic that have one small letter each; others could change the length. */
const CAPITALS = "A-Z\\u00c0-\\u00d6\\u00d8-\\u00de\\u0400-\\u042f";
const RUN_OF_CAPITALS = new RegExp(`[${CAPITALS}]+`, "g");
const ESCAPE_OR_CAPITALS = new RegExp(`\\\\.|[${CAPITALS}]+`, "g");

function foldCase(text: string): string {
  return text.replace(RUN_OF_CAPITALS, (letters) => letters.toLowerCase());
}

/** Folds the letters of a pattern except those that an escape gives a meaning (`\S`, `\D`). */
function foldPattern(source: string): string {
  return source.replace(ESCAPE_OR_CAPITALS, (part) => (part.startsWith("\\") ? part : part.toLowerCase()));
}
