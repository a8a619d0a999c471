import type { CauseClass } from "../model/catalogue.ts";
import {
  type Boundary,
  boundaryOfFact,
  changedAt,
  failsMostly,
  goodAfter,
  newestBoundary,
} from "./boundary.ts";
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
 *   divides them, it failed in more than one boot, and chance is below 1 in 20.
 * - `likely`: it divides them, and either the mechanism came with it, or chance is below 1 in 20 and nothing
 *   that did as much does so too.
 * - `possible`: it divides them, but rivals do too, or there are too few starts to exclude chance; or it divides
 *   nearly all of them, with a few on the wrong side; or the device was in use, which no change need explain.
 * - `unknown`: no change explains the failures, or there is nothing to compare.
 *
 * Only starts at which the suspect's value is known count for its chance.
 */
export type BlameCertainty = "confirmed" | "likely" | "possible" | "unknown";

/** Why the answer is `unknown`. */
export type UnknownReason =
  | "no-starts"
  | "no-failure"
  | "no-good-start"
  | "comes-and-goes"
  | "nothing-changed"
  | "in-use"
  | "facts-missing";

export interface Blame {
  readonly failure: CauseClass | "unknown" | undefined;
  readonly certainty: BlameCertainty;
  readonly reason: UnknownReason | undefined;
  /** Strongest first. The first set is the answer; several suspects in it cannot be told apart. */
  readonly sets: readonly SuspectSet[];
  /** Facts that changed at the boundary and are cleared, because starts went both ways with one value. */
  readonly cleared: readonly FactRecord[];
  /** Around the newest turn from good to bad at which the suspect changed; without one, the newest at all. */
  readonly boundary: Boundary | undefined;
  /** The VM works again: good starts followed the last failure. */
  readonly healed: boolean;
  /** The good start after the last failure, or after the last failure that the suspect explains. */
  readonly healedBy: StartTally | undefined;
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
  const newest = newestBoundary(trials);
  const healed = trials.at(-1)?.good === true;
  const healedBy = goodAfter(trials, (trial) => !trial.good);
  const chance = chanceOfSeparation(trials);
  const common = { failure, boundary: newest, healed, healedBy, good, bad, chance, trials };
  if (good === 0) return { ...common, certainty: "unknown", reason: "no-good-start", sets: [], cleared: [] };

  const places = trials.map(({ tally }) =>
    tally.snapshotId === undefined ? -1 : (placeOf.get(tally.snapshotId) ?? -1),
  );
  const mostMisplaced = MOST_MISPLACED * Math.min(good, bad);
  const weighed = { trials, places, failure, mostMisplaced };
  const records = weighFacts({ ...weighed, table, always: new Set() }).filter((record) =>
    canCause(record, failure),
  );
  const dividing = suspectSets(records.filter((record) => record.separates));
  const nearly =
    dividing.length === 0 && chance < NEARLY_CHANCE
      ? suspectSets(records.filter((record) => nearlyDivides(record, mostMisplaced)))
      : [];
  const sets = dividing.length > 0 ? dividing : nearly;
  const [first, ...others] = sets;
  const lead = first?.suspects[0]?.facts[0];
  const boundary = (lead === undefined ? undefined : boundaryOfFact(trials, lead)) ?? newest;
  const atBoundary = changedAt(boundary, table, placeOf);
  const there = table.columns.filter(({ key }) => atBoundary.has(key));
  const cleared = weighFacts({ ...weighed, table: { ...table, columns: there }, always: atBoundary }).filter(
    (record) => !record.separates,
  );
  if (first === undefined || lead === undefined) {
    const reason = failure === "device-busy" ? "in-use" : whyNone(trials, places);
    return { ...common, certainty: "unknown", reason, sets: [], cleared };
  }
  const known = trials.filter((_trial, position) => lead.pattern[position] !== UNKNOWN_INDEX);
  return {
    ...common,
    certainty:
      nearly.length > 0 || failure === "device-busy" ? "possible" : certaintyOf(first, others, known),
    reason: undefined,
    sets,
    cleared,
    boundary,
    healedBy: goodAfter(trials, (trial, position) => !trial.good && failsMostly(lead, position)),
    chance: chanceOfSeparation(known),
  };
}

/** What another VM or a driver holds is in use whatever the firmware and the hardware are. */
function canCause(record: FactRecord, failure: CauseClass | "unknown"): boolean {
  return failure !== "device-busy" || !/^(?:firmware|firmware-tables|iommu|hardware)$/.test(record.group);
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
    healedBy: undefined,
    good,
    bad: 0,
    chance: 1,
    trials: [],
  };
}

/** `known`: the trials at which the first set's value is known. */
function certaintyOf(
  first: SuspectSet,
  others: readonly SuspectSet[],
  known: readonly Trial[],
): BlameCertainty {
  if (first.proof.length > 0) return certaintyWithProof(first, others);
  if (first.suspects.length > 1 || chanceOfSeparation(known) >= CHANCE_LIMIT) return "possible";
  if (first.reverted) {
    // Whatever else divides good from failed may have healed it too, even if it did not go back. And what befell a
    // single boot may have passed by itself: a card that hung until the power went off looks just like it.
    if (others.length === 0) return failedBoots(known) > 1 ? "confirmed" : "likely";
    return others.some((other) => other.reverted) ? "possible" : "likely";
  }
  return first.restless || others.some((other) => !other.restless) ? "possible" : "likely";
}

function failedBoots(trials: readonly Trial[]): number {
  return new Set(trials.flatMap(({ good, tally }) => (good ? [] : [tally.bootId ?? tally.firstNumber]))).size;
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

/** Why no change explains the failures. */
function whyNone(trials: readonly Trial[], places: readonly number[]): UnknownReason {
  const known = trials.filter((_trial, position) => (places[position] ?? -1) >= 0);
  if (!known.some((trial) => trial.good) || !known.some((trial) => !trial.good)) return "facts-missing";
  const turns = trials.filter((trial, index) => index > 0 && trials[index - 1]?.good !== trial.good).length;
  return turns < 2 ? "nothing-changed" : "comes-and-goes";
}
