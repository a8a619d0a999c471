import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { steadyNow } from "../../src/clock.ts";
import type { Observation } from "../../src/model/observation.ts";
import type { VmState } from "../../src/model/virtual-machine.ts";
import {
  AUDIO,
  type Bench,
  base,
  bench,
  controlError,
  definition,
  GPU,
  kernel,
  lifecycle,
  logEnd,
  logStart,
  NIC,
  outcomesOf,
  stateFailed,
  T0,
} from "./bench.ts";

const VM = "Windows 11";
const OFF: VmState = { state: "shutoff", reason: "destroyed" };
const FAILED: VmState = { state: "shutoff", reason: "failed" };
const RUNS: VmState = { state: "running", reason: "booted" };

const piecesOf = ({ outcomes }: Bench) => outcomes().map(({ evidence }) => evidence.length);
const running = ({ tracker, clock }: Bench) => [...tracker.runningAt(steadyNow(clock)).keys()];

function listed(at: number, state: VmState, has?: Parameters<typeof definition>[1]): Observation {
  return {
    ...base(at),
    kind: "vm-inventory",
    source: "libvirt",
    vms: [
      {
        definition: definition(VM, [GPU, AUDIO]),
        state,
        ...(has !== undefined && { running: definition(VM, has) }),
      },
    ],
  };
}
const seen = (at: number, state: VmState): Observation => ({ ...stateFailed(VM, at), state }) as Observation;

describe("a start as libvirt's events tell it", () => {
  it("ends as libvirt says: by itself, which is a crash, or because somebody wanted it", () => {
    for (const [detail, outcome] of [
      ["failed", "crashed-early"],
      ["crashed", "crashed-early"],
      ["shutdown", "started"],
      ["destroyed", "started"],
    ] as const) {
      const one = bench();
      one.feed(lifecycle(VM, 0, "started", "booted"));
      one.feed(lifecycle(VM, 9_000, "stopped", detail));
      one.clock.moveTo(T0 + 9_500);
      assert.deepEqual([outcomesOf(one), running(one)], [[outcome], []], detail);
      one.feed(lifecycle(VM, 12_000, "started", "booted"));
      one.clock.moveTo(T0 + 100_000);
      assert.deepEqual([outcomesOf(one), running(one)], [[outcome, "started"], [VM]], detail);
    }
  });

  it("does not end before libvirt has called it started, whatever it calls stopped", () => {
    const one = bench();
    one.feed(logStart(VM, 0, [GPU]));
    one.feed(lifecycle(VM, 500, "stopped", "failed"));
    one.clock.moveTo(T0 + 30_000);
    assert.deepEqual(one.told, []);
    one.feed(logEnd(VM, 30_000, "failed"));
    one.clock.moveTo(T0 + 60_000);
    assert.deepEqual([outcomesOf(one), piecesOf(one)], [["failed"], [3]]);
  });

  it("has the devices of the VM that then ran, whatever its definition says", () => {
    const one = bench();
    one.feed({ ...lifecycle(VM, 0, "started", "booted"), running: definition(VM, [NIC]) });
    one.clock.moveTo(T0 + 100_000);
    assert.deepEqual(
      one.outcomes().map(({ devices, groups }) => [devices, groups]),
      [[[NIC], [20]]],
    );
  });

  it("is the one that took so long that it was called good before", () => {
    const one = bench();
    one.feed(logStart(VM, 0, [GPU]));
    one.clock.moveTo(T0 + 1_000_000);
    assert.deepEqual(outcomesOf(one), ["started"]);
    assert.equal(one.tracker.observe(lifecycle(VM, 999_000, "started", "booted"), []), true);
    one.clock.moveTo(T0 + 2_000_000);
    assert.deepEqual([outcomesOf(one), piecesOf(one)], [["started"], [2]]);
    assert.deepEqual(one.outcomes()[0]?.devices, [GPU]);
  });

  it("keeps the definition that it had, and is done with what is said after its end", () => {
    const one = bench();
    one.feed(lifecycle("ubuntu", 0, "started", "booted"));
    assert.equal(one.tracker.observe(lifecycle("ubuntu", 0, "resumed", "unpaused"), []), true);
    one.feed(lifecycle("ubuntu", 500, "stopped", "destroyed"));
    assert.equal(one.tracker.observe(lifecycle("ubuntu", 500, "stopped", "destroyed"), []), false);
    assert.deepEqual(one.outcomes().length, 0);
    one.feed(kernel(100_000, NIC));
    one.clock.moveTo(T0 + 200_000);
    assert.deepEqual(
      one.outcomes().map(({ vm, outcome, devices }) => [vm, outcome, devices]),
      [
        ["ubuntu", "started", [NIC]],
        ["ubuntu", "failed", [NIC]],
      ],
    );
  });

  it("is another one each time that libvirt says so, unless it was found running just before", () => {
    for (const [at, starts] of [
      [10_000, 1],
      [10_001, 2],
    ] as const) {
      const one = bench();
      one.tracker.observe(listed(0, RUNS), []);
      one.feed(lifecycle(VM, at, "started", "booted"));
      one.clock.moveTo(T0 + 200_000);
      assert.equal(one.outcomes().length, starts, `${at}`);
      one.feed(lifecycle(VM, 200_001, "started", "booted"));
      one.feed(lifecycle(VM, 200_002, "started", "booted"));
      one.clock.moveTo(T0 + 400_000);
      assert.equal(one.outcomes().length, starts + 2, `${at}`);
    }
  });

  it("is another one after one that failed or ended", () => {
    const one = bench();
    one.feed(logStart(VM, 0, [GPU]));
    one.feed(logEnd(VM, 500, "failed"));
    one.feed(lifecycle(VM, 900, "started", "booted"));
    one.feed(lifecycle(VM, 1_000, "stopped", "destroyed"));
    one.feed(lifecycle(VM, 1_500, "started", "booted"));
    one.clock.moveTo(T0 + 100_000);
    assert.deepEqual(outcomesOf(one), ["failed", "started", "started"]);
  });

  it("whose VM is undefined leaves its devices to nobody", () => {
    const one = bench();
    one.feed(lifecycle("ubuntu", 0, "undefined", "removed"));
    one.feed(kernel(1_000, NIC));
    one.clock.moveTo(T0 + 60_000);
    assert.deepEqual(
      one.outcomes().map(({ vm }) => vm),
      ["unknown VM (0000:04:00.0)"],
    );
  });
});

describe("libvirt's error while it starts a VM", () => {
  it("is said once of each start, and of the nearest", () => {
    const one = bench();
    const [first, second] = [controlError(VM, 5_000), controlError(VM, 5_010)];
    one.feed(logStart(VM, 0, [GPU]));
    one.feed(logEnd(VM, 500, "failed"));
    one.feed(logStart(VM, 4_000, [GPU]));
    one.feed(logEnd(VM, 4_900, "failed"));
    for (const error of [first, second, first]) one.feed(error);
    one.clock.moveTo(T0 + 60_000);
    assert.deepEqual(piecesOf(one), [3, 3]);
    const errors = one.outcomes().map(({ evidence }) => evidence.at(-1)?.observation.identity);
    assert.deepEqual(errors, [second.identity, first.identity]);
    assert.equal(one.tracker.observe(first, []), true);
    assert.deepEqual([...one.tracker.underWay()], []);
  });

  it("is of a start that begins two seconds later, or that was over ten seconds before", () => {
    for (const [at, pieces] of [
      [18_000, 3],
      [17_999, 2],
      [31_000, 3],
      [31_001, 2],
    ] as const) {
      const one = bench();
      one.feed(logStart(VM, 20_000, [GPU]));
      one.feed(logEnd(VM, 21_000, "failed"));
      one.feed(controlError(VM, at));
      one.clock.moveTo(T0 + 60_000);
      assert.deepEqual(piecesOf(one), [pieces], `${at}`);
    }
  });
});

describe("the state in which libvirt has a VM", () => {
  it("is of a start that nobody told of where it says for the first time that it failed", () => {
    const one = bench();
    for (const at of [0, 1_000]) one.feed(seen(at, FAILED));
    one.clock.moveTo(T0 + 2_000);
    assert.deepEqual(outcomesOf(one), [], "it may have failed at any time before");
    for (const [at, state] of [
      [3_000, OFF],
      [4_000, FAILED],
      [5_000, FAILED],
      [6_000, OFF],
    ] as const)
      one.feed(seen(at, state));
    one.clock.moveTo(T0 + 60_000);
    assert.deepEqual(outcomesOf(one), ["failed"]);
  });

  it("ends a start that is under way, and only confirms one that has failed", () => {
    const one = bench();
    one.feed(logStart(VM, 0, [GPU]));
    one.feed(stateFailed(VM, 1_000));
    one.clock.moveTo(T0 + 2_000);
    assert.deepEqual([outcomesOf(one), piecesOf(one)], [["failed"], [2]]);
    assert.equal(one.tracker.observe(stateFailed(VM, 2_000), []), true);
    one.clock.moveTo(T0 + 60_000);
    assert.deepEqual([outcomesOf(one), piecesOf(one)], [["failed"], [3]]);
  });

  it("that is no failure ends nothing, and one that is told already is told once", () => {
    const one = bench();
    one.feed(seen(0, OFF));
    one.feed(logStart(VM, 0, [GPU]));
    assert.equal(one.tracker.observe(seen(100, OFF), []), false);
    one.clock.moveTo(T0 + 5_000);
    assert.deepEqual(one.told, []);
    one.feed(logEnd(VM, 6_000, "failed"));
    one.feed(stateFailed(VM, 7_000));
    one.clock.moveTo(T0 + 60_000);
    assert.deepEqual([outcomesOf(one), piecesOf(one)], [["failed"], [3]]);
  });

  it("is no word about a start that is running", () => {
    const one = bench();
    one.feed(lifecycle(VM, 0, "started", "booted"));
    assert.equal(one.tracker.observe(stateFailed(VM, 1_000), []), false);
    one.clock.moveTo(T0 + 100_000);
    assert.deepEqual([outcomesOf(one), running(one)], [["started"], [VM]]);
  });

  it("as it was before a run ended is no other start", () => {
    const one = bench();
    one.feed(seen(0, OFF));
    one.feed(lifecycle(VM, 1_000, "started", "booted"));
    one.clock.moveTo(T0 + 80_000);
    one.feed(lifecycle(VM, 90_000, "stopped", "shutdown"));
    one.feed(seen(85_000, FAILED));
    one.clock.moveTo(T0 + 200_000);
    assert.deepEqual(outcomesOf(one), ["started"]);
  });

  it("is of another start than one that ran and ended before", () => {
    for (const [at, starts] of [
      [9_001, ["started", "failed"]],
      [9_000, ["started"]],
    ] as const) {
      const one = bench();
      one.feed(seen(0, OFF));
      one.feed(lifecycle(VM, 1_000, "started", "booted"));
      one.feed(lifecycle(VM, 9_000, "stopped", "shutdown"));
      assert.equal(one.tracker.observe(seen(at, FAILED), []), starts.length > 1);
      one.clock.moveTo(T0 + 60_000);
      assert.deepEqual(outcomesOf(one), starts);
    }
  });
});

describe("the list of VMs that a connection begins with", () => {
  it("has a good start in a VM that runs, with the devices that it runs with, each run once", () => {
    const one = bench();
    one.tracker.observe(listed(0, RUNS, [NIC]), []);
    one.clock.moveTo(T0 + 100_000);
    one.tracker.observe(listed(100_000, RUNS, [NIC]), []);
    one.clock.moveTo(T0 + 200_000);
    assert.deepEqual(
      one.outcomes().map(({ outcome, devices }) => [outcome, devices]),
      [["started", [NIC]]],
    );
    one.feed(lifecycle(VM, 200_000, "stopped", "destroyed"));
    one.clock.moveTo(T0 + 300_000);
    one.tracker.observe(listed(300_000, RUNS), []);
    one.clock.moveTo(T0 + 400_000);
    assert.deepEqual(outcomesOf(one), ["started", "started"], "it was started unheard");
  });

  it("shows that a start which is under way has succeeded", () => {
    const one = bench();
    one.feed(logStart(VM, 0, [GPU]));
    one.tracker.observe(listed(5_000, RUNS), []);
    one.clock.moveTo(T0 + 5_000 + 60_000);
    assert.deepEqual(
      one.outcomes().map(({ outcome, openedAt }) => [outcome, openedAt]),
      [["started", T0]],
    );
    assert.deepEqual([...one.tracker.underWay()], []);
  });

  it("takes a VM for one that is being ended for ten seconds around its end", () => {
    for (const [at, starts] of [
      [10_500, 1],
      [10_501, 2],
    ] as const) {
      const one = bench();
      one.feed(logStart(VM, 0, [GPU]));
      one.feed(logEnd(VM, 500, "crashed"));
      one.clock.moveTo(T0 + at);
      one.tracker.observe(listed(at, RUNS), []);
      one.clock.moveTo(T0 + 400_000);
      assert.equal(one.outcomes().length, starts, `${at}`);
    }
  });

  it("says of a VM whose last start failed that it did, where nothing else does", () => {
    const one = bench();
    one.tracker.observe(listed(0, FAILED), []);
    one.clock.moveTo(T0 + 1_000);
    assert.deepEqual(outcomesOf(one), ["failed"]);
    one.tracker.observe(listed(1_000, FAILED), []);
    one.feed(logStart(VM, 2_000, [GPU]));
    one.tracker.observe(listed(3_000, FAILED), []);
    one.clock.moveTo(T0 + 60_000);
    assert.deepEqual(
      [outcomesOf(one), piecesOf(one)],
      [
        ["failed", "failed"],
        [1, 2],
      ],
    );
  });
});
