import assert from "node:assert/strict";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createHealthKeeper } from "../../src/sources/source-state.ts";

test("health begins in the state starting, with nothing seen", () => {
  const clock = createVirtualClock(1_000);
  assert.deepEqual(createHealthKeeper({ name: "kernel-log", clock }).health(), {
    name: "kernel-log",
    state: { state: "starting" },
    since: 1_000,
    seen: 0,
    lastSeenAt: undefined,
    lost: 0,
    skipped: 0,
  });
});

test("health counts what is seen, lost and skipped, and keeps the newest time", () => {
  const keeper = createHealthKeeper({ name: "libvirt", clock: createVirtualClock(1_000) });
  keeper.observed(500);
  keeper.observed(200);
  keeper.lost(3);
  keeper.lost(4);
  keeper.skipped(1);
  const { seen, lastSeenAt, lost, skipped } = keeper.health();
  assert.deepEqual({ seen, lastSeenAt, lost, skipped }, { seen: 2, lastSeenAt: 500, lost: 7, skipped: 1 });
});

test("the newest is what happened last, also after the clock was set back", () => {
  const clock = createVirtualClock(1_000_000);
  const keeper = createHealthKeeper({ name: "libvirt", clock });
  keeper.observed(1_000_000);
  clock.moveTo(1_060_000);
  clock.setWall(500_000);
  keeper.observed(499_000);
  const { lastSeenAt, lastSeenSteady } = keeper.health();
  assert.deepEqual({ lastSeenAt, lastSeenSteady }, { lastSeenAt: 499_000, lastSeenSteady: 1_059_000 });
});

test("a state begins when it changes, not each time it is said", () => {
  const clock = createVirtualClock(0);
  const keeper = createHealthKeeper({ name: "domain-logs", clock });
  const sinceAfter = (time: number, state: Parameters<typeof keeper.become>[0]) => {
    clock.moveTo(time);
    keeper.become(state);
    return keeper.health().since;
  };
  assert.equal(sinceAfter(10, { state: "waiting", why: "no directory", remedy: "install libvirt" }), 10);
  assert.equal(sinceAfter(20, { state: "waiting", why: "no directory", remedy: "install libvirt" }), 10);
  assert.equal(sinceAfter(30, { state: "waiting", why: "not readable", remedy: "run as root" }), 30);
  assert.equal(sinceAfter(40, { state: "live", detail: "following 1 log" }), 40);
  assert.equal(sinceAfter(50, { state: "live", detail: "following 2 logs" }), 40);
  assert.deepEqual(keeper.health().state, { state: "live", detail: "following 2 logs" });
});
