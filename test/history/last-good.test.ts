import assert from "node:assert/strict";
import { test } from "node:test";
import { lastGoodWith } from "../../src/history/last-good.ts";
import { type Bdf, vmName } from "../../src/model/identifiers.ts";
import type { Store } from "../../src/store/store.ts";
import { GPU, START, sampleAttempt, withStore } from "../store/samples.ts";

const VM = vmName("Windows 11");
const NIC = "0000:03:00.0" as Bdf;

function started(store: Store, at: number, devices: readonly Bdf[]): void {
  const attempt = sampleAttempt({ id: `start ${at}`, openedAt: START + at, devices, outcome: "started" });
  store.attempts.save({ ...attempt, evidence: [] }, { origin: "live" });
}

function goodBefore(store: Store, devices: readonly Bdf[]) {
  const found = lastGoodWith(store.attempts, VM, devices, undefined);
  return found && [found.row.openedAt - START, found.without];
}

test("a good start without the device is none of the device, and an older one with it is", () =>
  withStore((store) => {
    started(store, 1000, [GPU, NIC]);
    started(store, 2000, [GPU]);
    started(store, 3000, []);
    assert.deepEqual(goodBefore(store, []), [3000, []]);
    assert.deepEqual(goodBefore(store, [GPU]), [2000, []]);
    assert.deepEqual(goodBefore(store, [GPU, NIC]), [1000, []]);
  }));

test("where none had the device the newest is told with what it lacked", () =>
  withStore((store) => {
    started(store, 1000, []);
    started(store, 2000, [NIC]);
    assert.deepEqual(goodBefore(store, [GPU, NIC]), [2000, [GPU]]);
  }));

test("within a boot the order is that of the steady clock, whatever the clock on the wall was set to", () =>
  withStore((store) => {
    const day = 86_400_000;
    const save = (id: string, at: number, steady: number, outcome: "started" | "failed") =>
      store.attempts.save(
        { ...sampleAttempt({ id, openedAt: START + at, outcome, devices: [GPU] }), steady, evidence: [] },
        { origin: "live" },
      );
    save("first", 0, 1000, "started");
    save("second", 60_000, 61_000, "started");
    const failed = save("after the clock was set back two days", 120_000 - 2 * day, 121_000, "failed");
    save("healed", 180_000 - 2 * day, 181_000, "started");
    assert.deepEqual(
      store.attempts.list({}).map(({ id }) => id),
      ["healed", "after the clock was set back two days", "second", "first"],
    );
    assert.equal(lastGoodWith(store.attempts, VM, [GPU], failed)?.row.id, "second");
    assert.equal(store.attempts.list({ vm: VM, after: failed, startedOnly: true })[0]?.id, "healed");
  }));
