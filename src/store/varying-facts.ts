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

  const facts = new Map<string, { row: FactRow; values: FactValue[]; indexes: Int32Array }>();
  /** For a fact number: its column, and the index of its value there. */
  const slots = new Map<number, { indexes: Int32Array; index: number }>();
  for (const row of varying) {
    const name = `${row.fact_group}\n${row.key}`;
    let fact = facts.get(name);
    if (fact === undefined) {
      fact = { row, values: [], indexes: new Int32Array(asked.length).fill(-1) };
      facts.set(name, fact);
    }
    slots.set(row.number, { indexes: fact.indexes, index: fact.values.length });
    fact.values.push(factValue(row));
  }

  for (const { base, members } of families) {
    const inBase = base.flatMap((number) => slots.get(number) ?? []);
    for (const { place, removed, added } of members) {
      for (const { indexes, index } of inBase) indexes[place] = index;
      // Removed before added: a changed value is both.
      for (const number of removed) {
        const slot = slots.get(number);
        if (slot !== undefined) slot.indexes[place] = -1;
      }
      for (const number of added) {
        const slot = slots.get(number);
        if (slot !== undefined) slot.indexes[place] = slot.index;
      }
    }
  }
  return [...facts.values()]
    .sort((a, b) => byGroupAndKey(a.row, b.row))
    .map(({ row, values, indexes }) => ({ group: row.fact_group, key: row.key, values, indexes }));
}

function familiesOf(
  asked: readonly (SnapshotRow | undefined)[],
  byNumber: (number: number) => SnapshotRow | undefined,
): readonly Family[] {
  const families = new Map<number, Family>();
  const familyOf = (base: SnapshotRow): Family => {
    let family = families.get(base.number);
    if (family === undefined) {
      family = { base: base.facts === null ? [] : (unpackSets(base.facts)[0] ?? []), members: [] };
      families.set(base.number, family);
    }
    return family;
  };
  asked.forEach((row, place) => {
    if (row === undefined || row.facts === null) return;
    const base = row.base === null ? row : byNumber(row.base);
    if (base === undefined) return;
    const [removed = [], added = []] = row.base === null ? [] : unpackSets(row.facts);
    familyOf(base).members.push({ place, removed, added });
  });
  return [...families.values()];
}

function factsNotInAll(families: readonly Family[], total: number): FactSet {
  const counts = new Map<number, number>();
  const add = (number: number, count: number) => counts.set(number, (counts.get(number) ?? 0) + count);
  for (const { base, members } of families) {
    for (const number of base) add(number, members.length);
    for (const { removed, added } of members) {
      for (const number of removed) add(number, -1);
      for (const number of added) add(number, 1);
    }
  }
  return [...counts].filter(([, count]) => count > 0 && count < total).map(([number]) => number);
}
