import { textOf } from "../facts/fact-value.ts";
import type { FactValue } from "../model/fact.ts";
import type { VmName } from "../model/identifiers.ts";
import type { VmStore } from "../store/record-stores.ts";
import { ABSENT_INDEX, createFactTable, type FactColumn, type FactTable } from "./fact-table.ts";
import { vmKey } from "./subject.ts";

/** Former names of these VMs, each with the one that the history calls it by. */
export function formerNames(
  vms: Pick<VmStore, "past">,
  names: Iterable<VmName>,
): ReadonlyMap<VmName, VmName> {
  return new Map(
    [...names].flatMap((vm) => vms.past(vm).formerNames.map((former): [VmName, VmName] => [former, vm])),
  );
}

/**
 * The table with what was known of a VM under a former name as facts of the VM under its newest. Which VM had a name is
 * told by its identity: another one may have been called so before it, or be called so since.
 */
export function joinRenamedFacts(
  table: FactTable,
  names: ReadonlyMap<VmName, VmName>,
  places: readonly number[],
): FactTable {
  if (names.size === 0) return table;
  const inOrder = places.toSorted((a, b) => a - b);
  const byNewest = Map.groupBy(names, ([, newest]) => newest);
  /** Where the facts of each of the names belong, by place: to which name of today. */
  const owners = new Map<string, (place: number) => string | undefined>();
  for (const [newest, pairs] of byNewest) {
    const own = vmKey(newest);
    const formers = pairs.map(([former]) => vmKey(former));
    const calledAt = nameByPlace(table, own, formers, inOrder);
    const ownerOf = (key: string) => (place: number) => {
      const called = calledAt.get(place) ?? own;
      if (called === key) return own;
      // Then another VM has the name that this one has today.
      return key === own ? undefined : key;
    };
    for (const key of [own, ...formers]) owners.set(key, ownerOf(key));
  }
  const parts = new Map<string, Part[]>();
  const add = (key: string, part: Part) => {
    const same = parts.get(key);
    if (same === undefined) parts.set(key, [part]);
    else same.push(part);
  };
  const untouched: FactColumn[] = [];
  for (const column of table.columns) {
    const [, name = "", rest = ""] = /^(vm\.[^.]+)\.(.+)$/.exec(column.key) ?? [];
    const ownerAt = owners.get(name);
    if (ownerAt === undefined) {
      untouched.push(column);
      continue;
    }
    const byOwner = Map.groupBy(inOrder, ownerAt);
    for (const [owner, at] of byOwner) if (owner !== undefined) add(`${owner}.${rest}`, { column, at });
  }
  const joined = [...parts].map(([key, all]) => merged(key, all, inOrder));
  return createFactTable([...untouched, ...joined], table.constants);
}

/** By which of its names a VM was called at each place. */
function nameByPlace(
  table: FactTable,
  newest: string,
  formers: readonly string[],
  places: readonly number[],
): ReadonlyMap<number, string> {
  const identityAt = (name: string, place: number) => textOf(table.valueAt(`${name}.identity`, place));
  const isThere = (name: string, place: number) => table.valueAt(`${name}.devices`, place).state === "value";
  const lastOf = (name: string) =>
    places.map((place) => identityAt(name, place)).findLast((identity) => identity !== undefined);
  const own = lastOf(newest) ?? formers.map(lastOf).find((identity) => identity !== undefined);
  const called = new Map<number, string>();
  for (const place of places) {
    const known = [newest, ...formers].find((name) => own !== undefined && identityAt(name, place) === own);
    // One that was made anew had another identity; older facts have none.
    const likely = [newest, ...formers].find((name) => isThere(name, place));
    const name = known ?? likely;
    if (name !== undefined) called.set(place, name);
  }
  return called;
}

/** A column, as far as it is about the VM. */
interface Part {
  readonly column: FactColumn;
  readonly at: readonly number[];
}

/** At each place one of them has the value, since a VM has one name at a time. */
function merged(key: string, parts: readonly Part[], places: readonly number[]): FactColumn {
  const [first] = parts;
  if (first === undefined) throw new Error(`no column is called ${key}`);
  const values: FactValue[] = [];
  const known = new Map<string, number>();
  const indexes = new Int32Array((places.at(-1) ?? -1) + 1).fill(ABSENT_INDEX);
  for (const { column, at } of parts) {
    for (const place of at) {
      const value = column.values[column.indexes[place] ?? ABSENT_INDEX];
      if (value === undefined) continue;
      const id = JSON.stringify(value);
      if (!known.has(id)) {
        known.set(id, values.length);
        values.push(value);
      }
      indexes[place] = known.get(id) ?? ABSENT_INDEX;
    }
  }
  return { group: first.column.group, key, values, indexes };
}
