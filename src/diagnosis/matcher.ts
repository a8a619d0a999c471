import type { Layer, Signature, SignatureMatch } from "../model/catalogue.ts";
import type { Catalogue } from "./catalogue.ts";
import { allowLinearEngine } from "./linear-engine.ts";
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
  /** Fits every text that a rule with literals may fit. */
  readonly prefilter: RegExp;
  /** The rules without literals: to be tried on every text. */
  readonly unfiltered: readonly Rule[];
}

/**
 * Makes a matcher. A single alternation of words without which no rule can fit lets ordinary lines pass in
 * well under a microsecond; only what it stops is tried rule by rule.
 */
export function createMatcher(catalogue: Catalogue, options: MatcherOptions = {}): Matcher {
  allowLinearEngine();
  const fold = options.ignoreCase === true;
  const rules = catalogue.signatures.map((signature) => ruleOf(signature, fold));
  const kernel = rules.filter((rule) => rule.signature.layer === "kernel");
  const others = rules.filter((rule) => rule.signature.layer !== "kernel");
  const sets = { kernel: ruleSet(kernel), qemu: ruleSet(others), any: ruleSet(rules) };
  const useFilter = options.prefilter !== false;
  return {
    match(layer, text) {
      const set = sets[layer === "libvirt" ? "qemu" : layer];
      const bounded = text.length > LONGEST_TEXT ? text.slice(0, LONGEST_TEXT) : text;
      const subject = fold ? foldCase(bounded) : bounded;
      if (!useFilter || set.prefilter.test(subject)) return matchAll(set.rules, subject, useFilter);
      return set.unfiltered.length === 0 ? NOTHING : matchAll(set.unfiltered, subject, useFilter);
    },
  };
}

const NOTHING: readonly SignatureMatch[] = [];

function matchAll(rules: readonly Rule[], text: string, useLiterals: boolean): readonly SignatureMatch[] {
  const found: { readonly start: number; readonly end: number; readonly match: SignatureMatch }[] = [];
  for (const { signature, expression, literals } of rules) {
    if (useLiterals && literals !== undefined && !literals.some((literal) => text.includes(literal)))
      continue;
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
  const unfiltered = rules.filter((rule) => rule.literals === undefined);
  // Sorted, so that V8 folds common beginnings into one branch.
  const words = [...new Set(rules.flatMap((rule) => rule.literals ?? []))].sort();
  // An empty alternation would fit everything; an empty class fits nothing.
  const prefilter = new RegExp(words.length === 0 ? "[]" : words.map(escapeForPattern).join("|"));
  return { rules, prefilter, unfiltered };
}

function escapeForPattern(word: string): string {
  return word.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

/** Folds ASCII only: everything else could change the length. */
function foldCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Folds the letters of a pattern except those that an escape gives a meaning (`\S`, `\D`). */
function foldPattern(source: string): string {
  return source.replace(/\\.|[A-Z]+/g, (part) => (part.startsWith("\\") ? part : part.toLowerCase()));
}
