import { type Clock, steadyNow } from "../clock.ts";
import { makeSnapshot } from "../facts/snapshot.ts";
import type { HostReading } from "../host/host-reading.ts";
import type { Fact, Snapshot } from "../model/fact.ts";
import type { BootId } from "../model/identifiers.ts";
import type { StoreTrouble } from "../store/refusal.ts";
import type { Store } from "../store/store.ts";

/** Facts this young are as good as new: a VM that is retried in a loop is not a reason to read them each time (ms). */
const FRESH_FOR = 2_000;

/** So many different sets of facts wait for a disk that is full; a start that is told meanwhile has those of its beginning. */
const MOST_KEPT = 20;

interface Taken {
  readonly snapshot: Snapshot;
  readonly at: number;
  readonly steady: number;
  readonly reason: string;
}

/** Takes and stores the host's facts. */
export interface Snapshots {
  /** Id of the snapshot of now, stored with its reason; what the disk refuses is kept until it takes it. */
  take(reason: string, reading?: HostReading): string;
  /** Stores what the disk refused before, so that what is stored next can speak of it. */
  saveKept(): void;
  /** Something is known to have changed: the next one is taken anew, however young the last is. */
  outdate(): void;
  /** Id of the newest one. */
  latest(): string | undefined;
}

/** Makes the taker of snapshots for one boot. `collect` reads all facts; what it cannot read it marks unknown. */
export function createSnapshots(options: {
  readonly clock: Clock;
  readonly store: Store;
  readonly bootId: BootId;
  readonly collect: (reading?: HostReading) => readonly Fact[];
  readonly onTrouble: (trouble: StoreTrouble) => void;
}): Snapshots {
  const { clock, store, bootId } = options;
  let latest: { readonly id: string; readonly steady: number } | undefined;
  let isOutdated = false;
  /** Taken and not stored yet. */
  let kept: readonly Taken[] = [];

  function saveKept(): void {
    if (kept.length === 0) return;
    const written = store.batched(() => {
      for (const { snapshot, at, steady, reason } of kept) {
        store.snapshots.save(snapshot);
        store.snapshots.link({ bootId, at, steady, snapshotId: snapshot.id, reason });
      }
    });
    if (written.state === "refused") options.onTrouble(written.trouble);
    else kept = [];
  }

  function take(reason: string, reading?: HostReading): string {
    const at = clock.now();
    const steady = steadyNow(clock);
    if (!isOutdated && latest !== undefined && steady - latest.steady < FRESH_FOR) return latest.id;
    const snapshot = makeSnapshot(options.collect(reading));
    // On a full disk the same facts for the hundredth time must not push out those of an earlier start.
    if (!kept.some((taken) => taken.snapshot.id === snapshot.id))
      kept = [...kept, { snapshot, at, steady, reason }].slice(-MOST_KEPT);
    saveKept();
    latest = { id: snapshot.id, steady };
    isOutdated = false;
    return snapshot.id;
  }

  return {
    take,
    saveKept,
    outdate() {
      isOutdated = true;
    },
    latest: () => latest?.id,
  };
}
