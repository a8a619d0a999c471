import assert from "node:assert/strict";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createMemoryKeeper } from "../../src/daemon/memory-keeper.ts";

const MEGABYTE = 1024 * 1024;

function keeperWith(start: number) {
  const state = { bytes: start, collected: 0 };
  const clock = createVirtualClock(1_000_000);
  const keeper = createMemoryKeeper({
    clock,
    residentBytes: () => state.bytes,
    collect: () => {
      state.collected++;
      state.bytes = 60 * MEGABYTE;
    },
  });
  return { state, clock, keeper };
}

test("the garbage of the start is given back once, and not again while nothing grows", () => {
  const { state, keeper } = keeperWith(72 * MEGABYTE);
  assert.equal(keeper.look(undefined), true);
  state.bytes = 63 * MEGABYTE;
  assert.equal(keeper.look(undefined), false);
  assert.equal(state.collected, 1);
});

test("a flood is not held up by a collection; the calm after it is used for one", () => {
  const { state, clock, keeper } = keeperWith(72 * MEGABYTE);
  keeper.look(undefined);
  state.bytes = 90 * MEGABYTE;
  assert.equal(keeper.look(clock.now()), false);
  const lastSeen = clock.now();
  clock.moveTo(lastSeen + 8_999);
  assert.equal(keeper.look(lastSeen), false);
  clock.moveTo(lastSeen + 9_000);
  assert.equal(keeper.look(lastSeen), true);
});

test("a real collection frees what nothing holds any more", () => {
  let held: object[] | undefined = Array.from({ length: 200_000 }, (_, index) => ({ index }));
  const before = process.memoryUsage().heapUsed;
  assert.equal(held.length, 200_000);
  held = undefined;
  assert.equal(createMemoryKeeper({ clock: createVirtualClock(0) }).look(undefined), true);
  assert.ok(process.memoryUsage().heapUsed < before - 5 * MEGABYTE);
});
