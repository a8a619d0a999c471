import assert from "node:assert/strict";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import type { StartAttempt } from "../../src/model/attempt.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { createSecondThoughts } from "../../src/pipeline/second-thoughts.ts";
import { definition, GPU, NIC } from "../attempts/bench.ts";

const attempt = (id = "1"): StartAttempt =>
  ({ id, vm: vmName("win"), devices: [GPU], groups: [], evidence: [] }) as unknown as StartAttempt;

function thoughts(others: Parameters<typeof definition>[1]) {
  const clock = createVirtualClock(0);
  const again: number[] = [];
  const second = createSecondThoughts({
    clock,
    vms: () =>
      [definition("win", [GPU]), definition("other", others)].map((vm) => ({
        definition: vm,
        state: { state: "shutoff", reason: "destroyed" },
      })),
  });
  return {
    clock,
    again,
    ask: (id: string, isUnexplained: boolean) =>
      second.waitsFor(attempt(id), isUnexplained, () => again.push(clock.now())),
  };
}

test("what nothing explains is looked at again after a moment, later where another VM has the device too", () => {
  for (const [others, after] of [
    [[NIC], 1_500],
    [[NIC, GPU], 6_000],
  ] as const) {
    const { clock, again, ask } = thoughts(others);
    assert.equal(ask("1", true), true);
    clock.moveTo(100_000);
    assert.deepEqual(again, [after]);
    assert.equal(ask("1", true), false, "now it is told");
    assert.equal(ask("1", true), true, "new evidence begins anew");
  }
});

test("what is explained meanwhile is told at once, and not looked at again", () => {
  const { clock, again, ask } = thoughts([]);
  assert.equal(ask("explained", false), false);
  assert.equal(ask("1", true), true);
  assert.equal(ask("1", false), false);
  clock.moveTo(100_000);
  assert.deepEqual(again, []);
});
