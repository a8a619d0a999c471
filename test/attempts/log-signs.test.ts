import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { steadyNow } from "../../src/clock.ts";
import type { Observation } from "../../src/model/observation.ts";
import {
  AUDIO,
  base,
  bench,
  controlError,
  definition,
  GPU,
  kernel,
  lifecycle,
  logEnd,
  logLine,
  logStart,
  NIC,
  outcomesOf,
  REFUSAL,
  SETTINGS,
  stateFailed,
  T0,
} from "./bench.ts";

const VM = "Windows 11";

describe("a start as its VM's own log tells it", () => {
  it("is one, with each line once, however often the log is read", () => {
    const one = bench();
    const log = [logStart(VM, 0, [GPU]), logLine(VM, 500, "qemu says no"), logEnd(VM, 600, "failed")];
    for (const at of [700, 5_000]) {
      one.clock.moveTo(T0 + at);
      for (const said of log) assert.equal(one.tracker.observe(said, []), true, said.kind);
    }
    one.clock.moveTo(T0 + 60_000);
    assert.deepEqual(
      one.outcomes().map(({ outcome, evidence }) => [outcome, evidence.length]),
      [["failed", 3]],
    );
    assert.deepEqual([...one.tracker.underWay()], []);
  });

  it("ends the one before it, whose end nobody heard: that ran, unless a cause of its failure was told", () => {
    const one = bench();
    for (const at of [0, 5_000, 9_000]) one.feed(logStart(VM, at, [GPU]));
    one.clock.moveTo(T0 + 9_200);
    assert.deepEqual(
      one.outcomes().map(({ outcome, openedAt, closedAt }) => [outcome, openedAt - T0, (closedAt ?? 0) - T0]),
      [
        ["started", 0, 5_000],
        ["started", 5_000, 9_000],
      ],
    );
    one.feed(logLine(VM, 9_500, "vfio: no"), REFUSAL);
    one.feed(logStart(VM, 12_000, [GPU]));
    one.feed(lifecycle(VM, 12_500, "started", "booted"));
    one.feed(logLine(VM, 13_000, "vfio: no, says the guest"), REFUSAL);
    one.feed(logStart(VM, 20_000, [GPU]));
    one.feed(logEnd(VM, 21_000, "failed"));
    one.clock.moveTo(T0 + 30_000);
    assert.deepEqual(outcomesOf(one), ["started", "started", "failed", "started", "failed"]);
  });

  it("began when libvirt said so where that is earlier, and goes on", () => {
    const one = bench();
    one.feed(lifecycle(VM, 0, "started", "booted"));
    one.feed(logStart(VM, 2_000, [GPU]));
    one.clock.moveTo(T0 + 5_000);
    assert.deepEqual(one.told, []);
    one.clock.moveTo(T0 + 100_000);
    assert.deepEqual(
      one.outcomes().map(({ outcome, openedAt, evidence }) => [outcome, openedAt, evidence.length]),
      [["started", T0, 2]],
    );
  });

  it("has what its command line lists only where that is whole, or where nothing else is known", () => {
    for (const [vm, listed, had] of [
      [VM, [GPU], [GPU, AUDIO]],
      ["nobody's", [NIC], [NIC]],
    ] as const) {
      const one = bench();
      one.feed({ ...logStart(vm, 0, listed), isWhole: false });
      one.feed(logEnd(vm, 500, "failed"));
      one.clock.moveTo(T0 + 5_000);
      assert.deepEqual(one.outcomes()[0]?.devices, had);
    }
  });

  it("takes at once what was said of its devices before its log was read", () => {
    const one = bench();
    one.feed(kernel(500, NIC));
    one.clock.moveTo(T0 + 3_000);
    assert.equal(one.tracker.unfinished().length, 1);
    one.feed(logStart("plain", 400, [NIC]));
    assert.deepEqual(one.tracker.unfinished(), []);
  });

  it("takes no line that was written after its end", () => {
    const one = bench();
    const [during, after] = [logLine(VM, 600, "last words"), logLine(VM, 601, "of another")];
    one.feed(logStart(VM, 0, [GPU]));
    one.feed(logEnd(VM, 600, "failed"));
    assert.deepEqual([one.tracker.observe(during, []), one.tracker.observe(after, [])], [true, false]);
  });
});

describe("the end in a VM's log", () => {
  it("is of the start that libvirt told of two seconds later, and no more", () => {
    for (const [at, pieces] of [
      [1_000, 2],
      [999, 1],
    ] as const) {
      const one = bench();
      one.feed(controlError(VM, 3_000));
      one.feed(logEnd(VM, at, "failed"));
      one.clock.moveTo(T0 + 60_000);
      assert.deepEqual(
        one.outcomes().map(({ evidence }) => evidence.length),
        [pieces],
      );
    }
  });

  it("is of the start that was over ten seconds before, and no more", () => {
    for (const [at, starts] of [
      [10_100, 1],
      [10_101, 2],
    ] as const) {
      const one = bench();
      one.feed(controlError(VM, 0));
      one.feed(stateFailed(VM, 100));
      one.feed(logEnd(VM, at, "failed"));
      one.clock.moveTo(T0 + 60_000);
      assert.equal(one.outcomes().length, starts, `${at}`);
    }
  });

  it("is of the start that has its beginning in the same log, though another is nearer", () => {
    const one = bench();
    one.feed(logStart(VM, 0, [GPU]));
    one.feed(stateFailed(VM, 1_000));
    one.feed(lifecycle(VM, 2_000, "started", "booted"));
    one.feed(logEnd(VM, 1_900, "failed"));
    one.clock.moveTo(T0 + 100_000);
    assert.deepEqual(outcomesOf(one), ["failed", "started"]);
  });

  it("is of a start of its own where it says `failed` after one that ran", () => {
    const one = bench();
    one.feed(logStart(VM, 0, [GPU]));
    one.feed(lifecycle(VM, 500, "started", "booted"));
    one.feed(logEnd(VM, 20_000, "failed"));
    one.clock.moveTo(T0 + 100_000);
    assert.deepEqual(outcomesOf(one), ["started", "failed"]);
  });

  it("says whether QEMU died by itself", () => {
    for (const [reason, outcome] of [
      ["daemon", "crashed-early"],
      ["crashed", "crashed-early"],
      ["shutdown", "started"],
      ["destroyed", "started"],
    ] as const) {
      const one = bench();
      one.feed(logStart(VM, 0, [GPU]));
      one.feed(lifecycle(VM, 500, "started", "booted"));
      one.feed(logEnd(VM, 9_000, reason));
      one.clock.moveTo(T0 + 9_500);
      assert.deepEqual(outcomesOf(one), [outcome], reason);
    }
  });

  it("of a run that was called good changes that only when QEMU died within the first minutes", () => {
    for (const [at, reason, outcome] of [
      [SETTINGS.crashedEarlyMs, "crashed", "crashed-early"],
      [SETTINGS.crashedEarlyMs + 1, "crashed", "started"],
      [SETTINGS.crashedEarlyMs, "shutdown", "started"],
    ] as const) {
      const one = bench();
      one.feed(logStart(VM, 0, [GPU]));
      one.feed(lifecycle(VM, 500, "started", "booted"));
      one.clock.moveTo(T0 + 200_000);
      const end = logEnd(VM, at, reason);
      one.clock.moveTo(T0 + at);
      assert.equal(one.tracker.observe(end, []), outcome !== "started");
      one.clock.moveTo(T0 + at + 5_000);
      assert.deepEqual(outcomesOf(one), [outcome]);
      assert.deepEqual([...one.tracker.runningAt(steadyNow(one.clock)).keys()], []);
    }
  });

  it("that is older than the run is not of it", () => {
    const one = bench();
    one.feed(logStart(VM, 100_000, [GPU]));
    one.clock.moveTo(T0 + 2_000_000);
    assert.equal(one.tracker.observe(logEnd(VM, 50_000, "crashed"), []), false);
    assert.deepEqual([...one.tracker.runningAt(steadyNow(one.clock)).keys()], [VM]);
    assert.deepEqual(outcomesOf(one), ["started"]);
  });

  it("tells when a start failed of which libvirt only knew that it had", () => {
    const one = bench();
    const failed: Observation = {
      ...base(0),
      kind: "vm-inventory",
      source: "libvirt",
      vms: [{ definition: definition("ubuntu", [NIC]), state: { state: "shutoff", reason: "failed" } }],
    };
    one.tracker.observe(failed, []);
    one.feed(logEnd("ubuntu", -5_000, "failed"));
    one.clock.moveTo(T0 + 5_000);
    assert.deepEqual(
      one.outcomes().map(({ outcome, openedAt, closedAt }) => [outcome, openedAt - T0, (closedAt ?? 0) - T0]),
      [["failed", -5_000, -5_000]],
    );
  });
});
