import type { FactValue } from "../model/fact.ts";
import { type FactSet, unpackSets } from "./fact-sets.ts";
import { byGroupAndKey, type FactRow, factValue, type SnapshotRow } from "./snapshots.ts";
import type { VaryingFact } from "./store.ts";

/** Asked snapshots that share a base, by their place in the question, with what each differs by. */
interface Family {
  readonly base: FactSet;
  readonly members: { readonly place: number; readonly removed: FactSet; readonly added: FactSet }[];
}

/**
 * The facts that are not the same in all of these snapshots. Works on the stored differences: thousands of
 * snapshots of thousands of facts cost no more than what really differs between them.
 */
export function varyingFacts(
  asked: readonly (SnapshotRow | undefined)[],
  byNumber: (number: number) => SnapshotRow | undefined,
  factRows: (numbers: FactSet) => FactRow[],
): readonly VaryingFact[] {
  const families = familiesOf(asked, byNumber);
  const varying = factRows(factsNotInAll(families, asked.length));

  const facts = new Map<string, { row: FactRow; values: FactValue[]; place: number }>();
  const nameOf = (row: FactRow) => `${row.fact_group}\n${row.key}`;
  for (const row of varying) {
    const fact = facts.get(nameOf(row));
    if (fact === undefined) facts.set(nameOf(row), { row, values: [factValue(row)], place: facts.size });
    else fact.values.push(factValue(row));
  }

  // One block for all columns: thousands of small arrays would cost more than all the rest.
  const block = new Int32Array(facts.size * asked.length).fill(-1);
  const columnAt = (place: number) => block.subarray(place * asked.length, (place + 1) * asked.length);
  const largest = varying.reduce((most, { number }) => Math.max(most, number), 0);
  /** By fact number: its column, and the index of its value there. */
  const columns: (Int32Array | undefined)[] = new Array(largest + 1).fill(undefined);
  const valueIndexes = new Int32Array(largest + 1);
  const seen = new Map<string, number>();
  for (const row of varying) {
    const name = nameOf(row);
    const index = seen.get(name) ?? 0;
    seen.set(name, index + 1);
    columns[row.number] = columnAt(facts.get(name)?.place ?? 0);
    valueIndexes[row.number] = index;
  }

  for (const { base, members } of families) {
    const runs = runsOf(members.map(({ place }) => place));
    for (const number of base) {
      const column = columns[number];
      if (column === undefined) continue;
      const value = valueIndexes[number] ?? 0;
      for (const { from, to } of runs) column.fill(value, from, to);
    }
    for (const { place, removed, added } of members) {
      // Removed before added: a changed value is both.
      for (const number of removed) {
        const column = columns[number];
        if (column !== undefined) column[place] = -1;
      }
      for (const number of added) {
        const column = columns[number];
        if (column !== undefined) column[place] = valueIndexes[number] ?? 0;
      }
    }
  }
  return [...facts.values()]
    .sort((a, b) => byGroupAndKey(a.row, b.row))
    .map(({ row, values, place }) => ({
      group: row.fact_group,
      key: row.key,
      values,
      indexes: columnAt(place),
    }));
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
): readonly Family[] {
  const families = new Map<number, Family>();
  const familyOf = (number: number, facts: Uint8Array | null | undefined): Family => {
    const family: Family = {
      base: facts === null || facts === undefined ? [] : (unpackSets(facts)[0] ?? []),
      members: [],
    };
    families.set(number, family);
    return family;
  };
  asked.forEach((row, place) => {
    if (row === undefined || row.facts === null) return;
    const [removed = [], added = []] = row.base === null ? [] : unpackSets(row.facts);
    const base = row.base ?? row.number;
    const family =
      families.get(base) ?? familyOf(base, row.base === null ? row.facts : byNumber(base)?.facts);
    family.members.push({ place, removed, added });
  });
  return [...families.values()];
}

function factsNotInAll(families: readonly Family[], total: number): FactSet {
  let largest = 0;
  for (const { base, members } of families) {
    largest = Math.max(largest, base.at(-1) ?? 0);
    for (const { added } of members) largest = Math.max(largest, added.at(-1) ?? 0);
  }
  const counts = new Int32Array(largest + 1);
  const add = (number: number, count: number) => {
    counts[number] = (counts[number] ?? 0) + count;
  };
  for (const { base, members } of families) {
    for (const number of base) add(number, members.length);
    for (const { removed, added } of members) {
      for (const number of removed) add(number, -1);
      for (const number of added) add(number, 1);
    }
  }
  const varying: number[] = [];
  counts.forEach((count, number) => {
    if (count > 0 && count < total) varying.push(number);
  });
  return varying;
}
