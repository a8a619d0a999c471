import { textOf } from "../facts/fact-value.ts";
import type { SnapshotStore } from "../store/snapshot-store.ts";
import { readFactTable } from "./read-fact-table.ts";

/** What a BIOS version carried when this host ran it. */
export interface AgesaOnRecord {
  readonly version: string;
  readonly agesa: string;
}

const KEYS = new Set(["firmware.bios.version", "firmware.agesa", "firmware.board.name"]);

/**
 * The AGESA of each BIOS version that this host ran, from the facts of its history, the one seen last first. With
 * `board` the versions of another board, which was in the machine before, are left out: its names compare with none.
 */
export function agesaRecord(
  snapshots: Pick<SnapshotStore, "inOrder" | "series">,
  board: string | undefined,
): readonly AgesaOnRecord[] {
  const ids = snapshots.inOrder();
  const { table, placeOf } = readFactTable(snapshots, ids, (key) => KEYS.has(key));
  return ids.toReversed().flatMap((id) => {
    const place = placeOf.get(id);
    if (place === undefined) return [];
    const said = (key: string) => textOf(table.valueAt(key, place));
    const [version, agesa, name] = [
      said("firmware.bios.version"),
      said("firmware.agesa"),
      said("firmware.board.name"),
    ];
    const isOther = board !== undefined && name !== undefined && name !== board;
    return version === undefined || agesa === undefined || isOther ? [] : [{ version, agesa }];
  });
}
