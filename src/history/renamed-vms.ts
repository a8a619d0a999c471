import type { FactValue } from "../model/fact.ts";
import type { VmName } from "../model/identifiers.ts";
import { ABSENT_INDEX, createFactTable, type FactColumn, type FactTable } from "./fact-table.ts";
import { vmKey } from "./subject.ts";
import type { StartTally } from "./trials.ts";

/**
 * Proxmox knows a VM by its number and shows it as `101 (win11)`. With another name it is the same VM still, and its
 * good starts under the old name are what the failures under the new one have to be compared with.
 */
export interface Renamed {
  /** The starts, each under its VM's newest name. */
  readonly tallies: readonly StartTally[];
  /** Former names, each with the newest. */
  readonly names: ReadonlyMap<VmName, VmName>;
}

/** Joins the starts of VMs that were renamed; `tallies` in order. */
export function joinRenamed(tallies: readonly StartTally[]): Renamed {
  const newest = new Map<string, VmName>();
  for (const { vm } of tallies) {
    const number = numberOf(vm);
    if (number !== undefined) newest.set(number, vm);
  }
  const names = new Map<VmName, VmName>();
  for (const { vm } of tallies) {
    const current = newest.get(numberOf(vm) ?? "");
    if (current !== undefined && current !== vm) names.set(vm, current);
  }
  if (names.size === 0) return { tallies, names };
  return { tallies: tallies.map((tally) => ({ ...tally, vm: names.get(tally.vm) ?? tally.vm })), names };
}

function numberOf(vm: VmName): string | undefined {
  return /^(\d+) \(.+\)$/.exec(vm)?.[1];
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
