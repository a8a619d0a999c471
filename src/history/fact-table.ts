import { ABSENT, NOT_COLLECTED } from "../facts/fact-value.ts";
import { isVerifiablyAbsent } from "../facts/presence.ts";
import { thingOf } from "../facts/vocabulary.ts";
import type { FactValue } from "../model/fact.ts";
import type { VaryingFact } from "../store/snapshot-store.ts";

/** A fact that is not the same in all snapshots, with its value in each: as the store gives it. */
export type FactColumn = VaryingFact;

/** Many snapshots at once: what differs between them as columns, and what is the same in all of them. */
export interface FactTable {
  readonly columns: readonly FactColumn[];
  /** Facts with one value in all snapshots. */
  readonly constants: ReadonlyMap<string, FactValue>;
  /** Index into the column's values for the snapshot at `place`; `ABSENT_INDEX` or `UNKNOWN_INDEX` otherwise. */
  indexAt(column: FactColumn, place: number): number;
  /** The value of any key in the snapshot at `place`. */
  valueAt(key: string, place: number): FactValue;
  /** The column of a key that is not the same in all snapshots. */
  columnOf(key: string): FactColumn | undefined;
  /** Every value that the fact has in any snapshot. */
  valuesOf(key: string): readonly FactValue[];
}

/** Verifiably not there. */
export const ABSENT_INDEX = -1;
/** Nobody knows: unreadable, or not collected (law 7). */
export const UNKNOWN_INDEX = -2;

/**
 * Makes the table. What a snapshot lacks is judged as `viewFacts` judges it for a single snapshot: a thing whose kind
 * is listed and that is not among them is absent, anything else was not collected and says nothing.
 */
export function createFactTable(
  columns: readonly FactColumn[],
  constants: ReadonlyMap<string, FactValue>,
): FactTable {
  const byKey = new Map(columns.map((column) => [column.key, column]));
  const presence = createPresence(columns, constants);

  /** Whether what was looked at since this was set is the same in all snapshots. */
  let isSameEverywhere = true;

  function stateAt(key: string, place: number): FactValue["state"] | undefined {
    const constant = constants.get(key);
    if (constant !== undefined) return constant.state;
    const column = byKey.get(key);
    if (column !== undefined) isSameEverywhere = false;
    return column?.values[column.indexes[place] ?? ABSENT_INDEX]?.state;
  }

  const owners = new Map<string, ReturnType<typeof thingOf>>();
  function ownerOf(key: string): ReturnType<typeof thingOf> {
    if (!owners.has(key)) owners.set(key, thingOf(key));
    return owners.get(key);
  }

  const isThere = (name: string, place: number) => {
    const { isIt, everywhere } = presence(name, place);
    if (!everywhere) isSameEverywhere = false;
    return isIt;
  };

  /** By key, where it is the same in all snapshots: most are asked of thousands. */
  const verdicts = new Map<string, boolean>();
  function isAbsentAt(key: string, place: number): boolean {
    const known = verdicts.get(key);
    if (known !== undefined) return known;
    isSameEverywhere = true;
    const verdict = isVerifiablyAbsent(key, ownerOf(key), {
      stateOf: (name) => stateAt(name, place),
      hasThing: (entity) => isThere(`entity ${entity}`, place),
      listsAny: (anchor) => isThere(`anchor ${anchor}`, place),
    });
    if (isSameEverywhere) verdicts.set(key, verdict);
    return verdict;
  }

  function indexAt(column: FactColumn, place: number): number {
    const index = column.indexes[place] ?? ABSENT_INDEX;
    if (index >= 0) {
      const state = column.values[index]?.state;
      // A fact that is said to be absent, and one that is missing because its thing is, are one and the same.
      return state === "unknown" ? UNKNOWN_INDEX : state === "absent" ? ABSENT_INDEX : index;
    }
    return isAbsentAt(column.key, place) ? ABSENT_INDEX : UNKNOWN_INDEX;
  }

  return {
    columns,
    constants,
    indexAt,
    columnOf: (key) => byKey.get(key),
    valuesOf(key) {
      const constant = constants.get(key);
      return constant === undefined ? (byKey.get(key)?.values ?? []) : [constant];
    },
    valueAt(key, place) {
      const constant = constants.get(key);
      if (constant !== undefined) return constant;
      const column = byKey.get(key);
      const value = column?.values[column.indexes[place] ?? ABSENT_INDEX];
      if (value !== undefined) return value;
      return isAbsentAt(key, place) ? ABSENT : NOT_COLLECTED;
    },
  };
}

/**
 * What a function of these facts alone says at each place, negative ones being nowhere. It is asked once for each
 * combination of their values: thousands of snapshots share few.
 */
export function eachOnce<T>(
  table: FactTable,
  keys: readonly string[],
  places: Iterable<number>,
  of: (place: number) => T,
): readonly T[] {
  const at = Int32Array.from(places);
  let combination = Int32Array.from(at, (place) => (place < 0 ? 0 : 1));
  for (const key of keys) {
    if (table.constants.has(key)) continue;
    const column = table.columnOf(key);
    const most = (column?.values.length ?? 0) + 2;
    const numbers = new Map<number, number>();
    combination = combination.map((earlier, index) => {
      const place = at[index] as number;
      const value = place < 0 ? 0 : valueNumber(table, key, column, place);
      const pair = earlier * most + value;
      const number = numbers.get(pair) ?? numbers.size;
      numbers.set(pair, number);
      return number;
    });
  }
  const known = new Map<number, T>();
  return Array.from(combination, (number, index) => {
    if (!known.has(number)) known.set(number, of(at[index] as number));
    return known.get(number) as T;
  });
}

/** Which of its values a fact has at a place: after those that are told, absent and not collected. */
function valueNumber(table: FactTable, key: string, column: FactColumn | undefined, place: number): number {
  const index = column?.indexes[place] ?? ABSENT_INDEX;
  if (index >= 0) return index;
  const told = column?.values.length ?? 0;
  return table.valueAt(key, place).state === "absent" ? told : told + 1;
}

/** Which things, and things of which kind, a snapshot holds; worked out when first asked for. */
function createPresence(columns: readonly FactColumn[], constants: ReadonlyMap<string, FactValue>) {
  const columnsOf = new Map<string, FactColumn[]>();
  const always = new Set<string>();
  const add = (name: string, column: FactColumn) => {
    const known = columnsOf.get(name);
    if (known === undefined) columnsOf.set(name, [column]);
    else known.push(column);
  };
  let isIndexed = false;
  const index = () => {
    if (isIndexed) return;
    isIndexed = true;
    for (const column of columns) {
      const owner = thingOf(column.key);
      if (owner === undefined) continue;
      add(`entity ${owner.entity}`, column);
      add(`anchor ${owner.anchor}`, column);
    }
    for (const key of constants.keys()) {
      const owner = thingOf(key);
      if (owner === undefined) continue;
      always.add(`entity ${owner.entity}`);
      always.add(`anchor ${owner.anchor}`);
    }
  };
  return (name: string, place: number): { readonly isIt: boolean; readonly everywhere: boolean } => {
    index();
    const own = columnsOf.get(name);
    if (always.has(name) || own === undefined) return { isIt: always.has(name), everywhere: true };
    return { isIt: own.some(({ indexes }) => (indexes[place] ?? ABSENT_INDEX) >= 0), everywhere: false };
  };
}
