import type { CauseClass } from "../model/catalogue.ts";
import type { FactGroup, FactValue } from "../model/fact.ts";
import { familyOf } from "./fact-families.ts";
import { ABSENT_INDEX, type FactColumn, type FactTable, UNKNOWN_INDEX } from "./fact-table.ts";
import { isMechanism } from "./mechanisms.ts";
import type { Trial } from "./trials.ts";

/** How starts went with one value of a fact. */
export interface ValueCount {
  readonly value: FactValue;
  readonly good: number;
  readonly bad: number;
}

/** A fact on trial: how far its values separate good starts from failed ones. */
export interface FactRecord {
  readonly group: FactGroup;
  readonly key: string;
  readonly family: string;
  readonly counts: readonly ValueCount[];
  /** No value has both good and failed starts, and both are known. */
  readonly separates: boolean;
  /** Starts on the wrong side (good ones on a value that mostly fails, and the other way round). */
  readonly misplaced: number;
  /** Times that the outcome turned while the fact changed, and that it turned while the fact stayed. */
  readonly turnedWith: number;
  readonly turnedWithout: number;
  /** Times that the fact changed while the outcome stayed. */
  readonly changedAlone: number;
  /** Changes as a share of the times that it could have changed: 1 for a value that is never the same twice. */
  readonly restlessness: number;
  /** The fact went back to an earlier value and the outcome went back with it. */
  readonly reverted: boolean;
  /** Its values are the known mechanism of the failure. */
  readonly mechanism: boolean;
  /** For each trial which value it had, by order of appearance; -2 where unknown. Equal: always changed together. */
  readonly pattern: readonly number[];
}

/** Weighs each fact against the trials; facts that never changed between starts of known value are left out. */
export function weighFacts(
  trials: readonly Trial[],
  table: FactTable,
  places: readonly number[],
  failure: CauseClass | "unknown",
): readonly FactRecord[] {
  return table.columns
    .map((column) => weighFact(trials, places, table, column, failure))
    .filter((record) => record !== undefined);
}

function weighFact(
  trials: readonly Trial[],
  places: readonly number[],
  table: FactTable,
  column: FactColumn,
  failure: CauseClass | "unknown",
): FactRecord | undefined {
  // One place more, in front, for what is verifiably absent.
  const size = column.values.length + 1;
  const good = new Int32Array(size);
  const bad = new Int32Array(size);
  const order = new Int32Array(size).fill(-1);
  /** The last outcome with a value: 0 none yet, 1 good, 2 bad. */
  const lastOutcome = new Uint8Array(size);
  const pattern = new Array<number>(trials.length);
  const seen: number[] = [];
  let turnedWith = 0;
  let turnedWithout = 0;
  let changedAlone = 0;
  let reverted = false;
  let previous = UNKNOWN_INDEX;
  let transitions = 0;
  let wasGood = false;

  for (let position = 0; position < trials.length; position += 1) {
    const trial = trials[position];
    const place = places[position] ?? -1;
    const index = place < 0 ? UNKNOWN_INDEX : table.indexAt(column, place);
    if (trial === undefined || index === UNKNOWN_INDEX) {
      pattern[position] = UNKNOWN_INDEX;
      continue;
    }
    const slot = index + 1;
    if (order[slot] === -1) {
      order[slot] = seen.length;
      seen.push(index);
    }
    pattern[position] = order[slot] ?? 0;
    const side = trial.good ? good : bad;
    side[slot] = (side[slot] ?? 0) + trial.tally.count;
    if (previous !== UNKNOWN_INDEX) {
      const changed = previous !== index;
      transitions += 1;
      if (wasGood === trial.good) changedAlone += changed ? 1 : 0;
      else if (!changed) turnedWithout += 1;
      else {
        turnedWith += 1;
        if (lastOutcome[slot] === (trial.good ? 1 : 2)) reverted = true;
      }
    }
    lastOutcome[slot] = trial.good ? 1 : 2;
    previous = index;
    wasGood = trial.good;
  }
  if (seen.length < 2) return undefined;

  const counts = seen.map((index) => ({
    value: valueAt(column, index),
    good: good[index + 1] ?? 0,
    bad: bad[index + 1] ?? 0,
  }));
  const misplaced = counts.reduce((sum, count) => sum + Math.min(count.good, count.bad), 0);
  const bothSides = counts.some((count) => count.good > 0) && counts.some((count) => count.bad > 0);
  return {
    group: column.group,
    key: column.key,
    family: familyOf(column.group, column.key),
    counts,
    separates: misplaced === 0 && bothSides,
    misplaced,
    turnedWith,
    turnedWithout,
    changedAlone,
    restlessness: (turnedWith + changedAlone) / Math.max(1, transitions),
    reverted,
    mechanism: isMechanism(failure, column.key, counts),
    pattern,
  };
}

function valueAt(column: FactColumn, index: number): FactValue {
  return index === ABSENT_INDEX ? { state: "absent" } : (column.values[index] ?? { state: "absent" });
}
