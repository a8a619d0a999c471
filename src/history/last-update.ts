import { textOf } from "../facts/fact-value.ts";
import type { BootRecord } from "../model/history.ts";
import type { SnapshotStore } from "../store/snapshot-store.ts";
import { readFactTable } from "./read-fact-table.ts";

/** What people update, and how a line names it. */
const UPDATED: readonly (readonly [key: string, word: string])[] = [
  ["firmware.bios.version", "BIOS"],
  ["kernel.release", "kernel"],
];

/** The newest boot with another BIOS or kernel than the one before it. */
export interface LastUpdate {
  /** When that boot began (UTC epoch milliseconds). */
  readonly at: number;
  /** e.g. `BIOS A63 → A95`; both where both came with one boot. */
  readonly sentence: string;
}

/** Finds it in the stored boots; undefined where none is on record. What is unknown is not changed (law 7). */
export function lastUpdate(reader: {
  readonly boots: { list(): readonly BootRecord[] };
  readonly snapshots: Pick<SnapshotStore, "series">;
}): LastUpdate | undefined {
  const boots = reader.boots.list().toSorted((a, b) => a.ordinal - b.ordinal);
  const ids = [...new Set(boots.flatMap(({ snapshotId }) => snapshotId ?? []))];
  const keys = new Set(UPDATED.map(([key]) => key));
  const { table, placeOf } = readFactTable(reader.snapshots, ids, (key) => keys.has(key));
  const known = new Map<string, string>();
  let last: LastUpdate | undefined;
  for (const { startedAt, snapshotId } of boots) {
    const place = placeOf.get(snapshotId ?? "");
    if (place === undefined) continue;
    const changes = UPDATED.flatMap(([key, word]) => {
      const now = textOf(table.valueAt(key, place));
      const before = known.get(key);
      if (now === undefined) return [];
      known.set(key, now);
      return before === undefined || before === now ? [] : [`${word} ${before} → ${now}`];
    });
    if (changes.length > 0) last = { at: startedAt, sentence: changes.join(", ") };
  }
  return last;
}
