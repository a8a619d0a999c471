import type { CauseClass } from "../model/catalogue.ts";
import { type FactTable, UNKNOWN_INDEX } from "./fact-table.ts";
import { type SuspectSet, strengthOfProof, suspectSets } from "./suspects.ts";
import {
  chanceOfSeparation,
  countSides,
  failureInQuestion,
  type StartTally,
  type Trial,
  trialsOf,
} from "./trials.ts";
import { type FactRecord, weighFacts } from "./weigh-facts.ts";

/**
 * - `confirmed`: the suspect's values divide all good starts from all failed ones, and it was changed back and
 *   the outcome went back with it. Either the failure's known mechanism came and went with it, or nothing else
 *   divides them and chance is below 1 in 20.
 * - `likely`: it divides them, and either the mechanism came with it, or chance is below 1 in 20 and nothing
 *   that did as much does so too.
 * - `possible`: it divides them, but rivals do too, or there are too few starts to exclude chance; or it divides
 *   nearly all of them, with a few on the wrong side.
 * - `unknown`: no change explains the failures, or there is nothing to compare.
 */
export type BlameCertainty = "confirmed" | "likely" | "possible" | "unknown";

/** Why the answer is `unknown`. */
export type UnknownReason =
  | "no-starts"
  | "no-failure"
  | "no-good-start"
  | "comes-and-goes"
  | "nothing-changed"
  | "facts-missing";

export interface Boundary {
  readonly lastGood: StartTally;
  readonly firstBad: StartTally;
}

export interface Blame {
  readonly failure: CauseClass | "unknown" | undefined;
  readonly certainty: BlameCertainty;
  readonly reason: UnknownReason | undefined;
  /** Strongest first. The first set is the answer; several suspects in it cannot be told apart. */
  readonly sets: readonly SuspectSet[];
  /** Facts that changed at the boundary and are cleared, because starts went both ways with one value. */
  readonly cleared: readonly FactRecord[];
  /** Around the newest turn from good to bad. */
  readonly boundary: Boundary | undefined;
  /** The VM works again: good starts followed the last failure. */
  readonly healed: boolean;
  readonly good: number;
  readonly bad: number;
  /** Chance that failures striking boots at random would divide like this. */
  readonly chance: number;
  readonly trials: readonly Trial[];
}

/** Below this, coincidence is not the better explanation. */
const CHANCE_LIMIT = 0.05;
/** A fact with more than this share of the rarer outcome on the wrong side explains nothing. */
const MOST_MISPLACED = 0.1;
/** Nearly dividing is not dividing: it takes many boots to believe it at all. */
const NEARLY_CHANCE = 0.001;

/**
 * Says which change broke the starts of one VM (or of the VMs that share a device). Pure: `tallies` are its starts
 * in order, `table` the facts that can matter for it, `placeOf` gives the place in the table of a snapshot.
 */
export function findBlame(
  tallies: readonly StartTally[],
  table: FactTable,
  placeOf: ReadonlyMap<string, number>,
): Blame {
  const failure = failureInQuestion(tallies);
  if (failure === undefined) return nothing(tallies, tallies.length === 0 ? "no-starts" : "no-failure");
  const trials = trialsOf(tallies, failure);
  const { good, bad } = countSides(trials);
  const boundary = newestBoundary(trials);
  const chance = chanceOfSeparation(trials);
  const healed = trials.at(-1)?.good === true;
  const common = { failure, boundary, healed, good, bad, chance, trials };
  if (good === 0) return { ...common, certainty: "unknown", reason: "no-good-start", sets: [], cleared: [] };

  const places = trials.map(({ tally }) =>
    tally.snapshotId === undefined ? -1 : (placeOf.get(tally.snapshotId) ?? -1),
  );
  const atBoundary = changedAt(boundary, table, placeOf);
  const mostMisplaced = MOST_MISPLACED * Math.min(good, bad);
  const records = weighFacts({
    trials,
    table,
    places,
    failure,
    mostMisplaced,
    always: atBoundary,
  });
  const cleared = records.filter((record) => !record.separates && atBoundary.has(record.key));
  const sets = suspectSets(records.filter((record) => record.separates));
  const [first, ...others] = sets;
  if (first !== undefined) {
    return { ...common, certainty: certaintyOf(first, others, chance), reason: undefined, sets, cleared };
  }
  const nearly =
    chance < NEARLY_CHANCE
      ? suspectSets(records.filter((record) => nearlyDivides(record, mostMisplaced)))
      : [];
  if (nearly.length > 0)
    return { ...common, certainty: "possible", reason: undefined, sets: nearly, cleared };
  return {
    ...common,
    certainty: "unknown",
    reason: whyNone(trials, places),
    sets: [],
    cleared,
  };
}

function nothing(tallies: readonly StartTally[], reason: UnknownReason): Blame {
  const good = tallies.reduce((sum, tally) => sum + (tally.outcome === "started" ? tally.count : 0), 0);
  return {
    failure: undefined,
    certainty: "unknown",
    reason,
    sets: [],
    cleared: [],
    boundary: undefined,
    healed: true,
    good,
    bad: 0,
    chance: 1,
    trials: [],
  };
}

function certaintyOf(first: SuspectSet, others: readonly SuspectSet[], chance: number): BlameCertainty {
  if (first.proof.length > 0) return certaintyWithProof(first, others);
  if (first.suspects.length > 1 || chance >= CHANCE_LIMIT) return "possible";
  if (first.reverted) {
    // Whatever else divides good from failed may have healed it too, even if it did not go back.
    if (others.length === 0) return "confirmed";
    return others.some((other) => other.reverted) ? "possible" : "likely";
  }
  return first.restless || others.some((other) => !other.restless) ? "possible" : "likely";
}

/** The mechanism came with it, so chance is out; only another set that brought as much of it is a rival. */
function certaintyWithProof(first: SuspectSet, others: readonly SuspectSet[]): BlameCertainty {
  const rivals = others.filter(
    (other) =>
      strengthOfProof(other) >= strengthOfProof(first) &&
      (other.reverted === first.reverted || other.reverted),
  );
  if (rivals.length > 0 || first.suspects.length > 1) return "possible";
  return first.reverted ? "confirmed" : "likely";
}

function nearlyDivides(record: FactRecord, mostMisplaced: number): boolean {
  return record.turnedWith > 0 && record.misplaced <= mostMisplaced;
}

/** The newest turn from good to bad among these starts. */
export function boundaryOf(tallies: readonly StartTally[]): Boundary | undefined {
  const failure = failureInQuestion(tallies);
  return failure === undefined ? undefined : newestBoundary(trialsOf(tallies, failure));
}

function newestBoundary(trials: readonly Trial[]): Boundary | undefined {
  for (let index = trials.length - 1; index > 0; index -= 1) {
    const before = trials[index - 1];
    const after = trials[index];
    if (before?.good === true && after?.good === false)
      return { lastGood: before.tally, firstBad: after.tally };
  }
  return undefined;
}

/** Why no change explains the failures. */
function whyNone(trials: readonly Trial[], places: readonly number[]): UnknownReason {
  const known = trials.filter((_trial, position) => (places[position] ?? -1) >= 0);
  if (!known.some((trial) => trial.good) || !known.some((trial) => !trial.good)) return "facts-missing";
  const turns = trials.filter((trial, index) => index > 0 && trials[index - 1]?.good !== trial.good).length;
  return turns < 2 ? "nothing-changed" : "comes-and-goes";
}

/** Keys of the facts that changed between the last good and the first bad start. */
function changedAt(
  boundary: Boundary | undefined,
  table: FactTable,
  placeOf: ReadonlyMap<string, number>,
): ReadonlySet<string> {
  const before = placeOf.get(boundary?.lastGood.snapshotId ?? "");
  const after = placeOf.get(boundary?.firstBad.snapshotId ?? "");
  const changed = new Set<string>();
  if (before === undefined || after === undefined) return changed;
  for (const column of table.columns) {
    const [was, is] = [table.indexAt(column, before), table.indexAt(column, after)];
    if (was !== is && was !== UNKNOWN_INDEX && is !== UNKNOWN_INDEX) changed.add(column.key);
  }
  return changed;
}
