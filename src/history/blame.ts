import {
  type BlameCertainty,
  certaintyOf,
  POSSIBLE,
  type Rivals,
  type UnknownReason,
  whyNone,
} from "./blame-certainty.ts";
import { LAWFUL, ORDINARY, type Weighed, weigh } from "./blame-model.ts";
import { priorsFor } from "./blame-priors.ts";
import { type Boundary, boundaryOf, goodAfter, newestBoundary } from "./boundary.ts";
import { type DirectView, outcomesOf, viewOfDirect, withKernelsPart } from "./direct-refusals.ts";
import type { FactTable } from "./fact-table.ts";
import type { KnobColumn } from "./knob-column.ts";
import { knobColumns } from "./knob-columns.ts";
import type { Subject } from "./subject.ts";
import { factOf, type SuspectFact, type SuspectSet, suspectSets } from "./suspects.ts";
import {
  chanceOfSeparation,
  countSides,
  type FailureClass,
  type Fault,
  failedBoots,
  isFailure,
  type StartTally,
  type Trial,
} from "./trials.ts";

/** The answer for one fault. */
export interface Blame {
  readonly failure: FailureClass | undefined;
  /** All classes that the fault shows itself as. */
  readonly classes: readonly FailureClass[];
  readonly certainty: BlameCertainty;
  readonly reason: UnknownReason | undefined;
  /** Likeliest first. The first set is the answer; several suspects in it cannot be told apart. */
  readonly sets: readonly SuspectSet[];
  readonly rivals: Rivals;
  /** Facts that changed at the boundary and did not do it: starts went both ways with one of their values. */
  readonly cleared: readonly SuspectFact[];
  /** Around the newest turn from good to bad at which the suspect changed; without one, the newest at all. */
  readonly boundary: Boundary | undefined;
  /** The VM works again: good starts followed the last failure. */
  readonly healed: boolean;
  /** The good start after the last failure that the suspect explains. */
  readonly healedBy: StartTally | undefined;
  readonly good: number;
  readonly bad: number;
  /** The chance that failures which strike boots at random would fall just on one side of a division. */
  readonly chance: number;
  /** The chance of every fact to be what did it, by key: what changed is told in this order. */
  readonly chances: ReadonlyMap<string, number>;
  readonly trials: readonly Trial[];
}

export interface BlameInput {
  /** Starts of one VM, or of the VMs that share a device, in order. */
  readonly tallies: readonly StartTally[];
  /** What `findFaults` made of them. */
  readonly faults: readonly Fault[];
  /** The facts that can matter for it. */
  readonly table: FactTable;
  /** The place in the table of a snapshot. */
  readonly placeOf: ReadonlyMap<string, number>;
  readonly subject: Subject;
}

/** Says for each fault which change broke the starts, the one that is asked about first. */
export function findBlames(input: BlameInput): readonly [Blame, ...Blame[]] {
  const { tallies, faults } = input;
  const [first, ...others] = faults
    .map((fault) => blameOf(fault, input))
    .reverse()
    .sort((a, b) => weightOf(b) - weightOf(a));
  return first === undefined ? [nothing(tallies)] : [first, ...others];
}

const STRAY_BOOTS = 3;

/**
 * What is proven stays the answer when something else fails later, unless that fails again and again while the proven
 * one is over.
 */
function weightOf(blame: Blame): number {
  const isProven = blame.certainty === "confirmed" || blame.certainty === "likely";
  const isUrgent = !blame.healed && failedBoots(blame.trials) >= STRAY_BOOTS;
  const isNamed = blame.certainty === "possible";
  return (isProven ? (blame.healed ? 3 : 8) : 0) + (isUrgent ? 4 : 0) + (isNamed ? 2 : 0);
}

function nothing(tallies: readonly StartTally[]): Blame {
  const failures = tallies.filter(isFailure);
  const newest = failures.findLast(({ cause }) => cause !== "device-busy") ?? failures.at(-1);
  const sum = (own: readonly StartTally[]) => own.reduce((total, { count }) => total + count, 0);
  const isBusy = failures.length > 0 && failures.every(({ cause }) => cause === "device-busy");
  return {
    failure: newest?.cause,
    classes: newest?.cause === undefined ? [] : [newest.cause],
    certainty: "unknown",
    reason:
      tallies.length === 0
        ? "no-starts"
        : newest === undefined
          ? "no-failure"
          : isBusy
            ? "in-use"
            : "not-passthrough",
    sets: [],
    rivals: { hidden: 0, flaky: 0, number: 0 },
    cleared: [],
    boundary: undefined,
    healed: tallies.at(-1) === undefined || !isFailure(tallies.at(-1) as StartTally),
    healedBy: undefined,
    good: sum(tallies.filter(({ outcome }) => outcome === "started")),
    bad: sum(failures),
    chance: 1,
    chances: new Map(),
    trials: [],
  };
}

function blameOf({ failure, classes, trials }: Fault, { table, placeOf, subject }: BlameInput): Blame {
  const { good, bad } = countSides(trials);
  const newest = newestBoundary(trials);
  const common = {
    failure,
    classes: [...classes],
    boundary: newest,
    healed: trials.every(({ good }, at) => good || !isLastOfHost(trials, at)),
    healedBy: goodAfter(trials, (trial) => !trial.good),
    good,
    bad,
    rivals: { hidden: 0, flaky: 0, number: 0 },
    cleared: [],
    chance: chanceOfSeparation(trials),
    chances: new Map<string, number>(),
    trials,
  };
  if (good === 0) return { ...common, certainty: "unknown", reason: "no-good-start", sets: [] };
  const view =
    failure === "iommu-direct-mapping-required" ? viewOfDirect(trials, table, placeOf, subject) : undefined;
  const columns = knobColumns(trials, outcomesOf(trials, view), table, placeOf, subject);
  const weighed = weighFault(failure, trials, columns, view);
  const seen = suspectSets(weighed, columns, trials, failure);
  const sets = view === undefined ? seen : withKernelsPart(seen, view, weighed, columns, trials);
  const [first] = sets;
  const chanceOf = (kind: Weighed["kind"]) => weighed.find((one) => one.kind === kind)?.probability ?? 0;
  const rivals = { hidden: chanceOf("hidden"), flaky: chanceOf("flaky"), number: chanceOf("number") };
  const chances = chancesOf(weighed, columns);
  const boundary = (first === undefined ? undefined : boundaryOf(trials, first)) ?? newest;
  const lead = first?.suspects[0]?.facts[0];
  const named = new Set(
    sets.flatMap((set) =>
      [...set.suspects, ...set.besides].flatMap(({ facts }) => facts.map(({ key }) => key)),
    ),
  );
  const isExplained = (trial: Trial, at: number) =>
    !trial.good && (lead === undefined || lead.broken[lead.pattern[at] ?? -1] === true);
  const told = {
    ...common,
    healedBy: goodAfter(trials, isExplained),
    rivals,
    chances,
    boundary,
    cleared: clearedFacts(weighed, columns, trials, boundary, failure).filter(({ key }) => !named.has(key)),
  };
  if (first === undefined || first.probability < POSSIBLE)
    return { ...told, certainty: "unknown", reason: whyNone(trials, placeOf, rivals), sets };
  return {
    ...told,
    certainty: certaintyOf(first, failure, trials, view !== undefined),
    reason: undefined,
    sets,
  };
}

function weighFault(
  failure: FailureClass,
  trials: readonly Trial[],
  columns: readonly KnobColumn[],
  view: DirectView | undefined,
): readonly Weighed[] {
  const priors = priorsFor(failure);
  return weigh({
    trials: view?.trials ?? trials,
    knobs: columns.map(({ kind, pattern, safe }) => ({
      odds: priors.of(kind),
      values:
        view === undefined || view.places.length === pattern.length
          ? pattern
          : view.places.map((at) => pattern[at] ?? -1),
      ...(safe !== undefined && { safe }),
    })),
    ...(view === undefined ? ORDINARY : LAWFUL),
    ...(view?.crossed === true && { always: priors.always }),
    hidden: priors.hidden,
    flaky: priors.flaky,
    number: priors.number,
    pair: priors.pair,
  });
}

function isLastOfHost(trials: readonly Trial[], at: number): boolean {
  return at === trials.length - 1 || trials[at + 1]?.block !== trials[at]?.block;
}

/** The chance of each fact, the greatest of all that speak of it. */
function chancesOf(weighed: readonly Weighed[], columns: readonly KnobColumn[]): ReadonlyMap<string, number> {
  const chances = new Map<string, number>();
  for (const one of weighed) {
    const knobs = one.kind === "knob" ? [one.knob] : one.kind === "pair" ? one.knobs : [];
    for (const knob of knobs) {
      for (const key of columns[knob]?.parts ?? [])
        chances.set(key, (chances.get(key) ?? 0) + one.probability);
    }
  }
  return chances;
}

const CLEARED = 0.01;

/** Facts that changed at the boundary and that the starts clear: one of their values both worked and failed. */
function clearedFacts(
  weighed: readonly Weighed[],
  columns: readonly KnobColumn[],
  trials: readonly Trial[],
  boundary: Boundary | undefined,
  failure: FailureClass,
): readonly SuspectFact[] {
  const before = trials.findIndex(({ tally }) => tally === boundary?.lastGood);
  const after = trials.findIndex(({ tally }) => tally === boundary?.firstBad);
  const suspected = new Set(
    weighed.flatMap((one) => (one.kind === "knob" && one.probability >= CLEARED ? [one.knob] : [])),
  );
  return columns.flatMap((column, knob): readonly SuspectFact[] => {
    const [was, is] = [column.pattern[before] ?? -1, column.pattern[after] ?? -1];
    if (suspected.has(knob) || was < 0 || is < 0 || was === is) return [];
    const fact = factOf(column, [], trials, failure);
    return fact.counts.some(({ good, bad }) => good > 0 && bad > 0) ? [fact] : [];
  });
}
