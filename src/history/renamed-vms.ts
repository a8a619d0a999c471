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

/** The table with what was known of a VM under a former name as facts of the VM under its newest. */
export function joinRenamedFacts(
  table: FactTable,
  names: ReadonlyMap<VmName, VmName>,
  places: readonly number[],
): FactTable {
  if (names.size === 0) return table;
  const byKey = new Map<string, FactColumn[]>();
  for (const column of table.columns) {
    let { key } = column;
    for (const [former, newest] of names) {
      const prefix = `${vmKey(former)}.`;
      if (key.startsWith(prefix)) key = `${vmKey(newest)}.${key.slice(prefix.length)}`;
    }
    const same = byKey.get(key);
    if (same === undefined) byKey.set(key, [column]);
    else same.push(column);
  }
  const columns = [...byKey].map(([key, same]) => merged(key, same, places));
  return createFactTable(columns, table.constants);
}

/** Columns of which at most one has a value in a snapshot, since a VM has one name at a time. */
function merged(key: string, columns: readonly FactColumn[], places: readonly number[]): FactColumn {
  const [first] = columns;
  if (first === undefined) throw new Error(`no column is called ${key}`);
  if (columns.length === 1) return { ...first, key };
  const values: FactValue[] = [];
  const known = new Map<string, number>();
  const indexes = new Int32Array(Math.max(-1, ...places) + 1).fill(ABSENT_INDEX);
  for (const place of places) {
    for (const column of columns) {
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
  return { group: first.group, key, values, indexes };
}
