import type { FactValue, Snapshot } from "../model/fact.ts";
import type { SnapshotStore } from "../store/store.ts";
import { createFactTable, type FactTable } from "./fact-table.ts";

/** Many snapshots as one table, with the place in it of each that is stored. */
export interface ReadFactTable {
  readonly table: FactTable;
  readonly placeOf: ReadonlyMap<string, number>;
}

/** Reads these snapshots as one table, with only these keys where given. */
export function readFactTable(
  snapshots: Pick<SnapshotStore, "varying" | "get">,
  ids: readonly string[],
  keys?: ReadonlySet<string>,
): ReadFactTable {
  const reference = firstStored(snapshots, ids);
  if (reference === undefined) return { table: createFactTable([], new Map()), placeOf: new Map() };
  const columns = snapshots.varying(ids, keys);
  const varying = new Set(columns.map(({ key }) => key));
  const constants = new Map<string, FactValue>();
  for (const { key, value } of reference.facts)
    if (!varying.has(key) && (keys?.has(key) ?? true)) constants.set(key, value);
  // A snapshot that retention dropped lacks every key, so then no fact is the same in all of them.
  const allStored = constants.size > 0;
  const isStored = (place: number) => allStored || columns.some(({ indexes }) => (indexes[place] ?? -1) >= 0);
  return {
    table: createFactTable(columns, constants),
    placeOf: new Map(ids.flatMap((id, place) => (isStored(place) ? [[id, place] as const] : []))),
  };
}

/** One snapshot, since loading each of thousands would take seconds. */
function firstStored(snapshots: Pick<SnapshotStore, "get">, ids: readonly string[]): Snapshot | undefined {
  for (const id of ids) {
    const snapshot = snapshots.get(id);
    if (snapshot !== undefined) return snapshot;
  }
  return undefined;
}
