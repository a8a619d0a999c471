import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { vmName } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import {
  AUDIO,
  base,
  bench,
  GPU,
  kernel,
  lifecycle,
  logEnd,
  logStart,
  NIC,
  REFUSAL,
  SETTINGS,
  T0,
} from "./bench.ts";

const VM = "Windows 11";
const lost = (at: number): Observation =>
  ({ ...base(at), kind: "connection", source: "libvirt", state: "lost", detail: "gone" }) as Observation;

describe("a start is announced", () => {
  it("a quiet while after the last word of it, but within six though lines keep coming", () => {
    const one = bench();
    one.feed(logStart(VM, 0, [GPU]));
    one.feed(logEnd(VM, 1_000, "failed"));
    const read = (at: number) => {
      one.clock.moveTo(T0 + at);
      one.tracker.observe(kernel(500, GPU, `line ${at}`), REFUSAL);
    };
    for (let at = 1_100; at <= 1_800; at += 100) read(at);
    one.clock.moveTo(T0 + 1_000 + 6 * SETTINGS.quietMs - 1);
    assert.equal(one.told.length, 0);
    one.clock.moveTo(T0 + 1_000 + 6 * SETTINGS.quietMs);
    assert.equal(one.told.length, 1);
    // A word that comes later is waited for anew.
    read(1_950);
    one.clock.moveTo(T0 + 1_950 + SETTINGS.quietMs - 1);
    assert.equal(one.told.length, 1);
    one.clock.moveTo(T0 + 1_950 + SETTINGS.quietMs);
    assert.equal(one.told.length, 2);
  });

  it("as good after a quarter of an hour where libvirt says nothing, or a minute where it is away", () => {
    for (const [isAway, patience] of [
      [false, 900_000],
      [true, 60_000],
    ] as const) {
      const one = bench({ settlingMs: 5_000 });
      if (isAway) one.feed(lost(-500));
      one.feed(logStart(VM, 0, [GPU]));
      one.clock.moveTo(T0 + patience - 1);
      assert.equal(one.told.length, 0);
      one.clock.moveTo(T0 + patience);
      assert.deepEqual(
        one.told.map(({ outcome, closedAt }) => [outcome, closedAt]),
        [["started", T0 + patience]],
      );
    }
  });

  it("once, when the backlog is read, however long it had been over", () => {
    const one = bench({ released: false });
    one.feed(logStart(VM, -500_000, [GPU]));
    one.feed(lifecycle(VM, -499_000, "started", "booted"));
    one.feed(logStart("ubuntu", -400_000, [NIC]));
    one.feed(logEnd("ubuntu", -399_000, "failed"));
    one.clock.moveTo(T0 + 5_000);
    assert.equal(one.told.length, 0);
    one.tracker.release();
    one.tracker.release();
    one.clock.moveTo(T0 + 5_000 + SETTINGS.quietMs);
    assert.deepEqual(
      one.told.map(({ vm, outcome }) => [vm, outcome]).sort(),
      [
        [VM, "started"],
        ["ubuntu", "failed"],
      ].sort(),
    );
  });
});

describe("what a VM had", () => {
  it("may be what it began with within six seconds", () => {
    const one = bench();
    one.feed(logStart(VM, 10_000, [GPU]));
    const asked = [3_999, 4_000, 9_999, 10_000].map((at) => one.tracker.begunSoonAfter(vmName(VM), T0 + at));
    assert.deepEqual(asked, [undefined, [GPU], [GPU], undefined]);
    assert.equal(one.tracker.begunSoonAfter(vmName("ubuntu"), T0 + 5_000), undefined);
    const told = bench();
    told.feed(lifecycle(VM, 10_000, "started", "booted"));
    assert.equal(told.tracker.begunSoonAfter(vmName(VM), T0 + 5_000), undefined, "its log says nothing");
  });

  it("is what its newest start before that time had", () => {
    const one = bench();
    one.feed(logStart(VM, 1_000, [GPU]));
    one.feed(logEnd(VM, 5_000, "failed"));
    one.feed(logStart(VM, 9_000, [AUDIO]));
    const had = (at: number) => [...one.tracker.runningAt(T0 + at).values()].flat();
    assert.deepEqual([999, 1_000, 4_999, 5_000, 8_999, 9_000].map(had), [[], [GPU], [GPU], [], [], [AUDIO]]);
  });
});

describe("a start that ends", () => {
  it("does not end before it began, whatever the sources' clocks say", () => {
    const one = bench();
    one.feed(lifecycle(VM, 3_000, "started", "booted"));
    one.feed(logEnd(VM, 2_000, "destroyed"));
    one.clock.moveTo(T0 + 60_000);
    assert.deepEqual(
      one.told.map(({ openedAt, closedAt }) => [openedAt - T0, (closedAt ?? 0) - T0]),
      [[3_000, 3_000]],
    );
  });
});
