import { ABSENT } from "../facts/fact-value.ts";
import type { KnobKind } from "../facts/kind.ts";
import type { FactGroup, FactValue } from "../model/fact.ts";
import type { TrialValues } from "./builds.ts";

/** Something that may have broken the starts, with its value at each of them. */
export interface KnobColumn {
  readonly kind: KnobKind;
  /** What a person would call it: `BIOS`, `kernel`, `definition of VM …`. */
  readonly family: string;
  readonly group: FactGroup;
  /** The fact that stands for it; a relation has a name of its own. */
  readonly key: string;
  /** Keys of the facts that it is made of, where it is not one. */
  readonly parts: readonly string[];
  readonly values: readonly FactValue[];
  /** For each trial an index into the values, by order of appearance; -1 where it is not known. */
  readonly pattern: Int32Array;
  /** The value that a start of another VM has. */
  readonly safe?: number;
}

/** The start was another VM's, so what this one is defined as plays no part. */
export const ANOTHER_VM: FactValue = { state: "unknown", why: "a start of another VM" };

/** The outcome of a trial that failed, among the numbers of `outcomesOf`. */
export const FAILED = 0;

export type Maker = (
  kind: KnobKind,
  family: string,
  group: FactGroup,
  key: string,
  values: TrialValues | undefined,
  parts?: readonly string[],
) => KnobColumn | undefined;

/**
 * Loops over thousands of trials for hundreds of facts, so without a call or an allocation for each of them. What is the
 * same wherever the outcome turned, and has no value with which nothing ever failed, explains nothing and is not made; of
 * several hosts, that one failed and another did not is a turn as well.
 */
export function createMaker(outcomes: Uint8Array, ofSeveralHosts: boolean): Maker {
  return (kind, family, group, key, given, parts = [key]) => {
    if (given === undefined) return undefined;
    const { values, indexes } = given;
    const order = new Int32Array(values.length).fill(-1);
    const seen: number[] = [];
    const pattern = new Int32Array(indexes.length).fill(-1);
    let turned = false;
    let last = -1;
    for (let at = 0; at < indexes.length; at += 1) {
      const index = indexes[at] as number;
      if (index < 0) continue;
      if (order[index] === -1) {
        order[index] = seen.length;
        seen.push(index);
      }
      const value = order[index] as number;
      pattern[at] = value;
      if (last >= 0 && pattern[last] !== value && outcomes[last] !== outcomes[at]) turned = true;
      last = at;
    }
    if (ofSeveralHosts) turned = dividesOutcomes(pattern, outcomes);
    if (!turned && !hasSoundValue(pattern, outcomes, seen.length)) return undefined;
    const told = seen.map((index) => values[index] ?? ABSENT);
    const safe = told.indexOf(ANOTHER_VM);
    return { kind, family, group, key, parts, values: told, pattern, ...(safe >= 0 && { safe }) };
  };
}

/** So many starts that went well, and none that failed, make a value a sound one. */
const SOUND_STARTS = 3;

/**
 * Whether nothing ever failed with one value and something did with another. What is broken only now and then mostly
 * works at first, so that the outcome turns later than the value.
 */
function hasSoundValue(pattern: Int32Array, outcomes: Uint8Array, values: number): boolean {
  const good = new Int32Array(values);
  const failed = new Uint8Array(values);
  for (let at = 0; at < pattern.length; at += 1) {
    const value = pattern[at] as number;
    if (value < 0) continue;
    if (outcomes[at] === FAILED) failed[value] = 1;
    else good[value] = (good[value] as number) + 1;
  }
  return failed.includes(1) && good.some((count, value) => count >= SOUND_STARTS && failed[value] === 0);
}

/** Whether starts with one value went otherwise than starts with another one. */
function dividesOutcomes(pattern: Int32Array, outcomes: Uint8Array): boolean {
  const seen = { values: new Set<number>(), outcomes: new Set<number | undefined>() };
  for (const [at, value] of pattern.entries()) {
    if (value < 0) continue;
    seen.values.add(value);
    seen.outcomes.add(outcomes[at]);
  }
  return seen.values.size > 1 && seen.outcomes.size > 1;
}
