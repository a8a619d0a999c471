import type { AttemptTracker } from "../attempts/tracker.ts";
import type { Unfinished } from "../attempts/tracking.ts";
import type { Store } from "../store/store.ts";

/** Keeps stored what a restarted service has to observe again, although its sources are past it. */
export interface UnfinishedKeeper {
  /** Something has been added since it was saved last. */
  isDue(): boolean;
  /** Writes what has changed; to be called in the transaction that stores the positions of the sources. */
  save(): void;
  /** The transaction was written. */
  saved(): void;
}

/** `earlier`: what the store holds as an earlier run left it. */
export function createUnfinishedKeeper(options: {
  readonly store: Pick<Store, "unfinished">;
  readonly tracker: Pick<AttemptTracker, "unfinished" | "kept">;
  readonly earlier: readonly Unfinished[];
}): UnfinishedKeeper {
  const { store, tracker } = options;
  let stored = byKey(options.earlier);
  let next = stored;
  let keptThen = tracker.kept();
  let keptNext = keptThen;

  return {
    isDue: () => tracker.kept() !== keptThen,
    save() {
      keptNext = tracker.kept();
      next = byKey(tracker.unfinished());
      const added = [...next].flatMap(([key, entry]) => (stored.has(key) ? [] : [entry]));
      const removed = [...stored].flatMap(([key, { observation }]) => (next.has(key) ? [] : [observation]));
      store.unfinished.change(added, removed);
    },
    saved() {
      stored = next;
      keptThen = keptNext;
    },
  };
}

function byKey(list: readonly Unfinished[]): ReadonlyMap<string, Unfinished> {
  return new Map(list.map((entry) => [`${entry.observation.source}\n${entry.observation.identity}`, entry]));
}
