import assert from "node:assert/strict";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createEarlyBoot } from "../../src/daemon/early-boot.ts";
import { START } from "../store/samples.ts";

function boot(uptime: number) {
  const clock = createVirtualClock(START);
  const host = { isAwaited: true, seen: "none" };
  let overs = 0;
  const early = createEarlyBoot({
    clock,
    bootedAt: START - uptime,
    situation: () => ({ ...host }),
    onOver: () => {
      overs += 1;
    },
  });
  return { clock, host, early, overs: () => overs };
}

test("a host that comes up has when nothing is awaited and nothing moves any more", () => {
  const { clock, host, early, overs } = boot(10_000);
  clock.moveTo(START + 20_000);
  assert.equal(early.isOver(), false);
  host.isAwaited = false;
  host.seen = "ahci";
  clock.moveTo(START + 25_000);
  assert.equal(early.isOver(), false, "a driver was bound since the last look");
  clock.moveTo(START + 30_000);
  assert.deepEqual([early.isOver(), overs()], [true, 1]);
  clock.moveTo(START + 900_000);
  assert.equal(overs(), 1);
});

test("a host on which something never comes is not waited for for ever", () => {
  const { clock, early, overs } = boot(10_000);
  clock.moveTo(START + 170_000);
  assert.equal(early.isOver(), false);
  clock.moveTo(START + 190_000);
  assert.deepEqual([early.isOver(), overs()], [true, 1]);
});

test("a service that is started on a host that has long been up waits for nothing", () => {
  assert.equal(boot(301_000).early.isOver(), true);
});
