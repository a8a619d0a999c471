import { type Clock, steadyOf } from "../clock.ts";
import type { SourceName } from "../model/observation.ts";
import type { SourceHealth, SourceState } from "../model/source.ts";

/** Keeps one source's health up to date; the source tells it what happens and hands `health()` out. */
export interface HealthKeeper {
  /** An observation was made that happened at `at` (UTC epoch milliseconds). */
  observed(at: number): void;
  /** `count` records are known to be lost. */
  lost(count: number): void;
  /** `count` records were there but could not be read. */
  skipped(count: number): void;
  /** The source is now in `state`. Saying the same again changes nothing. */
  become(state: SourceState): void;
  health(): SourceHealth;
}

/** Makes the health of the source `name`, which begins in the state `starting`. */
export function createHealthKeeper(options: {
  readonly name: SourceName;
  readonly clock: Clock;
}): HealthKeeper {
  const { name, clock } = options;
  let state: SourceState = { state: "starting" };
  let since = clock.now();
  let seen = 0;
  let lastSeenAt: number | undefined;
  let lastSeenSteady: number | undefined;
  let lost = 0;
  let skipped = 0;
  return {
    observed(at) {
      seen += 1;
      // The newest is what happened last, whatever the wall clock was set to since.
      const steady = steadyOf(clock, at);
      if (lastSeenSteady !== undefined && steady < lastSeenSteady) return;
      lastSeenAt = at;
      lastSeenSteady = steady;
    },
    lost(count) {
      lost += count;
    },
    skipped(count) {
      skipped += count;
    },
    become(next) {
      if (!continues(state, next)) since = clock.now();
      state = next;
    },
    health: () => ({
      ...{ name, state, since, seen, lastSeenAt, lost, skipped },
      ...(lastSeenSteady !== undefined && { lastSeenSteady }),
    }),
  };
}

/** A live source whose detail changes is still live; one that waits for something else began to wait anew. */
function continues(before: SourceState, after: SourceState): boolean {
  if (before.state !== after.state) return false;
  return before.state !== "waiting" || after.state !== "waiting" || before.why === after.why;
}
