import type { CauseClass } from "../model/catalogue.ts";
import type { FactGroup, FactValue } from "../model/fact.ts";
import { familyOf } from "./fact-families.ts";
import { ABSENT_INDEX, type FactColumn, type FactTable, UNKNOWN_INDEX } from "./fact-table.ts";
import { isMechanism } from "./mechanisms.ts";
import { vmKey } from "./subject.ts";
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

/** The trials in the shape in which millions of comparisons are quick. */
interface TrialArrays {
  readonly places: Int32Array;
  /** 1 for a good one. */
  readonly good: Uint8Array;
  readonly counts: Int32Array;
}

/**
 * Weighs each fact against the trials. A fact with more than `mostMisplaced` starts on the wrong side explains
 * nothing; it is left out unless `always` asks for it.
 */
export function weighFacts(options: {
  readonly trials: readonly Trial[];
  readonly table: FactTable;
  /** For each trial its place in the table, -1 where its facts are not known. */
  readonly places: readonly number[];
  readonly failure: CauseClass | "unknown";
  readonly mostMisplaced: number;
  readonly always: ReadonlySet<string>;
}): readonly FactRecord[] {
  const { trials, table, failure, mostMisplaced } = options;
  const arrays: TrialArrays = {
    places: Int32Array.from(options.places),
    good: Uint8Array.from(trials, ({ good }) => (good ? 1 : 0)),
    counts: Int32Array.from(trials, ({ tally }) => tally.count),
  };
  const slots = new Int32Array(trials.length);
  const records: FactRecord[] = [];
  const ofVm = createVmTrials(trials, arrays);
  for (const column of table.columns) {
    const own = ofVm(column.key);
    // Another VM failed too: what this one is defined as cannot be why.
    if (own === undefined) continue;
    const limit = options.always.has(column.key) ? Number.POSITIVE_INFINITY : mostMisplaced;
    if (readSlots(own, table, column, slots, limit)) records.push(weighFact(own, column, slots, failure));
  }
  return records;
}

/**
 * A VM's definition says nothing about the starts of another VM that shares the device, so it is weighed by its own
 * starts alone. Gives the trials by which a key is to be weighed; none where it cannot explain all failures.
 */
function createVmTrials(
  trials: readonly Trial[],
  all: TrialArrays,
): (key: string) => TrialArrays | undefined {
  const vms = [...new Set(trials.map(({ tally }) => tally.vm))];
  if (vms.length < 2) return () => all;
  const failing = new Set(trials.flatMap(({ good, tally }) => (good ? [] : [tally.vm])));
  const ownOf = vms.map((vm) => ({
    prefix: `${vmKey(vm)}.`,
    own:
      failing.size === 1 && failing.has(vm)
        ? { ...all, places: all.places.map((place, at) => (trials[at]?.tally.vm === vm ? place : -1)) }
        : undefined,
  }));
  return (key) => {
    if (!key.startsWith("vm.")) return all;
    const found = ownOf.find(({ prefix }) => key.startsWith(prefix));
    return found === undefined ? all : found.own;
  };
}

/**
 * Writes for each trial the slot of its value (0 absent, else the index and one; `NO_SLOT` where unknown). False as
 * soon as too many starts are on the wrong side, since that sum only ever grows, and for a fact that never changed.
 */
function readSlots(
  { places, good, counts }: TrialArrays,
  table: FactTable,
  column: FactColumn,
  slots: Int32Array,
  mostMisplaced: number,
): boolean {
  const size = column.values.length + 1;
  const goodBy = new Int32Array(size);
  const badBy = new Int32Array(size);
  const { indexes } = column;
  const slotOf = Int32Array.from(column.values, ({ state }, index) =>
    state === "unknown" ? NO_SLOT : state === "absent" ? 0 : index + 1,
  );
  let distinct = 0;
  let misplaced = 0;
  for (let position = 0; position < places.length; position += 1) {
    const place = places[position] ?? -1;
    let slot = NO_SLOT;
    if (place >= 0) {
      const index = indexes[place] ?? ABSENT_INDEX;
      slot = index >= 0 ? (slotOf[index] ?? NO_SLOT) : table.indexAt(column, place) + 1;
    }
    slots[position] = slot;
    if (slot < 0) continue;
    const before = Math.min(goodBy[slot] ?? 0, badBy[slot] ?? 0);
    if (goodBy[slot] === 0 && badBy[slot] === 0) distinct += 1;
    const side = good[position] === 1 ? goodBy : badBy;
    side[slot] = (side[slot] ?? 0) + (counts[position] ?? 0);
    misplaced += Math.min(goodBy[slot] ?? 0, badBy[slot] ?? 0) - before;
    if (misplaced > mostMisplaced) return false;
  }
  return distinct > 1;
}

/** `UNKNOWN_INDEX` as a slot. */
const NO_SLOT = UNKNOWN_INDEX + 1;

function weighFact(
  { good, counts: weights }: TrialArrays,
  column: FactColumn,
  slots: Int32Array,
  failure: CauseClass | "unknown",
): FactRecord {
  const size = column.values.length + 1;
  const goodBy = new Int32Array(size);
  const badBy = new Int32Array(size);
  const order = new Int32Array(size).fill(-1);
  /** The last outcome with a value: 0 none yet, 1 good, 2 bad. */
  const lastOutcome = new Uint8Array(size);
  const pattern = new Array<number>(slots.length);
  const seen: number[] = [];
  let turnedWith = 0;
  let turnedWithout = 0;
  let changedAlone = 0;
  let reverted = false;
  let previous = NO_SLOT;
  let transitions = 0;
  let wasGood = false;

  for (let position = 0; position < slots.length; position += 1) {
    const slot = slots[position] ?? NO_SLOT;
    if (slot < 0) {
      pattern[position] = UNKNOWN_INDEX;
      continue;
    }
    if (order[slot] === -1) {
      order[slot] = seen.length;
      seen.push(slot);
    }
    pattern[position] = order[slot] ?? 0;
    const isGood = good[position] === 1;
    const side = isGood ? goodBy : badBy;
    side[slot] = (side[slot] ?? 0) + (weights[position] ?? 0);
    if (previous >= 0) {
      const changed = previous !== slot;
      transitions += 1;
      if (wasGood === isGood) changedAlone += changed ? 1 : 0;
      else if (!changed) turnedWithout += 1;
      else {
        turnedWith += 1;
        if (lastOutcome[slot] === (isGood ? 1 : 2)) reverted = true;
      }
    }
    lastOutcome[slot] = isGood ? 1 : 2;
    previous = slot;
    wasGood = isGood;
  }

  const counts = seen.map((slot) => ({
    value: column.values[slot - 1] ?? { state: "absent" as const },
    good: goodBy[slot] ?? 0,
    bad: badBy[slot] ?? 0,
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
