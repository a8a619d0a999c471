import assert from "node:assert/strict";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { unknownHost } from "../../src/host/host-reading.ts";
import { hostStateOf } from "../../src/host/host-state.ts";
import type { StartAttempt } from "../../src/model/attempt.ts";
import { createDiagnosing } from "../../src/pipeline/diagnosing.ts";
import { bench, GPU, logEnd, logStart, T0 } from "../attempts/bench.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";

/** A host of which a reading takes so long. */
function diagnosing(readingTakes = 0) {
  const clock = createVirtualClock(T0);
  const { tracker, feed, outcomes, clock: past } = bench();
  feed(logStart("Windows 11", 0, [GPU]));
  feed(logEnd("Windows 11", 100, "failed"));
  past.moveTo(T0 + 5_000);
  const [failed] = outcomes();
  assert.ok(failed);
  const state = { isStorm: true, readings: 0 };
  const made = createDiagnosing({
    clock,
    tracker,
    vms: () => [],
    isStorm: () => state.isStorm,
    pipeline: {
      matcher: createMatcher(catalogue),
      readHost() {
        state.readings += 1;
        clock.moveTo(clock.now() + readingTakes);
        return hostStateOf(unknownHost("nobody looked"));
      },
    },
  });
  /** Judges one at each of these times, and gives how often the host had been read then. */
  const readingsAt = (...times: readonly number[]) =>
    times.map((at) => {
      clock.moveTo(Math.max(clock.now(), T0 + at));
      made.of(failed);
      return state.readings;
    });
  return { clock, made, state, failed, readingsAt };
}

test("in a storm one reading of the host serves for a quarter of a second, and of a slow host for twenty readings", () => {
  assert.deepEqual(diagnosing().readingsAt(0, 249, 250, 499, 500), [1, 1, 2, 2, 3]);
  assert.deepEqual(diagnosing(100).readingsAt(0, 2_099, 2_100), [1, 1, 2]);
});

test("a start that fails alone, or first after a storm, has a reading of its own; one of another boot none", () => {
  const { made, state, failed, readingsAt } = diagnosing();
  assert.deepEqual(readingsAt(0, 10), [1, 1]);
  made.calm();
  state.isStorm = false;
  assert.deepEqual(readingsAt(20, 30), [2, 3]);
  made.of(failed, true);
  assert.equal(state.readings, 3);
});

test("the host's state proves less of what was over half a minute ago, and of what nobody can date", () => {
  const { clock, made } = diagnosing();
  const over = (steady: number | undefined, closedSteady: number | undefined = steady) =>
    made.isLate({ ...(steady !== undefined && { steady, closedSteady }) } as StartAttempt);
  const now = clock.now();
  assert.deepEqual(
    [over(now - 30_000), over(now - 30_001), over(now - 60_000, now - 30_000), over(undefined)],
    [false, true, false, true],
  );
});
