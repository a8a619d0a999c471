import { compareFacts } from "../facts/snapshot.ts";
import type { Fact, Snapshot } from "../model/fact.ts";
import type { SnapshotStore } from "../store/snapshot-store.ts";
import { createFactTable, type FactTable } from "./fact-table.ts";

/** Many snapshots as one table, with the place in it of each that is stored. */
export interface ReadFactTable {
  readonly table: FactTable;
  readonly placeOf: ReadonlyMap<string, number>;
  /** One of them, as far as its facts were wanted: reading it by itself takes a millisecond or more. */
  get(id: string): Snapshot | undefined;
}

/** Reads these snapshots as one table, with only the facts whose keys are wanted where that is said. */
export function readFactTable(
  snapshots: Pick<SnapshotStore, "series">,
  ids: readonly string[],
  isWanted?: (key: string) => boolean,
): ReadFactTable {
  const { varying, constants, stored } = snapshots.series(ids, isWanted);
  const placeOf = new Map(ids.flatMap((id, place) => (stored[place] === true ? [[id, place] as const] : [])));
  const made = new Map<number, Snapshot>();
  return {
    table: createFactTable(varying, new Map(constants.map(({ key, value }) => [key, value]))),
    placeOf,
    get(id) {
      const place = placeOf.get(id);
      if (place === undefined) return undefined;
      let snapshot = made.get(place);
      if (snapshot === undefined) {
        const own = varying.flatMap(({ group, key, values, indexes }): readonly Fact[] => {
          const value = values[indexes[place] ?? -1];
          return value === undefined ? [] : [{ group, key, value }];
        });
        snapshot = { id, facts: [...own, ...constants].sort(compareFacts) };
        made.set(place, snapshot);
      }
      return snapshot;
    },
  };
}
