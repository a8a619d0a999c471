import assert from "node:assert/strict";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import type { StartAttempt } from "../../src/model/attempt.ts";
import type { HotPlug } from "../../src/model/hot-plug.ts";
import { createUnstored } from "../../src/pipeline/unstored.ts";
import type { StoreTrouble } from "../../src/store/refusal.ts";

const FULL = { kind: "disk-full" } as StoreTrouble;
const start = (id: string) => ({ id }) as StartAttempt;
const plug = (id: string) =>
  ({ id, action: "detach", outcome: "refused", vms: [], devices: [], evidence: [] }) as unknown as HotPlug;

function keeper() {
  const clock = createVirtualClock(0);
  const told: string[] = [];
  const unstored = createUnstored({
    clock,
    tell: (what, { kind }) =>
      told.push(
        what.kind === "start"
          ? `${what.attempt.id} ${what.snapshotId} ${kind}`
          : `${what.hotPlug.id}: ${what.summary}`,
      ),
  });
  return { clock, told, unstored };
}

test("what the disk refuses is told once, five seconds after it was refused first", () => {
  const { clock, told, unstored } = keeper();
  unstored.addStart(start("a"), "facts");
  unstored.addHotPlug(plug("p"));
  unstored.refused(FULL);
  clock.moveTo(4_000);
  unstored.refused(FULL);
  clock.moveTo(4_999);
  assert.deepEqual(told, []);
  clock.moveTo(5_000);
  const both = ["a facts disk-full", "p: The guest's system would not give the device away."];
  assert.deepEqual(told, both);
  assert.deepEqual(
    [...unstored.starts(), ...unstored.hotPlugs()].map((one) => one.told),
    ["told", "told"],
  );
  // More is said of them, and another comes, while the disk is still full.
  unstored.addStart(start("a"), "facts");
  unstored.addHotPlug(plug("p"));
  unstored.addStart(start("b"), undefined);
  unstored.refused(FULL);
  clock.moveTo(60_000);
  assert.deepEqual(told, [...both, "b undefined disk-full"]);
});

test("what the disk has taken is not told past it, and is kept no longer", () => {
  const { clock, told, unstored } = keeper();
  unstored.addStart(start("a"), "facts");
  unstored.addHotPlug(plug("p"));
  unstored.refused(FULL);
  unstored.stored(unstored.starts(), unstored.hotPlugs());
  assert.deepEqual([unstored.start("a"), unstored.starts(), unstored.hotPlugs()], [undefined, [], []]);
  clock.moveTo(4_000);
  unstored.addStart(start("b"), undefined);
  clock.moveTo(60_000);
  assert.deepEqual(told, []);
  unstored.refused(FULL);
  clock.moveTo(65_000);
  assert.deepEqual(told, ["b undefined disk-full"]);
  assert.equal(unstored.start("b")?.told, "told");
});
