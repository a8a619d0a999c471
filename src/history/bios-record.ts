import type { AttemptTally } from "../store/attempt-store.ts";
import type { SnapshotStore } from "../store/snapshot-store.ts";
import { type BiosRow, biosRows } from "./bios-rows.ts";
import { readFactTable } from "./read-fact-table.ts";
import { isPassthroughFailure } from "./trials.ts";

/**
 * How starts of VMs with passed-through devices went on each BIOS version of this host, the oldest version first. What
 * failed for a reason that no BIOS has a part in is left out.
 */
export function biosRecord(reader: {
  readonly attempts: { tallies(): readonly AttemptTally[] };
  readonly snapshots: Pick<SnapshotStore, "series">;
}): readonly BiosRow[] {
  const tallies = reader.attempts
    .tallies()
    .filter((tally) => tally.devices.length > 0)
    .filter((tally) => tally.outcome === "started" || isPassthroughFailure(tally));
  const ids = [...new Set(tallies.flatMap(({ snapshotId }) => snapshotId ?? []))];
  const { table, placeOf } = readFactTable(reader.snapshots, ids, (key) => key.startsWith("firmware.bios."));
  return biosRows(tallies, table, placeOf);
}
