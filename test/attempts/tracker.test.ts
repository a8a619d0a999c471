import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createAttemptTracker } from "../../src/attempts/tracker.ts";
import { createVirtualClock } from "../../src/clock.ts";
import type { StartAttempt } from "../../src/model/attempt.ts";
import { deviceOfUnknownVm } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import {
  AUDIO,
  base,
  bdf,
  bench,
  controlError,
  definition,
  GPU,
  kernel,
  libvirtd,
  lifecycle,
  logEnd,
  logLine,
  logStart,
  NIC,
  REFUSAL,
  SETTINGS,
  stateFailed,
  T0,
} from "./bench.ts";

const kindsOf = (attempt: StartAttempt | undefined) =>
  attempt?.evidence.map(({ observation }) => observation.kind) ?? [];

describe("a start attempt", () => {
  it("joins kernel, QEMU and libvirt when QEMU dies while starting", () => {
    const { feed, clock, outcomes } = bench();
    feed(logStart("Windows 11", 1000, [GPU, AUDIO]));
    feed(kernel(1900, AUDIO));
    feed(logLine("Windows 11", 2000, "Failed to set group container: Invalid argument"));
    feed(controlError("Windows 11", 2050));
    feed(logEnd("Windows 11", 2100, "failed"));
    feed(stateFailed("Windows 11", 2110));
    feed(libvirtd(2120, "internal error: process exited while connecting to monitor"));
    clock.moveTo(T0 + 10_000);
    const [attempt, ...others] = outcomes();
    assert.equal(others.length, 0);
    assert.equal(attempt?.outcome, "failed");
    assert.deepEqual(attempt?.devices, [GPU, AUDIO]);
    assert.deepEqual(attempt?.groups, [14]);
    assert.deepEqual(kindsOf(attempt), [
      "domain-log-start",
      "kernel-record",
      "domain-log-line",
      "vm-control-error",
      "domain-log-end",
      "vm-state",
      "libvirtd-record",
    ]);
  });

  it("is seen when libvirt refuses before it runs QEMU and only the log's last line remains", () => {
    const { feed, clock, outcomes } = bench();
    feed(libvirtd(900, "unsupported configuration: host doesn't support passthrough of host PCI devices"));
    feed(logEnd("Windows 11", 1000, "failed"));
    clock.moveTo(T0 + 5000);
    const [attempt, ...others] = outcomes();
    assert.equal(others.length, 0);
    assert.equal(attempt?.outcome, "failed");
    assert.deepEqual(kindsOf(attempt), ["libvirtd-record", "domain-log-end"]);
  });

  it("is announced within a third of a second of its last evidence", () => {
    const { feed, clock, told } = bench();
    feed(logStart("Windows 11", 0));
    feed(logEnd("Windows 11", 100, "failed"));
    clock.moveTo(T0 + 100 + 300);
    assert.equal(told.length, 1);
  });

  it("is good once the settling time has passed, not before", () => {
    const { feed, clock, told } = bench();
    feed(logStart("Windows 11", 0));
    feed(lifecycle("Windows 11", 500, "started", "booted"));
    clock.moveTo(T0 + 500 + SETTINGS.settlingMs - 1);
    assert.equal(told.length, 0);
    clock.moveTo(T0 + 500 + SETTINGS.settlingMs);
    assert.deepEqual(
      told.map((attempt) => attempt.outcome),
      ["started"],
    );
  });

  it("that takes minutes until libvirt calls it started is one attempt", () => {
    const { feed, clock, outcomes } = bench();
    feed(logStart("Windows 11", 0, [GPU]));
    clock.moveTo(T0 + SETTINGS.settlingMs * 3);
    assert.equal(outcomes().length, 0);
    feed(lifecycle("Windows 11", SETTINGS.settlingMs * 3, "started", "booted"));
    clock.moveTo(T0 + SETTINGS.settlingMs * 5);
    assert.deepEqual(
      outcomes().map(({ outcome, openedAt }) => [outcome, openedAt]),
      [["started", T0]],
    );
  });

  it("crashed early when QEMU dies minutes after a start that had been announced as good", () => {
    const { feed, clock, outcomes } = bench();
    feed(logStart("Windows 11", 0));
    feed(lifecycle("Windows 11", 500, "started", "booted"));
    clock.moveTo(T0 + 100_000);
    feed(logEnd("Windows 11", 120_000, "crashed"));
    clock.moveTo(T0 + 121_000);
    assert.deepEqual(
      outcomes().map((attempt) => attempt.outcome),
      ["crashed-early"],
    );
  });

  it("that was seen first after its log began is that log's for two minutes, and another's after", () => {
    for (const [late, attempts] of [
      [120_000, 1],
      [120_001, 2],
    ] as const) {
      const { feed, clock, outcomes } = bench();
      feed(lifecycle("Windows 11", late, "started", "booted"));
      feed(logStart("Windows 11", 0, [GPU]));
      clock.moveTo(T0 + 2_000_000);
      assert.equal(outcomes().length, attempts, `${late}`);
    }
  });

  it("takes late evidence while it is one of the last twelve of its VM", () => {
    const { feed, clock, outcomes } = bench();
    const begins = Array.from({ length: 13 }, (_, index) => index * 2_000);
    for (const at of begins) {
      feed(logStart("Windows 11", at, [GPU]));
      feed(logEnd("Windows 11", at + 1_000, "failed"));
    }
    clock.moveTo(T0 + 40_000);
    const evidence = () => outcomes().map((attempt) => attempt.evidence.length);
    assert.deepEqual(
      evidence(),
      begins.map(() => 2),
    );
    for (const at of begins.slice(0, 2)) feed(kernel(at + 500, GPU));
    clock.moveTo(T0 + 60_000);
    assert.deepEqual(evidence(), [2, 3, ...begins.slice(2).map(() => 2)]);
  });

  it("is five attempts when the VM is tried five times in ten seconds", () => {
    const { feed, clock, outcomes } = bench();
    for (let index = 0; index < 5; index += 1) {
      const at = index * 2000;
      feed(logStart("Windows 11", at, [GPU]));
      feed(kernel(at + 400, GPU));
      feed(controlError("Windows 11", at + 500));
      feed(logEnd("Windows 11", at + 600, "failed"));
      feed(stateFailed("Windows 11", at + 620));
    }
    clock.moveTo(T0 + 60_000);
    assert.equal(outcomes().length, 5);
    for (const attempt of outcomes()) assert.equal(attempt.evidence.length, 5, attempt.id);
  });

  it("is five attempts when libvirt refuses five times and only five last lines remain", () => {
    const { feed, clock, outcomes } = bench();
    for (let index = 0; index < 5; index += 1) {
      feed(libvirtd(index * 2000 - 20, `error ${index}`));
      feed(logEnd("Windows 11", index * 2000, "failed"));
    }
    clock.moveTo(T0 + 60_000);
    assert.equal(outcomes().length, 5);
    for (const [index, attempt] of outcomes().entries()) {
      const texts = attempt.evidence.map(({ observation }) =>
        "text" in observation ? observation.text : "",
      );
      assert.deepEqual(texts, [`error ${index}`, ""]);
    }
  });

  it("keeps its own evidence when two VMs start at once", () => {
    const { feed, clock, outcomes } = bench();
    feed(logStart("Windows 11", 0, [GPU]));
    feed(logStart("ubuntu", 50, [NIC]));
    feed(kernel(300, NIC));
    feed(kernel(310, AUDIO));
    feed(logLine("ubuntu", 400, "nic line"));
    feed(logLine("Windows 11", 410, "gpu line"));
    feed(logEnd("ubuntu", 500, "failed"));
    feed(logEnd("Windows 11", 520, "failed"));
    clock.moveTo(T0 + 10_000);
    const devices = outcomes().map((attempt) =>
      attempt.evidence.flatMap(({ observation }) =>
        observation.kind === "kernel-record" ? [observation.device] : [],
      ),
    );
    assert.deepEqual(devices, [[NIC], [AUDIO]]);
  });

  for (const delay of [0, 40, 100]) {
    it(`takes libvirt's words that name no VM, not another one that starts meanwhile (read ${delay} ms late)`, () => {
      const { feed, clock, outcomes, told } = bench();
      feed(logStart("Windows 11", 0, [GPU]));
      const record = libvirtd(
        995,
        "Cannot access storage file '/nonexistent.img': No such file or directory",
      );
      if (delay === 0) feed(record);
      feed(logEnd("plain", 1000, "failed"));
      clock.moveTo(T0 + 1000 + delay);
      if (delay > 0) feed(record);
      clock.moveTo(T0 + 3000);
      feed(libvirtd(4990, "internal error: process exited while connecting to monitor: vfio"));
      feed(logEnd("Windows 11", 5000, "failed"));
      clock.moveTo(T0 + 20_000);
      const words = outcomes().map(({ vm, evidence }) => [
        vm,
        ...evidence.flatMap(({ observation }) =>
          observation.kind === "libvirtd-record" ? [observation.text.slice(0, 13)] : [],
        ),
      ]);
      assert.deepEqual(words, [
        ["plain", "Cannot access"],
        ["Windows 11", "internal erro"],
      ]);
      assert.equal(told.length, 2, "nothing is told twice");
    });
  }

  it("waits for evidence that came while the process was held up", () => {
    const virtual = createVirtualClock(T0);
    let lag = 0;
    const told: StartAttempt[] = [];
    const tracker = createAttemptTracker({
      clock: { now: () => virtual.now() + lag, after: virtual.after },
      settings: SETTINGS,
      stored: [],
      events: { changed: () => {}, settled: (attempt) => told.push(attempt) },
    });
    tracker.release();
    tracker.observe(logEnd("plain", 0, "failed"), []);
    // Reading the host took two seconds; timers run before what came meanwhile is read.
    lag = 2_000;
    virtual.moveTo(T0 + 200);
    assert.equal(told.length, 0);
    tracker.observe(libvirtd(-5, "Cannot access storage file"), []);
    virtual.moveTo(T0 + 1_000);
    assert.deepEqual(told.map(kindsOf), [["libvirtd-record", "domain-log-end"]]);
  });

  it("is not one more when a libvirtd that was killed lists, once it is back, the VM whose QEMU it ends", () => {
    const { feed, tracker, clock, outcomes } = bench();
    const listed = (at: number): Observation => ({
      ...base(at),
      kind: "vm-inventory",
      source: "libvirt",
      vms: [{ definition: definition("Windows 11", [GPU]), state: { state: "running", reason: "unknown" } }],
    });
    feed(logStart("Windows 11", 0, [GPU]));
    feed(logEnd("Windows 11", 8_000, "crashed"));
    tracker.observe(listed(8_200), []);
    clock.moveTo(T0 + 100_000);
    assert.deepEqual(
      outcomes().map(({ outcome }) => outcome),
      ["crashed-early"],
    );
    tracker.observe(listed(100_000), []);
    clock.moveTo(T0 + 300_000);
    assert.equal(outcomes().length, 2, "later a VM that runs was started unheard");
  });

  for (const order of ["after its log began", "before its log was read"]) {
    it(`that libvirt is still at when the service connects (${order}) is one attempt, and none that ran`, () => {
      const { feed, clock, outcomes } = bench();
      feed(logEnd("Windows 11", 0, "failed"));
      clock.moveTo(T0 + 20_000);
      const listed: Observation = {
        ...base(21_000),
        kind: "vm-inventory",
        source: "libvirt",
        vms: [
          {
            definition: definition("Windows 11", [GPU]),
            state: { state: "paused", reason: "starting up" },
          },
        ],
      };
      const begun = logStart("Windows 11", 20_500, [GPU]);
      for (const observation of order.startsWith("after") ? [begun, listed] : [listed, begun])
        feed(observation);
      feed(logEnd("Windows 11", 24_000, "failed"));
      clock.moveTo(T0 + 500_000);
      assert.deepEqual(
        outcomes().map(({ outcome }) => outcome),
        ["failed", "failed"],
      );
    });
  }

  it("of a VM that is starting has its devices already, and no longer when it has failed", () => {
    const { feed, tracker } = bench();
    const holders = (at: number) => [...tracker.runningAt(T0 + at).keys()];
    feed(logStart("Windows 11", 0, [GPU]));
    feed(logEnd("plain", 150, "failed"));
    assert.deepEqual(holders(150), ["Windows 11"]);
    feed(logEnd("Windows 11", 900, "failed"));
    assert.deepEqual(holders(150), ["Windows 11"]);
    assert.deepEqual(holders(950), []);
  });

  it("of a VM without passed-through devices takes no kernel line about devices", () => {
    const { feed, clock, outcomes } = bench();
    feed(logStart("plain", 0));
    feed(kernel(100, GPU));
    feed(logEnd("plain", 200, "failed"));
    clock.moveTo(T0 + 10_000);
    assert.deepEqual(kindsOf(outcomes()[0]), ["domain-log-start", "domain-log-end"]);
  });

  it("is found from the kernel's refusal alone when nothing else can be read", () => {
    const { feed, clock, outcomes } = bench();
    feed(kernel(1000, AUDIO));
    clock.moveTo(T0 + 40_000);
    assert.deepEqual(
      outcomes().map(({ vm, outcome }) => [vm, outcome]),
      [["Windows 11", "failed"]],
    );
  });

  it("is found from the kernel's refusal in a log that names the device in its text alone", () => {
    const { feed, clock, outcomes } = bench();
    const record: Observation = {
      ...{ ...base(1000), kind: "kernel-record", source: "kernel-log", sequence: 1, level: 4 },
      text: `vfio-pci ${AUDIO}: wants a 1:1 mapping`,
    };
    feed(
      record,
      REFUSAL.map((match) => ({ ...match, captures: { bdf: AUDIO } })),
    );
    clock.moveTo(T0 + 40_000);
    assert.deepEqual(
      outcomes().map(({ vm, outcome }) => [vm, outcome]),
      [["Windows 11", "failed"]],
    );
  });

  it("is of the VM that an earlier run knew while nobody tells of the VMs, and of none that is gone", () => {
    const { feed, clock, outcomes, tracker } = bench();
    const [usb, other] = [bdf("0000:0a:00.0"), bdf("0000:0b:00.0")];
    tracker.rememberVms([definition("night", [usb]), definition("old", [other])]);
    feed(kernel(1000, usb));
    clock.moveTo(T0 + 40_000);
    feed({ ...base(41_000), kind: "vm-inventory", source: "libvirt", vms: [] });
    feed(kernel(42_000, other));
    clock.moveTo(T0 + 90_000);
    assert.deepEqual(
      outcomes().map(({ vm }) => vm),
      ["night", "unknown VM (0000:0b:00.0)"],
    );
  });

  it("is an unknown VM's when the kernel refuses a device that no known VM has", () => {
    const { feed, clock, outcomes, tracker } = bench();
    const [usb, sound] = [bdf("0000:0a:00.0"), bdf("0000:0a:00.1")];
    tracker.learnGroups(
      new Map([
        [usb, 31],
        [sound, 31],
      ]),
    );
    for (const start of [1000, 90_000]) {
      feed(kernel(start, usb));
      feed(kernel(start + 20, sound));
    }
    clock.moveTo(T0 + 140_000);
    assert.deepEqual(
      outcomes().map(({ vm, outcome, devices, groups }) => [vm, outcome, devices, groups]),
      [1, 2].map(() => ["unknown VM (0000:0a:00.0)", "failed", [usb], [31]]),
    );
    assert.deepEqual(kindsOf(outcomes()[0]), ["kernel-record", "kernel-record"]);
  });

  it("is of one of them when the kernel alone refuses a device that several known VMs have", () => {
    const { feed, clock, outcomes } = bench({ others: [definition("Windows 10", [GPU])] });
    feed(kernel(1000, GPU));
    clock.moveTo(T0 + 40_000);
    const [start, ...others] = outcomes();
    assert.deepEqual(others, []);
    assert.equal(start?.vm, "one of 'Windows 11', 'Windows 10' (0000:01:00.0)");
    assert.deepEqual([start.outcome, start.devices, start.groups], ["failed", [GPU], [14]]);
    assert.equal(deviceOfUnknownVm(start.vm), GPU);
  });

  it("is not of a VM that runs with the device when the kernel alone refuses it", () => {
    const { feed, clock, outcomes } = bench({ others: [definition("Windows 10", [GPU])] });
    feed(logStart("Windows 10", 500, []));
    feed(kernel(60_000, GPU));
    clock.moveTo(T0 + 1_300_000);
    assert.deepEqual(
      outcomes().map(({ vm, outcome }) => [vm, outcome]),
      [
        ["Windows 11", "failed"],
        ["Windows 10", "started"],
      ],
    );
  });

  it("is one though the kernel refuses several devices several times before the VM's log is read", () => {
    for (const hasLog of [true, false]) {
      const { feed, clock, outcomes } = bench();
      for (const [index, device] of [GPU, GPU, AUDIO, GPU].entries()) feed(kernel(1000 + index, device));
      clock.moveTo(T0 + 3000);
      if (hasLog)
        for (const said of [logStart("Windows 11", 900, [GPU]), logEnd("Windows 11", 1100, "failed")])
          feed(said);
      clock.moveTo(T0 + 80_000);
      assert.deepEqual(
        outcomes().map(({ vm, outcome }) => [vm, outcome]),
        [["Windows 11", "failed"]],
      );
    }
  });

  it("is another one when the kernel alone refuses once more, a while later", () => {
    const { feed, clock, outcomes } = bench();
    feed(kernel(1000, GPU));
    clock.moveTo(T0 + 21_000);
    feed(kernel(21_000, GPU, "wants a 1:1 mapping again"));
    clock.moveTo(T0 + 80_000);
    assert.equal(outcomes().length, 2);
  });

  it("keeps its end and a bounded part of a flood of lines that a signature knows", () => {
    const { tracker, clock, outcomes } = bench();
    tracker.observe(logStart("Windows 11", 0, [GPU]), []);
    for (let number = 0; number < 3000; number++)
      tracker.observe(logLine("Windows 11", 10, `error ${number}`), REFUSAL);
    tracker.observe(logEnd("Windows 11", 600, "failed"), []);
    clock.moveTo(T0 + 5000);
    const [attempt] = outcomes();
    assert.ok((attempt?.evidence.length ?? 0) < 500);
    assert.equal(kindsOf(attempt).at(-1), "domain-log-end");
  });

  it("found running when the service connects counts as a good start", () => {
    const { tracker, clock, outcomes } = bench();
    tracker.observe(
      {
        ...base(0),
        kind: "vm-inventory",
        source: "libvirt",
        vms: [{ definition: definition("ubuntu", [NIC]), state: { state: "running", reason: "booted" } }],
      },
      [],
    );
    clock.moveTo(T0 + SETTINGS.settlingMs + 1);
    assert.deepEqual(
      outcomes().map(({ vm, outcome }) => [vm, outcome]),
      [["ubuntu", "started"]],
    );
  });

  it("that an earlier run of the service stored is neither repeated nor told again", () => {
    const first = bench();
    const seen = [logStart("Windows 11", 0, [GPU]), kernel(400, GPU), logEnd("Windows 11", 600, "failed")];
    for (const observation of seen) first.feed(observation);
    first.clock.moveTo(T0 + 5000);
    const diagnosis = { causes: [], summary: "", deviceRelated: true, noEffect: [] };
    const again = bench({ stored: first.outcomes().map((attempt) => ({ ...attempt, diagnosis })) });
    for (const observation of seen) again.feed(observation);
    again.clock.moveTo(T0 + 60_000);
    assert.equal(again.told.length, 0);
  });

  it("that an earlier run stored with late evidence and did not live to diagnose is settled again", () => {
    const first = bench();
    first.feed(logStart("Windows 11", 0, [GPU]));
    first.feed(logEnd("Windows 11", 600, "failed"));
    first.clock.moveTo(T0 + 5000);
    const again = bench({ stored: first.outcomes() });
    again.clock.moveTo(T0 + 60_000);
    assert.deepEqual(
      again.told.map(({ vm, outcome }) => [vm, outcome]),
      [["Windows 11", "failed"]],
    );
  });

  it("of the backlog waits until every source has read it", () => {
    const { feed, clock, tracker, told } = bench({ released: false });
    feed(logStart("Windows 11", -5000, [GPU]));
    feed(logEnd("Windows 11", -4000, "failed"));
    clock.moveTo(T0 + 2000);
    assert.equal(told.length, 0);
    tracker.observe(kernel(-4500, GPU), REFUSAL);
    tracker.release();
    clock.moveTo(T0 + 3000);
    assert.deepEqual(kindsOf(told[0]), ["domain-log-start", "kernel-record", "domain-log-end"]);
  });

  it("is the same whatever the order in which the sources arrive", () => {
    const sources = () => [
      [
        logStart("Windows 11", 1000, [GPU]),
        logLine("Windows 11", 1900, "qemu says no"),
        logEnd("Windows 11", 2000, "failed"),
        logStart("Windows 11", 6000, [GPU]),
        logLine("Windows 11", 6900, "qemu says no"),
        logEnd("Windows 11", 7000, "failed"),
      ],
      [kernel(1800, AUDIO), kernel(6800, GPU)],
      [controlError("Windows 11", 1950), controlError("Windows 11", 6950)],
      [libvirtd(2010, "first"), libvirtd(7010, "second")],
    ];
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(3)), (choices) => {
        const queues = sources();
        const { tracker, clock, outcomes } = bench({ released: false });
        clock.moveTo(T0 + 10_000);
        for (const choice of choices) {
          const next = queues[choice]?.shift();
          if (next !== undefined) tracker.observe(next, next.kind === "kernel-record" ? REFUSAL : []);
          if (queues.every((queue) => queue.length === 0)) break;
        }
        tracker.release();
        clock.moveTo(T0 + 120_000);
        assert.deepEqual(
          outcomes().map((attempt) => [attempt.outcome, kindsOf(attempt)]),
          [1, 2].map(() => [
            "failed",
            [
              "domain-log-start",
              "kernel-record",
              "domain-log-line",
              "vm-control-error",
              "domain-log-end",
              "libvirtd-record",
            ],
          ]),
        );
      }),
      { numRuns: 300 },
    );
  });
});
