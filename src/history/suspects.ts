import type { KnobKind } from "../facts/kind.ts";
import { rootRank } from "../facts/vocabulary.ts";
import type { FactGroup, FactValue } from "../model/fact.ts";
import { isMechanism } from "./blame-laws.ts";
import type { Weighed } from "./blame-model.ts";
import type { KnobColumn } from "./knob-column.ts";
import { followsFrom } from "./knob-kinds.ts";
import { type Course, courseOf } from "./suspect-course.ts";
import type { FailureClass, Trial } from "./trials.ts";

/** How starts went with one value of a fact. */
export interface ValueCount {
  readonly value: FactValue;
  readonly good: number;
  readonly bad: number;
}

/** A fact of a suspect, with how the starts went with each of its values. */
export interface SuspectFact {
  readonly group: FactGroup;
  readonly key: string;
  /** Keys of the facts that it is made of. */
  readonly parts: readonly string[];
  readonly counts: readonly ValueCount[];
  /** For each trial which of the counted values it had; -1 where that is not known or plays no part. */
  readonly pattern: readonly number[];
  /** For each counted value whether it is a broken one. */
  readonly broken: readonly boolean[];
  /** Its values are the known mechanism of the failure. */
  readonly mechanism: boolean;
}

/** What a person would name with one word. */
export interface Suspect {
  readonly family: string;
  readonly kind: KnobKind;
  readonly facts: readonly SuspectFact[];
  readonly probability: number;
}

/** Suspects that the history cannot tell apart, or that break it only together. */
export interface SuspectSet extends Course {
  readonly suspects: readonly Suspect[];
  /** Neither alone breaks it; either one back heals. */
  readonly together: boolean;
  /** Changed with them and are improbable by themselves. */
  readonly besides: readonly Suspect[];
  /** Facts of the failure's known mechanism that came and went with it. */
  readonly proof: readonly SuspectFact[];
  readonly probability: number;
}

interface Candidate {
  readonly column: KnobColumn;
  readonly fact: SuspectFact;
  /** For each trial: 1 on a broken value, 0 on a sound one, -1 not known. */
  readonly labels: Int8Array;
  readonly probability: number;
}

/** Below this a suspect is not spoken of. */
const WORTH_NAMING = 0.02;
const NEGLIGIBLE = 1e-4;
/** Of what cannot be told apart, those are named that have this share of the likeliest one's probability. */
const SHARE = 0.12;
const MOST_SETS = 6;

/** The sets of suspects among the hypotheses, the likeliest first. */
export function suspectSets(
  weighed: readonly Weighed[],
  columns: readonly KnobColumn[],
  trials: readonly Trial[],
  failure: FailureClass,
): readonly SuspectSet[] {
  const candidates = weighed.flatMap((one): readonly Candidate[] => {
    const column = one.kind === "knob" ? columns[one.knob] : undefined;
    return column === undefined || one.kind !== "knob" || one.probability < NEGLIGIBLE
      ? []
      : [candidateOf(column, one.broken, one.probability, trials, failure)];
  });
  const pairs = weighed.flatMap((one): readonly SuspectSet[] => {
    if (one.kind !== "pair" || one.probability < WORTH_NAMING) return [];
    const both = one.knobs.flatMap((knob, side) => {
      const column = columns[knob];
      if (column === undefined) return [];
      const broken = column.values.map((_value, value) => (value === one.values[side] ? 1 : 0));
      return [candidateOf(column, broken, one.probability, trials, failure)];
    });
    return [pairSet(both, one.probability, trials)];
  });
  const sets: SuspectSet[] = [];
  const left = new Set(candidates);
  for (const lead of left) {
    const alike = [...left].filter((other) => other === lead || sameLabels(lead.labels, other.labels));
    for (const one of alike) left.delete(one);
    sets.push(toSet(alike, trials));
  }
  return [...sets, ...pairs]
    .filter(({ probability }) => probability >= WORTH_NAMING)
    .sort((a, b) => b.probability - a.probability)
    .slice(0, MOST_SETS);
}

function candidateOf(
  column: KnobColumn,
  broken: readonly number[],
  probability: number,
  trials: readonly Trial[],
  failure: FailureClass,
): Candidate {
  const fact = factOf(column, broken, trials, failure);
  const labels = Int8Array.from(column.pattern, (value) =>
    value < 0 ? -1 : (broken[value] ?? 0) > 0.5 ? 1 : 0,
  );
  return { column, fact, labels, probability };
}

/** The fact with its counts, as it is told; `broken` gives for each value the chance that it is a broken one. */
export function factOf(
  { group, key, parts, values, pattern, safe }: KnobColumn,
  broken: readonly number[],
  trials: readonly Trial[],
  failure: FailureClass,
): SuspectFact {
  const sums = values.map((value) => ({ value, good: 0, bad: 0 }));
  for (const [at, { good, tally }] of trials.entries()) {
    const sum = sums[pattern[at] ?? -1];
    if (sum === undefined) continue;
    if (good) sum.good += tally.count;
    else sum.bad += tally.count;
  }
  const told = sums.map((_sum, value) => value).filter((value) => value !== safe);
  const counts = told.flatMap((value) => sums[value] ?? []);
  return {
    group,
    key,
    parts,
    counts,
    pattern: Array.from(pattern, (value) =>
      safe === undefined || value < safe ? value : value === safe ? -1 : value - 1,
    ),
    broken: told.map((value) => (broken[value] ?? 0) > 0.5),
    mechanism: isMechanism(failure, key, counts),
  };
}

/** Whether two knobs divide the trials alike wherever both are known. */
function sameLabels(one: Int8Array, other: Int8Array): boolean {
  let [sound, broken] = [false, false];
  for (let at = 0; at < one.length; at += 1) {
    const [own, theirs] = [one[at] ?? -1, other[at] ?? -1];
    if (own < 0 || theirs < 0) continue;
    if (own !== theirs) return false;
    if (own === 1) broken = true;
    else sound = true;
  }
  return sound && broken;
}

function toSet(alike: readonly Candidate[], trials: readonly Trial[]): SuspectSet {
  const probability = alike.reduce((sum, one) => sum + one.probability, 0);
  const kinds = new Set(alike.map(({ column }) => column.kind));
  const follows = alike.filter(({ column: { kind } }) => followsFrom(kind, kinds));
  const roots = alike.filter((one) => !follows.includes(one));
  const byFamily = [...Map.groupBy(roots, ({ column }) => column.family).values()]
    .map(suspectOf)
    .sort((a, b) => b.probability - a.probability || rootRank(a.family) - rootRank(b.family));
  const [likeliest] = byFamily;
  const named = byFamily.filter(({ probability: own }) => own >= SHARE * (likeliest?.probability ?? 0));
  const lead = roots.find(({ column }) => column.family === likeliest?.family) ?? alike[0];
  if (lead === undefined) throw new Error("a set without a suspect");
  return {
    suspects: named,
    together: false,
    besides: byFamily.filter((suspect) => !named.includes(suspect)),
    proof: alike.flatMap(({ fact }) => (fact.mechanism ? [fact] : [])),
    ...courseOf(lead.labels, lead.column.pattern, trials),
    probability,
  };
}

function pairSet(both: readonly Candidate[], probability: number, trials: readonly Trial[]): SuspectSet {
  return together(
    both.map((one) => suspectOf([one])),
    both.flatMap(({ fact }) => (fact.mechanism ? [fact] : [])),
    probability,
    trials,
  );
}

/** A set of what a law names: `isBroken` says of which trials it was in the state that fails. */
export function lawfulSet(
  column: KnobColumn,
  isBroken: (at: number) => boolean | undefined,
  trials: readonly Trial[],
  probability: number,
): SuspectSet | undefined {
  const broken = column.values.map((_value, value) =>
    column.pattern.some((own, at) => own === value && isBroken(at) === true) ? 1 : 0,
  );
  if (!broken.includes(1) || !broken.includes(0)) return undefined;
  const candidate = candidateOf(column, broken, probability, trials, "unknown");
  return toSet([candidate], trials);
}

/** Two sets of which neither alone does it. */
export function joinSets(one: SuspectSet, other: SuspectSet, trials: readonly Trial[]): SuspectSet {
  const set = together(
    [...one.suspects, ...other.suspects],
    [...one.proof, ...other.proof],
    one.probability,
    trials,
  );
  return {
    ...set,
    besides: one.besides.filter(({ family }) => !set.suspects.some((own) => own.family === family)),
  };
}

/** It fails where each of them has a broken value; with either one back it works again. */
function together(
  suspects: readonly Suspect[],
  proof: readonly SuspectFact[],
  probability: number,
  trials: readonly Trial[],
): SuspectSet {
  const facts = suspects.flatMap(({ facts: own }) => own.slice(0, 1));
  const labels = Int8Array.from(trials, (_trial, at) => {
    const own = facts.map(({ pattern, broken }) => broken[pattern[at] ?? -1]);
    return own.includes(false) ? 0 : own.includes(undefined) ? -1 : 1;
  });
  return {
    suspects,
    together: true,
    besides: [],
    proof,
    ...courseOf(labels, undefined, trials),
    probability,
  };
}

function suspectOf(own: readonly Candidate[]): Suspect {
  const [first] = own;
  if (first === undefined) throw new Error("a suspect without a fact");
  return {
    family: first.column.family,
    kind: first.column.kind,
    facts: own.map(({ fact }) => fact),
    probability: own.reduce((sum, one) => sum + one.probability, 0),
  };
}
