import assert from "node:assert/strict";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { createSnapshots } from "../../src/daemon/snapshots.ts";
import type { StoreTrouble } from "../../src/store/refusal.ts";
import type { Store } from "../../src/store/store.ts";
import { BOOT, fact, START, sampleAttempt, withStore } from "../store/samples.ts";

const full: StoreTrouble = {
  ...{ kind: "disk-full", since: START, until: undefined, times: 1 },
  ...{ why: "The disk is full.", remedy: "Make room." },
};

test("the facts of a start are those of its beginning, also where the disk took them later", () =>
  withStore((real) => {
    let isFull = true;
    const store: Store = {
      ...real,
      batched: (work) => (isFull ? { state: "refused", trouble: full } : real.batched(work)),
    };
    let bios = "A95";
    const troubles: string[] = [];
    const snapshots = createSnapshots({
      ...{ clock: createVirtualClock(START), store, bootId: BOOT },
      collect: () => [fact("firmware.bios.version", bios)],
      onTrouble: ({ kind }) => troubles.push(kind),
    });
    const snapshotId = snapshots.take("start attempt");
    assert.deepEqual(troubles, ["disk-full"]);
    // It is full for long, and the same VM is tried again and again.
    bios = "A63";
    for (let start = 0; start < 100; start += 1) {
      snapshots.outdate();
      snapshots.take("start attempt");
    }
    isFull = false;
    snapshots.saveKept();
    real.attempts.save(sampleAttempt({ id: "a" }), { origin: "live", snapshotId });
    const [row] = real.attempts.list();
    assert.deepEqual(real.snapshots.fact(row?.snapshotId ?? "", "firmware.bios.version")?.value, {
      state: "value",
      value: "A95",
    });
  }));

test("what is known to have changed is read anew, however young the last reading is", () =>
  withStore((store) => {
    let devices = "none";
    const snapshots = createSnapshots({
      ...{ clock: createVirtualClock(START), store, bootId: BOOT },
      collect: () => [fact("vm.x.devices", devices)],
      onTrouble: () => {},
    });
    const before = snapshots.take("start attempt");
    devices = "one";
    assert.equal(snapshots.take("start attempt"), before);
    snapshots.outdate();
    assert.notEqual(snapshots.take("start attempt"), before);
  }));
