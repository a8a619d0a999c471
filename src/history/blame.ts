import type { CauseClass } from "../model/catalogue.ts";
import { type FactColumn, type FactRecord, type SuspectSet, suspectSets, weighFacts } from "./suspects.ts";
import {
  chanceOfSeparation,
  countSides,
  failureInQuestion,
  type StartTally,
  type Trial,
  trialsOf,
} from "./trials.ts";

/**
 * - `confirmed`: the suspect's values divide all good starts from all failed ones, and it was changed back and
 *   the outcome went back with it. Either the failure's known mechanism came and went with it, or nothing else
 *   divides them and chance is below 1 in 20.
 * - `likely`: it divides them, and either the mechanism came with it, or chance is below 1 in 20 and nothing
 *   that did as much does so too.
 * - `possible`: it divides them, but rivals do too, or there are too few starts to exclude chance.
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
/** With more than this share of starts on the wrong side no fact explains a failure that comes and goes. */
const MOSTLY_SEPARATED = 0.15;

/**
 * Says which change broke the starts of one VM (or of the VMs that share a device). Pure: `tallies` are its
 * starts, `columns` the facts that differ between the snapshots named by `snapshotIndex`.
 */
export function findBlame(
  tallies: readonly StartTally[],
  columns: readonly FactColumn[],
  snapshotIndex: ReadonlyMap<string, number>,
): Blame {
  const failure = failureInQuestion(tallies);
  if (failure === undefined) return nothing(tallies, tallies.length === 0 ? "no-starts" : "no-failure");
  const trials = trialsOf(tallies, failure);
  const { good, bad } = countSides(trials);
  const boundary = newestBoundary(trials);
  const common = {
    failure,
    boundary,
    healed: trials.at(-1)?.good === true,
    good,
    bad,
    chance: chanceOfSeparation(trials),
    trials,
  };
  const records = weighFacts(trials, columns, snapshotIndex, failure);
  const sets = suspectSets(records);
  const cleared = clearedAt(records, boundary, snapshotIndex, columns);
  if (good === 0) return { ...common, certainty: "unknown", reason: "no-good-start", sets: [], cleared: [] };
  const [first, ...others] = sets;
  if (first === undefined) {
    return {
      ...common,
      certainty: "unknown",
      reason: whyNone(trials, records, snapshotIndex),
      sets: [],
      cleared,
    };
  }
  return {
    ...common,
    certainty: certaintyOf(first, others, common.chance),
    reason: undefined,
    sets,
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
  // What mostly changed without any effect is no rival of what changed with the outcome only.
  return others.some((other) => other.changedAlone <= other.turnedWith) ? "possible" : "likely";
}

/** The mechanism came with it, so chance is out; only another set that brought the mechanism is a rival. */
function certaintyWithProof(first: SuspectSet, others: readonly SuspectSet[]): BlameCertainty {
  const rivals = others.filter((other) => other.proof.length > 0 && other.reverted === first.reverted);
  const writers = first.suspects.filter(({ family }) => /^BIOS/.test(family)).length;
  const alone = first.suspects.length === 1 || writers === 1;
  if (rivals.length > 0 || !alone) return "possible";
  return first.reverted ? "confirmed" : "likely";
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
function whyNone(
  trials: readonly Trial[],
  records: readonly FactRecord[],
  snapshotIndex: ReadonlyMap<string, number>,
): UnknownReason {
  const known = trials.filter(
    ({ tally }) => tally.snapshotId !== undefined && snapshotIndex.has(tally.snapshotId),
  );
  if (!known.some((trial) => trial.good) || !known.some((trial) => !trial.good)) return "facts-missing";
  const turns = trials.filter((trial, index) => index > 0 && trials[index - 1]?.good !== trial.good).length;
  const nearly = records.some((record) => record.mixed <= MOSTLY_SEPARATED && record.turnedWith > 0);
  return turns >= 2 && !nearly
    ? "comes-and-goes"
    : records.length === 0
      ? "nothing-changed"
      : "comes-and-goes";
}

/** What changed at the boundary and yet is not to blame: starts went well and badly with one of its values. */
function clearedAt(
  records: readonly FactRecord[],
  boundary: Boundary | undefined,
  snapshotIndex: ReadonlyMap<string, number>,
  columns: readonly FactColumn[],
): readonly FactRecord[] {
  const before = snapshotIndex.get(boundary?.lastGood.snapshotId ?? "");
  const after = snapshotIndex.get(boundary?.firstBad.snapshotId ?? "");
  if (before === undefined || after === undefined) return [];
  const changed = new Set(
    columns.filter(({ indexes }) => indexes[before] !== indexes[after]).map((column) => column.key),
  );
  return records.filter((record) => !record.separates && changed.has(record.key));
}
