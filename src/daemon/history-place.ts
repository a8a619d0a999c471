import type { Clock } from "../clock.ts";
import { openStore, openVolatileStore } from "../store/open.ts";
import type { OpenedStore, OpenStoreOptions, RefusalReason, Store } from "../store/store.ts";

/** The history of one run of the service. */
export interface HistoryPlace {
  readonly store: Store;
  /** Why it lies in memory and ends with the process; undefined for one that is kept. */
  readonly volatile: { readonly why: string; readonly remedy: string } | undefined;
}

/** The refusal to open a history. */
export type RefusedHistory = Extract<OpenedStore, { readonly state: "refused" }>;

/** Another service watches already: two would tell everything twice. */
const WATCHED_ALREADY: RefusalReason = "locked";
/** A disk that comes back, a mount that comes late, is noticed this soon (ms). */
const LOOK_AGAIN_MS = 30_000;

/**
 * Opens the history at `path`. Where it cannot be used (a dead flash stick, a disk that is full or read-only, a file of
 * a newer version) the service watches and tells all the same, with a history in memory.
 */
export function openHistory(options: OpenStoreOptions): HistoryPlace | RefusedHistory {
  const opened = openStore(options);
  if (opened.state === "open") return { store: opened.store, volatile: undefined };
  if (opened.reason === WATCHED_ALREADY) return opened;
  return { store: openVolatileStore(options), volatile: { why: opened.why, remedy: opened.remedy } };
}

/** Calls `usable` once, as soon as the history at `path` can be opened. */
export function awaitHistory(path: string, clock: Clock, usable: () => void): void {
  clock.after(LOOK_AGAIN_MS, () => {
    const opened = openStore({ path, clock });
    if (opened.state === "refused") {
      awaitHistory(path, clock, usable);
      return;
    }
    opened.store.close();
    usable();
  });
}
