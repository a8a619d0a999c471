import assert from "node:assert/strict";
import { test } from "node:test";
import { createEndingClock, createVirtualClock } from "../src/clock.ts";

test("a clock that has ended runs nothing that was or is asked of it", () => {
  const time = createVirtualClock(1_000);
  const clock = createEndingClock(time);
  const ran: string[] = [];
  clock.after(5, () => ran.push("in time"));
  clock.after(20, () => ran.push("too late"));
  clock.after(6, () => ran.push("taken back"))();
  time.moveTo(1_010);
  assert.equal(clock.now(), 1_010);
  clock.end();
  clock.after(1, () => ran.push("asked for after the end"));
  time.moveTo(2_000);
  assert.deepEqual(ran, ["in time"]);
});
