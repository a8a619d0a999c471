import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findFaults } from "../../src/history/trials.ts";
import { bootId, signatureId } from "../../src/model/identifiers.ts";
import type { AttemptTally } from "../../src/store/attempt-store.ts";
import type { Store } from "../../src/store/store.ts";
import { bad, good, hostFacts, type MadeStart, storeHistory } from "../helpers/made-history.ts";
import { START, sampleAttempt, withStore } from "../store/samples.ts";

/** Whether it went well, whether it was the first of its boot or a later one, and in which. */
async function trialsOf(
  starts: readonly MadeStart[],
): Promise<{ readonly tallies: readonly AttemptTally[]; readonly trials: readonly (readonly unknown[])[] }> {
  let tallies: readonly AttemptTally[] = [];
  await withStore((store) => {
    storeHistory(store, [{ facts: hostFacts(), starts }]);
    tallies = store.attempts.tallies();
  });
  const trials = (findFaults(tallies)[0]?.trials ?? []).map(
    (trial) => [trial.boot, trial.good, trial.first, trial.later, trial.tally.count] as const,
  );
  return { tallies, trials };
}

describe("starts in a boot in which the host slept", () => {
  it("are trials of their own after each sleep, and the first after it is a first one", async () => {
    const slept = { afterSleep: true };
    const failed = bad(1, "reset-failed", slept);
    const { trials } = await trialsOf([good(), failed, good(), failed]);
    assert.deepEqual(trials, [
      [0, true, true, false, 1],
      [1, false, true, false, 1],
      [1, true, false, true, 1],
      [2, false, true, false, 1],
    ]);
  });

  it("count once where it did not sleep", async () => {
    const { trials, tallies } = await trialsOf([
      good(),
      bad(1, "reset-failed"),
      good(),
      bad(1, "reset-failed"),
    ]);
    assert.deepEqual(trials, [
      [0, true, true, true, 2],
      [0, false, false, true, 2],
    ]);
    assert.ok(tallies.every((tally) => !("wake" in tally)));
  });
});

describe("a sleep", () => {
  it("divides the boot that it is in, and no other", () =>
    withStore((store) => {
      const boot = { facts: hostFacts() };
      storeHistory(store, [
        { ...boot, starts: [good(), good(2, { afterSleep: true })] },
        { ...boot, starts: [good(3)] },
      ]);
      assert.deepEqual(
        store.attempts.tallies().map(({ bootOrdinal, count }) => [bootOrdinal, count]),
        [
          [1, 1],
          [1, 2],
          [2, 3],
        ],
      );
    }));
});

const MINUTE = 60_000;

/** Sleeps and starts of one boot in the order of the clock that nobody sets (minutes), each with what the wall showed. */
function storeSteady(
  store: Store,
  sleeps: readonly (readonly [steady: number, wall: number])[],
  starts: readonly (readonly [steady: number, wall: number])[],
): readonly (readonly [number, number])[] {
  const id = bootId("00000000-0000-4000-8000-00000000000a");
  store.boots.begin({ id, startedAt: START, origin: "live" });
  for (const [steady, wall] of starts)
    store.attempts.save(
      {
        ...sampleAttempt({ id: `start-${steady}`, bootId: id }),
        openedAt: START + wall * MINUTE,
        closedAt: START + wall * MINUTE + 1,
        steady: steady * MINUTE,
      },
      { origin: "live" },
    );
  for (const [steady, wall] of sleeps)
    store.sightings.record([
      {
        ...{ bootId: id, source: "kernel-log", signature: signatureId("kernel.suspend") },
        ...{
          text: "PM: suspend entry (s2idle)",
          at: START + wall * MINUTE,
          monotonicUs: steady * MINUTE * 1000,
        },
      },
      {
        ...{ bootId: id, source: "kernel-log", signature: signatureId("kernel.suspend") },
        ...{ text: "ACPI: PM: Preparing to enter system sleep state S3", at: START + wall * MINUTE + 300 },
        ...{ monotonicUs: steady * MINUTE * 1000 + 300_000 },
      },
    ]);
  return store.attempts.tallies().map(({ wake = 0, count }) => [wake, count] as const);
}

describe("when the host slept", () => {
  it("is told by the clock that nobody sets, however the wall clock jumps", () =>
    withStore((store) => {
      const starts = [10, 20, 30, 40].map((steady) => [steady, 1_000 - steady] as const);
      assert.deepEqual(
        storeSteady(
          store,
          [
            [15, 500],
            [35, 5],
          ],
          starts,
        ),
        [
          [0, 1],
          [1, 2],
          [2, 1],
        ],
      );
    }));

  it("is known of each of many nights, in the row of the boot", () =>
    withStore((store) => {
      const nights = Array.from({ length: 200 }, (_, night) => [night * 10 + 5, night * 10 + 5] as const);
      const starts = Array.from({ length: 200 }, (_, night) => [night * 10, night * 10] as const);
      const newest = storeSteady(store, nights, starts).filter(([, count]) => count === 1);
      assert.equal(newest.length, 127, "the first of them are not told apart any more");
    }));
});
