import type { SnapshotStore } from "../store/snapshot-store.ts";
import { createFactTable, type FactTable } from "./fact-table.ts";

/** Many snapshots as one table, with the place in it of each that is stored. */
export interface ReadFactTable {
  readonly table: FactTable;
  readonly placeOf: ReadonlyMap<string, number>;
}

/** Reads these snapshots as one table, with only the facts whose keys are wanted where that is said. */
export function readFactTable(
  snapshots: Pick<SnapshotStore, "series">,
  ids: readonly string[],
  isWanted?: (key: string) => boolean,
): ReadFactTable {
  const { varying, constants, stored } = snapshots.series(ids, isWanted);
  return {
    table: createFactTable(varying, new Map(constants.map(({ key, value }) => [key, value]))),
    placeOf: new Map(ids.flatMap((id, place) => (stored[place] === true ? [[id, place] as const] : []))),
  };
}
