import type { Signature, SignatureMatch, StartRole } from "../model/catalogue.ts";
import type { SpeakerKind } from "../model/speaker.ts";
import type { Catalogue } from "./catalogue.ts";
import { allowLinearEngine } from "./linear-engine.ts";
import { createLiteralScanner, type LiteralScanner } from "./literal-scanner.ts";
import { requiredLiterals } from "./required-literals.ts";

/** No known message is longer; the rest of a text is not looked at. */
export const LONGEST_TEXT = 16_384;

/** Finds the known messages in a text. */
export interface Matcher {
  /** What it knows. */
  readonly catalogue: Catalogue;
  /**
   * The signatures that fit, in the catalogue's order: what is specific comes first. Where two fit the same
   * words, only the first of them counts. Only the first LONGEST_TEXT characters are looked at.
   *
   * What the kernel says is compared with the kernel's messages only. QEMU's and libvirt's are looked for in all that
   * others say: libvirt quotes QEMU, and libvirt's child writes into QEMU's log. Only of a bare quote nobody knows
   * whose it is, and it may be any.
   */
  match(speaker: SpeakerKind, text: string): readonly SignatureMatch[];
  /** Whether any signature fits; for whoever only has to choose. */
  knows(speaker: SpeakerKind, text: string): boolean;
  /**
   * Words of which at least one stands in every text that any signature that this speaker can say fits; undefined where there are
   * none to name. What looks for them may pass over texts without even making strings of them.
   */
  words(speaker: SpeakerKind): readonly string[] | undefined;
}

export interface MatcherOptions {
  /** For text that people typed or tools mangled; captures are then in lower case. */
  readonly ignoreCase?: boolean;
  /** False tries every rule on every text: what the fast path is measured against. */
  readonly prefilter?: boolean;
}

interface Rule {
  /** Its place in the catalogue. */
  readonly number: number;
  readonly signature: Signature;
  readonly expression: RegExp;
  /** The names of the expression's groups. */
  readonly names: readonly string[];
  /** One of these stands in every text that the rule fits; undefined where nothing is known. */
  readonly literals: readonly string[] | undefined;
}

interface RuleSet {
  readonly rules: readonly Rule[];
  readonly words: readonly string[];
  /** Finds the words without which rules cannot fit, all of them in one go. */
  readonly scanner: LiteralScanner;
  /** For each word of the scanner the rules to be tried where it stands and no other. */
  readonly rulesOfWord: readonly (readonly Rule[])[];
  /** The rules without literals: to be tried on every text. */
  readonly alwaysTried: readonly Rule[];
}

/**
 * Makes a matcher. One scan for the words without which no rule can fit lets ordinary lines pass in well under a
 * microsecond; only the rules whose words it finds are tried.
 */
export function createMatcher(catalogue: Catalogue, options: MatcherOptions = {}): Matcher {
  allowLinearEngine();
  const fold = options.ignoreCase === true;
  const rules = catalogue.signatures.map((signature, number) => ruleOf(signature, number, fold));
  const kernel = rules.filter((rule) => rule.signature.layer === "kernel");
  const others = rules.filter((rule) => rule.signature.layer !== "kernel");
  const sets = { kernel: ruleSet(kernel), others: ruleSet(others), all: ruleSet(rules) };
  const useFilter = options.prefilter !== false;
  const setOf = (speaker: SpeakerKind) => sets[SET_OF[speaker]];
  const candidates = (speaker: SpeakerKind, subject: string) => {
    const set = setOf(speaker);
    return useFilter ? mayFit(set, subject) : set.rules;
  };
  const subjectOf = (text: string) => {
    const bounded = text.length > LONGEST_TEXT ? text.slice(0, LONGEST_TEXT) : text;
    return fold ? foldCase(bounded) : bounded;
  };
  // Whoever chose a text by what is known of it asks for just that next.
  let last: { speaker: SpeakerKind; text: string; matches: readonly SignatureMatch[] } | undefined;
  const match = (speaker: SpeakerKind, text: string) => {
    if (last?.text === text && last.speaker === speaker) return last.matches;
    const subject = subjectOf(text);
    const matches = matchAll(candidates(speaker, subject), subject);
    last = { speaker, text, matches };
    return matches;
  };
  return {
    catalogue,
    match,
    knows: (speaker, text) => match(speaker, text).length > 0,
    words(speaker) {
      const { words, alwaysTried } = setOf(speaker);
      // Folded, they stand in no text as it is.
      return fold || !useFilter || alwaysTried.length > 0 ? undefined : words;
    },
  };
}

const SET_OF: Readonly<Record<SpeakerKind, "kernel" | "others" | "all">> = {
  kernel: "kernel",
  qemu: "others",
  libvirt: "others",
  proxmox: "others",
  program: "others",
  person: "all",
  unknown: "all",
};

const NOTHING: readonly never[] = [];

/** The rules that may fit, in the catalogue's order. */
function mayFit(set: RuleSet, text: string): readonly Rule[] {
  const words = set.scanner.find(text);
  const [first] = words;
  if (first === undefined) return set.alwaysTried;
  const rules = set.rulesOfWord[first] ?? NOTHING;
  if (words.length === 1) return rules;
  const tried = new Set(rules);
  for (const word of words) for (const rule of set.rulesOfWord[word] ?? NOTHING) tried.add(rule);
  return inOrder(tried);
}

function inOrder(rules: Iterable<Rule>): readonly Rule[] {
  return [...rules].sort((a, b) => a.number - b.number);
}

function matchAll(rules: readonly Rule[], text: string): readonly SignatureMatch[] {
  if (rules.length === 0) return NOTHING;
  const found: { readonly start: number; readonly end: number; readonly match: SignatureMatch }[] = [];
  for (const { signature, expression, names } of rules) {
    const result = expression.exec(text);
    if (result === null) continue;
    // What was asked for says nothing of what came of it: it neither hides a message nor is hidden by one.
    const [start, end] = isAskedFor(signature.start)
      ? [0, 0]
      : [result.index, result.index + result[0].length];
    if (found.some((other) => start < other.end && other.start < end)) continue;
    found.push({ start, end, match: { signature, captures: capturesOf(result, names) } });
  }
  return found.map(({ match }) => match);
}

/** True for what somebody asked for, which says nothing of what came of it. */
export function isAskedFor(role: StartRole | undefined): boolean {
  return (
    role === "start-command" ||
    role === "other-command" ||
    role === "other-call" ||
    role === "other-user" ||
    role === "went-well"
  );
}

function capturesOf({ groups }: RegExpExecArray, names: readonly string[]): Readonly<Record<string, string>> {
  const captures: Record<string, string> = {};
  for (const name of names) {
    const value = groups?.[name];
    if (value !== undefined) captures[name] = value;
  }
  return captures;
}

function ruleOf(signature: Signature, number: number, fold: boolean): Rule {
  // The linear engine has no `i` flag, so case is folded on both sides instead.
  const source = fold ? foldPattern(signature.pattern) : signature.pattern;
  const names = [...source.matchAll(/\(\?<(\w+)>/g)].map(([, name = ""]) => name);
  return {
    number,
    signature,
    expression: new RegExp(source, "m"),
    names,
    literals: requiredLiterals(source),
  };
}

function ruleSet(rules: readonly Rule[]): RuleSet {
  const byWord = new Map<string, Rule[]>();
  const alwaysTried = rules.filter(({ literals }) => literals === undefined);
  for (const rule of rules) {
    for (const word of rule.literals ?? NOTHING) {
      const others = byWord.get(word);
      if (others === undefined) byWord.set(word, [rule]);
      else others.push(rule);
    }
  }
  const words = [...byWord.keys()];
  const rulesOfWord = [...byWord.values()].map((some) => inOrder([...some, ...alwaysTried]));
  return { rules, words, scanner: createLiteralScanner(words), rulesOfWord, alwaysTried };
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
