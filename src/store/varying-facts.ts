import type { Fact, FactValue } from "../model/fact.ts";
import { type FactSet, unpackSets } from "./fact-sets.ts";
import type { SnapshotSeries, VaryingFact } from "./snapshot-store.ts";
import { byGroupAndKey, type FactRow, factValue, type SnapshotRow } from "./snapshots.ts";

/** Asked snapshots that share a base. */
interface Family {
  readonly base: FactSet;
  /** Of all of them, their places in the question. */
  readonly places: number[];
  /** Those that differ from the base in a fact of interest. */
  readonly deltas: { readonly place: number; readonly removed: FactSet; readonly added: FactSet }[];
}

/** Where the facts of these numbers are found, and which of them are of interest. */
export interface SeriesFacts {
  byNumbers(numbers: FactSet): readonly FactRow[];
  /** All facts that are of interest; undefined where all facts are. */
  readonly wanted: readonly FactRow[] | undefined;
}

/**
 * Which facts are not the same in all of these snapshots, and which are. Works on the stored differences: thousands
 * of snapshots of thousands of facts cost no more than what really differs between them.
 */
export function readSeries(
  asked: readonly (SnapshotRow | undefined)[],
  byNumber: (number: number) => SnapshotRow | undefined,
  facts: SeriesFacts,
): SnapshotSeries {
  const stored = asked.map((row) => row !== undefined && row.facts !== null);
  const families = familiesOf(asked, byNumber, facts.wanted && flagsOf(facts.wanted));
  const { inSome, inAll } = spreadOf(families, stored.filter(Boolean).length);
  const some = new Set(inSome);
  const all = new Set(inAll);
  const rows = facts.wanted ?? facts.byNumbers([...inSome, ...inAll]);
  return {
    varying: columnsOf(
      families,
      rows.filter(({ number }) => some.has(number)),
      asked.length,
    ),
    constants: rows
      .filter(({ number }) => all.has(number))
      .map((row): Fact => ({ group: row.fact_group, key: row.key, value: factValue(row) })),
    stored,
  };
}

function columnsOf(
  families: readonly Family[],
  varying: readonly FactRow[],
  length: number,
): readonly VaryingFact[] {
  const facts = new Map<string, { row: FactRow; values: FactValue[]; place: number }>();
  const largest = varying.reduce((most, { number }) => Math.max(most, number), 0);
  /** By fact number: the place of its column and one, and the index of its value there. */
  const places = new Int32Array(largest + 1);
  const valueIndexes = new Int32Array(largest + 1);
  for (const row of varying) {
    const name = `${row.fact_group}\n${row.key}`;
    let fact = facts.get(name);
    if (fact === undefined) {
      fact = { row, values: [], place: facts.size };
      facts.set(name, fact);
    }
    places[row.number] = fact.place + 1;
    valueIndexes[row.number] = fact.values.length;
    fact.values.push(factValue(row));
  }

  // One block for all columns: thousands of small arrays would cost more than all the rest.
  const block = new Int32Array(facts.size * length).fill(-1);
  fillFromBases(block, length, families, places, valueIndexes);
  for (const { deltas } of families) {
    for (const { place, removed, added } of deltas) {
      // Removed before added: a changed value is both.
      for (const number of removed) {
        const column = (places[number] ?? 0) - 1;
        if (column >= 0) block[column * length + place] = -1;
      }
      for (const number of added) {
        const column = (places[number] ?? 0) - 1;
        if (column >= 0) block[column * length + place] = valueIndexes[number] ?? 0;
      }
    }
  }
  return [...facts.values()]
    .sort((a, b) => byGroupAndKey(a.row, b.row))
    .map(({ row, values, place }) => ({
      group: row.fact_group,
      key: row.key,
      values,
      indexes: block.subarray(place * length, (place + 1) * length),
    }));
}

/** Writes what the bases hold. Neighbouring bases hold nearly the same, so a column is filled as far as it stays. */
function fillFromBases(
  block: Int32Array,
  length: number,
  families: readonly Family[],
  places: Int32Array,
  valueIndexes: Int32Array,
): void {
  const columns = block.length / Math.max(1, length);
  const held = new Int32Array(columns).fill(-1);
  const since = new Int32Array(columns);
  const now = new Int32Array(columns);
  const change = (column: number, place: number, value: number) => {
    const was = held[column] ?? -1;
    if (was >= 0) block.fill(was, column * length + (since[column] ?? 0), column * length + place);
    held[column] = value;
    since[column] = place;
  };
  const runs = families.flatMap(({ base, places: own }) => runsOf(own).map((run) => ({ ...run, base })));
  let end = 0;
  for (const { from, to, base } of runs.sort((a, b) => a.from - b.from)) {
    // What lies between two runs is not stored.
    if (from > end) for (let column = 0; column < columns; column++) change(column, end, -1);
    end = to;
    now.fill(-1);
    for (const number of base) {
      const column = (places[number] ?? 0) - 1;
      if (column >= 0) now[column] = valueIndexes[number] ?? 0;
    }
    for (let column = 0; column < columns; column++) {
      const value = now[column] ?? -1;
      if (value !== held[column]) change(column, from, value);
    }
  }
  for (let column = 0; column < columns; column++) change(column, end, -1);
}

function flagsOf(rows: readonly FactRow[]): Uint8Array {
  const flags = new Uint8Array(rows.reduce((most, { number }) => Math.max(most, number), 0) + 1);
  for (const { number } of rows) flags[number] = 1;
  return flags;
}

/** Ascending places as stretches without a hole; snapshots that share a base were mostly taken in a row. */
function runsOf(places: readonly number[]): readonly { readonly from: number; readonly to: number }[] {
  const runs: { from: number; to: number }[] = [];
  for (const place of places) {
    const last = runs.at(-1);
    if (last?.to === place) last.to++;
    else runs.push({ from: place, to: place + 1 });
  }
  return runs;
}

function familiesOf(
  asked: readonly (SnapshotRow | undefined)[],
  byNumber: (number: number) => SnapshotRow | undefined,
  wanted: Uint8Array | undefined,
): readonly Family[] {
  const families = new Map<number, Family>();
  const familyOf = (number: number, facts: Uint8Array | null | undefined): Family => {
    const family: Family = {
      base: facts === null || facts === undefined ? [] : (unpackSets(facts, wanted)[0] ?? []),
      places: [],
      deltas: [],
    };
    families.set(number, family);
    return family;
  };
  asked.forEach((row, place) => {
    if (row === undefined || row.facts === null) return;
    const [removed = [], added = []] = row.base === null ? [] : unpackSets(row.facts, wanted);
    const base = row.base ?? row.number;
    const family =
      families.get(base) ?? familyOf(base, row.base === null ? row.facts : byNumber(base)?.facts);
    family.places.push(place);
    if (removed.length > 0 || added.length > 0) family.deltas.push({ place, removed, added });
  });
  return [...families.values()];
}

/** Numbers of the facts that some of the snapshots have and others lack, and of those that all have; ascending. */
function spreadOf(
  families: readonly Family[],
  total: number,
): { readonly inSome: FactSet; readonly inAll: FactSet } {
  let largest = 0;
  for (const { base, deltas } of families) {
    largest = Math.max(largest, base.at(-1) ?? 0);
    for (const { added } of deltas) largest = Math.max(largest, added.at(-1) ?? 0);
  }
  const counts = new Int32Array(largest + 1);
  for (const { base, places, deltas } of families) {
    for (const number of base) counts[number] = (counts[number] ?? 0) + places.length;
    for (const { removed, added } of deltas) {
      for (const number of removed) counts[number] = (counts[number] ?? 0) - 1;
      for (const number of added) counts[number] = (counts[number] ?? 0) + 1;
    }
  }
  const inSome: number[] = [];
  const inAll: number[] = [];
  for (let number = 0; number <= largest; number++) {
    const count = counts[number] ?? 0;
    if (count > 0) (count < total ? inSome : inAll).push(number);
  }
  return { inSome, inAll };
}
