import type { Snapshot } from "../model/fact.ts";
import type { SnapshotStore } from "../store/snapshot-store.ts";

/** Whole snapshots for one question. */
export interface SnapshotLookup {
  /** Loads them at once, which is quicker than one by one. */
  load(ids: Iterable<string>): void;
  get(id: string): Snapshot | undefined;
}

/** Loading a snapshot takes a millisecond or more, and the same few are asked for again. */
export function createSnapshotLookup(snapshots: Pick<SnapshotStore, "several">): SnapshotLookup {
  const known = new Map<string, Snapshot | undefined>();
  function load(ids: Iterable<string>): void {
    const missing = [...new Set(ids)].filter((id) => !known.has(id));
    if (missing.length === 0) return;
    const found = snapshots.several(missing);
    for (const id of missing) known.set(id, found.get(id));
  }
  return {
    load,
    get(id) {
      load([id]);
      return known.get(id);
    },
  };
}
