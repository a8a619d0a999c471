import { type Clock, steadyNow } from "../clock.ts";
import type { BootId } from "../model/identifiers.ts";
import type { Store } from "../store/store.ts";

/**
 * Makes the time by which history is too old: that of the wall clock, but no later than the newest time that an earlier
 * boot was seen at and what has passed since the service began. A clock that jumps years ahead, for a moment or for
 * good, makes nothing old; a host that was off for long keeps a little more than it has to, until its next boot.
 */
export function createCredibleTime(options: {
  readonly clock: Clock;
  readonly store: Pick<Store, "boots">;
  readonly bootId: BootId;
}): () => number {
  const { clock, store, bootId } = options;
  const seen = store.boots.list().flatMap(({ id, lastSeenAt }) => (id === bootId ? [] : [lastSeenAt]));
  const base = seen.length === 0 ? clock.now() : seen.reduce((newest, at) => Math.max(newest, at));
  const begun = steadyNow(clock);
  return () => Math.min(clock.now(), base + steadyNow(clock) - begun);
}
