import assert from "node:assert/strict";
import { test } from "node:test";
import type { Observation } from "../../src/model/observation.ts";
import { placeKernel, placeLog, readClockSets, settingsAmong } from "../../src/replay/clock-sets.ts";

const T0 = Date.UTC(2026, 11, 1, 18);
const DAY = 86_400_000;
const iso = (at: number) => new Date(at).toISOString();
/** Two days back after 100 s, then forward again by a year after 100 s more. */
const sets = readClockSets(
  [
    `${iso(T0 + 100_000)} ${iso(T0 + 100_000 - 2 * DAY)}`,
    "no setting",
    `${iso(T0 + 200_000 - 2 * DAY)} ${iso(T0 + 200_000 + 363 * DAY)}`,
    "",
  ].join("\n"),
);
const clock = { bootedAt: T0, sets };
const said = (...times: readonly number[]) => times.map((at) => ({ at: T0 + at }) as Observation);
const moments = (placed: ReturnType<typeof placeLog>) => placed.map(({ undisturbed }) => undisturbed - T0);

test("lines of a log come where they were written, whatever the clock showed", () => {
  const times = [10_000, 90_000, 101_000 - 2 * DAY, 150_000 - 2 * DAY, 201_000 + 363 * DAY];
  assert.deepEqual(moments(placeLog(said(...times), clock)), [10_000, 90_000, 101_000, 150_000, 201_000]);
});

test("a log that begins after the clock was set is of that time, and what is older than the boot stays older", () => {
  assert.deepEqual(moments(placeLog(said(150_000 - 2 * DAY), clock)), [150_000]);
  assert.deepEqual(moments(placeLog(said(-3 * DAY, 20_000), clock)), [-3 * DAY, 20_000]);
  assert.deepEqual(moments(placeLog(said(20_000, 5_000), { bootedAt: T0, sets: [] })), [20_000, 5_000]);
});

test("what the kernel stamped is shown with the wall time of its moment", () => {
  const placed = placeKernel(said(50_000, 150_000, 250_000), clock);
  assert.deepEqual(moments(placed), [50_000, 150_000, 250_000]);
  assert.deepEqual(
    placed.map(({ observation }) => observation.at - T0),
    [50_000, 150_000 - 2 * DAY, 250_000 + 363 * DAY],
  );
});

test("each setting comes before what was said after it", () => {
  const placed = placeKernel(said(50_000, 150_000, 160_000), clock);
  assert.deepEqual(
    settingsAmong(placed, clock).map(({ before }) => before),
    [1, 3],
  );
});
