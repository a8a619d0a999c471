import assert from "node:assert/strict";
import { test } from "node:test";
import { bench, definition, GPU, lifecycle, logEnd, logStart, T0 } from "./bench.ts";

const TWO_DAYS = 2 * 86_400_000;

test("starts after the clock was set back are starts of their own, in the order in which they happened", () => {
  const { feed, clock, outcomes, tracker } = bench();
  feed(logStart("Windows 11", 1000, [GPU]));
  feed(logEnd("Windows 11", 2000, "failed"));
  clock.moveTo(T0 + 60_000);
  clock.setWall(T0 + 60_000 - TWO_DAYS);
  feed(logStart("Windows 11", 61_000 - TWO_DAYS, [GPU]));
  feed({
    ...lifecycle("Windows 11", 61_300 - TWO_DAYS, "started", "booted"),
    running: definition("Windows 11", [GPU]),
  });
  clock.moveTo(clock.now() + 120_000);
  const starts = outcomes();
  assert.deepEqual(
    starts.map(({ outcome, openedAt }) => [outcome, openedAt - T0]),
    [
      ["failed", 1000],
      ["started", 61_000 - TWO_DAYS],
    ],
  );
  assert.ok((starts[1]?.steady ?? 0) > (starts[0]?.steady ?? 0));
  assert.deepEqual([...tracker.runningAt(clock.now()).keys()], ["Windows 11"]);
});

test("a VM that ended before the clock was set back does not run after it", () => {
  const { feed, clock, tracker } = bench();
  feed(logStart("ubuntu", 1000, []));
  feed(lifecycle("ubuntu", 1300, "started", "booted"));
  feed(logEnd("ubuntu", 90_000, "shutdown"));
  clock.moveTo(T0 + 100_000);
  clock.setWall(T0 - TWO_DAYS);
  assert.deepEqual([...tracker.runningAt(clock.now()).keys()], []);
});

test("a start that is under way when the clock is set back settles as soon as it would have", () => {
  const { feed, clock, outcomes } = bench();
  feed(logStart("ubuntu", 1000, []));
  clock.setWall(T0 + 1000 - TWO_DAYS);
  feed(lifecycle("ubuntu", 1300 - TWO_DAYS, "started", "booted"));
  clock.moveTo(clock.now() + 61_000);
  assert.deepEqual(
    outcomes().map(({ outcome }) => outcome),
    ["started"],
  );
});
