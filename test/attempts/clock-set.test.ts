import assert from "node:assert/strict";
import { test } from "node:test";
import { steadyNow } from "../../src/clock.ts";
import type { Observation } from "../../src/model/observation.ts";
import {
  bench,
  definition,
  GPU,
  kernel,
  libvirtd,
  lifecycle,
  logEnd,
  logLine,
  logStart,
  NIC,
  stateFailed,
  T0,
} from "./bench.ts";

const TWO_DAYS = 2 * 86_400_000;

test("starts after the clock was set back are starts of their own, in the order in which they happened", () => {
  const { feed, clock, outcomes, tracker } = bench();
  feed(logStart("Windows 11", 1000, [GPU]));
  feed(logEnd("Windows 11", 2000, "failed"));
  clock.moveTo(T0 + 60_000);
  clock.setWall(T0 + 60_000 - TWO_DAYS);
  feed(logStart("Windows 11", 61_000 - TWO_DAYS, [GPU]));
  feed({
    ...lifecycle("Windows 11", 61_300 - TWO_DAYS, "started", "booted"),
    running: definition("Windows 11", [GPU]),
  });
  clock.moveTo(clock.now() + 120_000);
  const starts = outcomes();
  assert.deepEqual(
    starts.map(({ outcome, openedAt }) => [outcome, openedAt - T0]),
    [
      ["failed", 1000],
      ["started", 61_000 - TWO_DAYS],
    ],
  );
  assert.ok((starts[1]?.steady ?? 0) > (starts[0]?.steady ?? 0));
  assert.deepEqual([...tracker.runningAt(steadyNow(clock)).keys()], ["Windows 11"]);
});

test("a VM that ended before the clock was set back does not run after it", () => {
  const { feed, clock, tracker } = bench();
  feed(logStart("ubuntu", 1000, []));
  feed(lifecycle("ubuntu", 1300, "started", "booted"));
  feed(logEnd("ubuntu", 90_000, "shutdown"));
  clock.moveTo(T0 + 100_000);
  clock.setWall(T0 - TWO_DAYS);
  assert.deepEqual([...tracker.runningAt(steadyNow(clock)).keys()], []);
});

test("a start that is under way when the clock is set back settles as soon as it would have", () => {
  const { feed, clock, outcomes } = bench();
  feed(logStart("ubuntu", 1000, []));
  clock.setWall(T0 + 1000 - TWO_DAYS);
  feed(lifecycle("ubuntu", 1300 - TWO_DAYS, "started", "booted"));
  clock.moveTo(clock.now() + 61_000);
  assert.deepEqual(
    outcomes().map(({ outcome }) => outcome),
    ["started"],
  );
});

for (const [name, step] of [
  ["back by two days", -TWO_DAYS],
  ["forward by a year", 365 * 86_400_000],
] as const)
  test(`a start that fails while the clock is set ${name} is one start with all that was said of it`, () => {
    const { feed, clock, outcomes } = bench();
    feed(logStart("Windows 11", 1000, [GPU]));
    clock.moveTo(T0 + 1100);
    clock.setWall(T0 + 1100 + step);
    feed(kernel(1200 + step, GPU));
    feed(logLine("Windows 11", 1300 + step, "vfio 0000:01:00.0: failed to setup container"));
    feed(logEnd("Windows 11", 1400 + step, "failed"));
    clock.moveTo(clock.now() + 60_000);
    assert.deepEqual(
      outcomes().map(({ outcome, openedAt, evidence }) => [
        outcome,
        openedAt - T0,
        evidence.map(({ observation }) => observation.kind).sort(),
      ]),
      [["failed", 1000, ["domain-log-end", "domain-log-line", "domain-log-start", "kernel-record"]]],
    );
  });

test("a VM that is ended after the clock was set back does not run any more, and its next start is another one", () => {
  const { feed, clock, outcomes, tracker } = bench();
  feed(logStart("Windows 11", 1000, [GPU]));
  feed(lifecycle("Windows 11", 1300, "started", "booted"));
  clock.moveTo(T0 + 90_000);
  clock.setWall(T0 + 90_000 - TWO_DAYS);
  feed(logEnd("Windows 11", 91_000 - TWO_DAYS, "shutdown"));
  clock.moveTo(clock.now() + 1_000);
  assert.deepEqual([...tracker.runningAt(steadyNow(clock)).keys()], []);
  feed(logStart("Windows 11", 100_000 - TWO_DAYS, [GPU]));
  feed(logEnd("Windows 11", 101_000 - TWO_DAYS, "failed"));
  clock.moveTo(clock.now() + 10_000);
  assert.deepEqual(
    outcomes().map(({ outcome }) => outcome),
    ["started", "failed"],
  );
});

test("a VM that is redefined after the clock was set back starts with what it has since", () => {
  const { feed, clock, outcomes } = bench();
  feed({ ...lifecycle("plain", 1000, "defined", "updated"), definition: definition("plain", [GPU]) });
  clock.moveTo(T0 + 60_000);
  clock.setWall(T0 + 60_000 - TWO_DAYS);
  feed({
    ...lifecycle("plain", 61_000 - TWO_DAYS, "defined", "updated"),
    definition: definition("plain", [NIC]),
  });
  feed(logEnd("plain", 70_000 - TWO_DAYS, "failed"));
  clock.moveTo(clock.now() + 10_000);
  assert.deepEqual(
    outcomes().map(({ devices }) => devices),
    [[NIC]],
  );
});

test("a start of which only its state tells, after the clock was set back, is one", () => {
  const { feed, clock, outcomes } = bench();
  feed(logStart("ubuntu", 1000, []));
  feed(lifecycle("ubuntu", 1300, "started", "booted"));
  feed(lifecycle("ubuntu", 90_000, "stopped", "shutdown"));
  feed(logEnd("ubuntu", 90_000, "shutdown"));
  clock.moveTo(T0 + 100_000);
  clock.setWall(T0 + 100_000 - TWO_DAYS);
  feed({
    ...stateFailed("ubuntu", 100_500 - TWO_DAYS),
    state: { state: "shutoff", reason: "shutdown" },
  } as Observation);
  feed(stateFailed("ubuntu", 101_000 - TWO_DAYS));
  clock.moveTo(clock.now() + 10_000);
  assert.deepEqual(
    outcomes().map(({ outcome }) => outcome),
    ["started", "failed"],
  );
});

test("what the kernel and libvirt say of one hot-plug is one, though the clock is set between", () => {
  const { feed, clock, hotPlugs } = bench();
  feed(logStart("plain", 1000, []));
  feed(lifecycle("plain", 1300, "started", "booted"));
  clock.moveTo(T0 + 100_000);
  feed(kernel(100_000, NIC));
  clock.moveTo(T0 + 100_050);
  clock.setWall(T0 + 100_050 - TWO_DAYS);
  feed(
    libvirtd(100_100 - TWO_DAYS, "unable to execute QEMU command 'device_add': vfio 0000:04:00.0: refused"),
  );
  clock.moveTo(clock.now() + 60_000);
  assert.deepEqual(
    hotPlugs().map(({ vms, evidence }) => [vms, evidence.map(({ observation }) => observation.kind)]),
    [[["plain"], ["kernel-record", "libvirtd-record"]]],
  );
});

test("a line that is read after the clock was set back, and was written before, is of the start that it was said of", () => {
  const { feed, clock, outcomes, tracker } = bench();
  feed(logStart("Windows 11", 1000, [GPU]));
  clock.moveTo(T0 + 1500);
  clock.setWall(T0 + 1500 - TWO_DAYS);
  feed(logEnd("Windows 11", 1700 - TWO_DAYS, "failed"));
  feed(lifecycle("ubuntu", 1800 - TWO_DAYS, "started", "booted"));
  clock.moveTo(clock.now() + 300);
  // From a log that is read a moment late, and says nothing of the kernel's clock.
  tracker.observe(libvirtd(1_400, "internal error: the host would not"), []);
  clock.moveTo(clock.now() + 60_000);
  const [first] = outcomes().filter(({ vm }) => vm === "Windows 11");
  assert.deepEqual(
    first?.evidence.map(({ observation }) => observation.kind),
    ["domain-log-start", "libvirtd-record", "domain-log-end"],
  );
});

test("a VM that dies early after the clock was set forward crashed early", () => {
  const { feed, clock, outcomes } = bench();
  feed(logStart("ubuntu", 1000, []));
  feed(lifecycle("ubuntu", 1300, "started", "booted"));
  clock.moveTo(T0 + 20_000);
  clock.setWall(T0 + 20_000 + TWO_DAYS);
  feed(logEnd("ubuntu", 21_000 + TWO_DAYS, "crashed"));
  clock.moveTo(clock.now() + 10_000);
  assert.deepEqual(
    outcomes().map(({ outcome, openedAt, closedAt = 0 }) => [outcome, closedAt - openedAt]),
    [["crashed-early", 20_000]],
  );
});
