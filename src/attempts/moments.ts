import { type Clock, steadyNow } from "../clock.ts";
import type { Observation } from "../model/observation.ts";
import type { Unfinished } from "./tracking.ts";

/** Less is no clock that was set, but one that NTP slews (ms). */
export const SET_CLOCK_MS = 1_000;
/** What is slewed is followed in steps of this size, so that what is said at one moment has one time (ms). */
const FOLLOWED_MS = 20;
/** Sources and clocks are compared only roughly; nothing is said later than it is heard by more than this (ms). */
const SLACK_MS = 2_000;
/** A clock that is set again and again need not be remembered for ever. */
const KEPT = 16;

/** When something happened: by the wall clock, which is shown, and by the one that nobody sets, which orders. */
export interface Moment {
  /** UTC epoch milliseconds. */
  readonly at: number;
  /** Milliseconds of the boot. */
  readonly steady: number;
}

/** An observation with the time by the clock that nobody sets, and when it was observed first, maybe by an earlier run. */
export type Said<T extends Observation = Observation> = T & {
  readonly steady: number;
  readonly heard: Moment;
};

/** The time of what was said. */
export function momentOf({ at, steady }: Said): Moment {
  return { at, steady };
}

/** Without what only orders it. */
export function observationOf<T extends Observation>(said: Said<T>): T {
  const { steady: _steady, heard: _heard, ...observation } = said;
  return observation as unknown as T;
}

/** What has to be observed again by a service that goes on. */
export function unfinishedOf(said: Said): Unfinished {
  return { observation: observationOf(said), arrivedAt: said.heard.at };
}

/** Places times of the wall clock, which is set now and then, on the clock that nobody sets. */
export interface Moments {
  of(at: number): Moment;
  now(): Moment;
}

/** While the wall clock goes on undisturbed: what makes its time a steady one, and the steady times between which. */
interface Era {
  offset: number;
  readonly from: number;
  until: number;
}

/**
 * Makes the reader of times. A line may be read after the wall clock was set that was written before: it belongs to the
 * newest time of the clock in which it can have been written. What an earlier run lived through is not known.
 */
export function createMoments(clock: Pick<Clock, "now" | "steady">): Moments {
  let newest: Era = {
    offset: steadyNow(clock) - clock.now(),
    from: Number.NEGATIVE_INFINITY,
    until: steadyNow(clock),
  };
  let earlier: readonly Era[] = [];

  /** Looks whether the wall clock was set. */
  function look(): void {
    const before = steadyNow(clock);
    const offset = before - clock.now();
    const after = steadyNow(clock);
    // Between two readings the process may have been held up.
    if (after - before <= 1 && Math.abs(offset - newest.offset) >= FOLLOWED_MS) {
      if (Math.abs(offset - newest.offset) < SET_CLOCK_MS) newest.offset = offset;
      else {
        earlier = [{ ...newest, until: after }, ...earlier].slice(0, KEPT);
        newest = { offset, from: newest.until, until: after };
      }
    }
    newest.until = after;
  }

  return {
    of(at) {
      look();
      for (const { offset, from, until } of [newest, ...earlier]) {
        const steady = at + offset;
        if (steady >= from - SLACK_MS && steady <= until + SLACK_MS) return { at, steady };
      }
      return { at, steady: Math.min(newest.until, at + newest.offset) };
    },
    now() {
      look();
      return { at: clock.now(), steady: newest.until };
    },
  };
}
