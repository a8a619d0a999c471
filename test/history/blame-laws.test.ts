import assert from "node:assert/strict";
import { test } from "node:test";
import { isMechanism, isNoPassthroughFailure, isRelaxed, platformOf } from "../../src/history/blame-laws.ts";
import { createFactTable } from "../../src/history/fact-table.ts";
import { followsFrom } from "../../src/history/knob-kinds.ts";
import { logAdd, logSubtract, logSum, NOTHING } from "../../src/history/log-sums.ts";
import { findFaults, isFailure, isPassthroughFailure, type StartTally } from "../../src/history/trials.ts";
import { said } from "./made-trials.ts";

test("the maker of the IOMMU is told by the newest facts", () => {
  const platform = (key: string, values: readonly string[], places: readonly number[]) =>
    platformOf(
      createFactTable(
        [
          {
            group: "hardware",
            key,
            values: values.map(said),
            indexes: Int32Array.from(values.keys()),
          },
        ],
        new Map(),
      ),
      places,
    );
  for (const [key, value, maker] of [
    ["iommu.units", "ivhd0", "amd"],
    ["iommu.units", "dmar0 dmar1", "intel"],
    ["hardware.cpu.name", "AMD Ryzen 9", "amd"],
    ["hardware.cpu.name", "13th Gen Intel(R) Core", "intel"],
    ["hardware.cpu.name", "Ampere", undefined],
    ["firmware-tables.IVRS.sha256", "1f", "amd"],
    ["firmware-tables.DMAR.sha256", "1f", "intel"],
  ] as const)
    assert.equal(platform(key, [value], [0]), maker, value);
  const moved = ["Intel Core", "AMD Ryzen"];
  assert.equal(platform("hardware.cpu.name", moved, [0, 1]), "amd");
  assert.equal(platform("hardware.cpu.name", moved, [1, 0, -1]), "intel");
  assert.equal(platform("hardware.cpu.name", moved, [-1]), undefined);
});

test("a fact is the mechanism where its broken state is in each failed start and in no good one", () => {
  const demand = "firmware-tables.IVRS.ivmd.1";
  const there = { value: said("0x1000"), good: 0, bad: 2 };
  const gone = { value: { state: "absent" }, good: 3, bad: 0 } as const;
  const isOne = (counts: Parameters<typeof isMechanism>[2], key = demand) =>
    isMechanism("iommu-direct-mapping-required", key, counts);
  assert.equal(isOne([there, gone]), true);
  assert.equal(isOne([there]), true);
  assert.equal(isOne([{ ...there, good: 1 }, gone]), false);
  assert.equal(isOne([there, { ...gone, bad: 1 }]), false);
  assert.equal(isOne([{ ...there, bad: 0 }, gone]), true);
  assert.equal(isOne([there, gone], "software.qemu"), false);
  assert.equal(isMechanism("unknown", demand, [there, gone]), false);
  const moved = [{ value: said("1"), good: 1, bad: 1 }];
  assert.equal(isMechanism("device-missing", "at 0000:01:00.0", moved), true);
  assert.equal(isMechanism("reset-failed", "at 0000:01:00.0", moved), false);
});

test("parameters with which a kernel does not mind the demand are known", () => {
  assert.equal(isRelaxed([said("quiet"), said("intel_iommu=on,relax_rmrr")]), true);
  assert.equal(isRelaxed([said("quiet"), { state: "absent" }]), false);
});

const tally = (outcome: StartTally["outcome"], cause?: StartTally["cause"]) =>
  ({ outcome, count: 1, ...(cause !== undefined && { cause }) }) as unknown as StartTally;

test("what has nothing to do with passthrough is no failure that a change must explain", () => {
  for (const cause of ["device-busy", "host-resource-missing", "vm-config-invalid", "vm-killed"] as const)
    assert.deepEqual(
      [isNoPassthroughFailure(cause), isPassthroughFailure(tally("failed", cause))],
      [true, false],
    );
  assert.deepEqual(
    [tally("failed"), tally("crashed-early"), tally("refused"), tally("started")].map(isFailure),
    [true, true, false, false],
  );
  assert.equal(isPassthroughFailure(tally("failed")), true);
  assert.equal(isPassthroughFailure(tally("failed", "reset-failed")), true);
});

test("a failure that says nothing of itself is of the stretch that it is in", () => {
  const reset = () => tally("failed", "reset-failed");
  const faults = (tallies: readonly StartTally[], blockOf?: (one: StartTally) => number) =>
    findFaults(tallies, blockOf).map(({ failure, trials }) => [
      failure,
      trials.filter(({ good }) => !good).length,
    ]);
  assert.deepEqual(faults([tally("started"), tally("failed"), reset()]), [["reset-failed", 2]]);
  assert.deepEqual(faults([reset(), tally("failed"), tally("started")]), [["reset-failed", 2]]);
  assert.deepEqual(faults([reset(), tally("started"), tally("failed")]), [
    ["reset-failed", 1],
    ["unknown", 1],
  ]);
  const hosts = new Map<StartTally, number>();
  const apart = [reset(), tally("failed")];
  for (const [at, one] of apart.entries()) hosts.set(one, at);
  assert.deepEqual(
    faults(apart, (one) => hosts.get(one) ?? 0),
    [
      ["reset-failed", 1],
      ["unknown", 1],
    ],
  );
});

test("what an update brings along follows from it; a consequence follows from what can make it", () => {
  const follows = (kind: Parameters<typeof followsFrom>[0], ...from: Parameters<typeof followsFrom>[0][]) =>
    followsFrom(kind, new Set(from));
  assert.equal(follows("kernel", "os"), true);
  assert.equal(follows("os", "kernel"), false);
  assert.equal(follows("bios", "mainboard"), true);
  assert.equal(follows("firmware-demand", "bios"), true);
  assert.equal(follows("firmware-demand", "kernel"), false);
  assert.equal(follows("group-members", "kernel"), true);
  assert.equal(follows("iommu-state", "kernel"), true, "from anything that is no consequence itself");
  assert.equal(follows("iommu-state", "device-state"), false);
  assert.equal(follows("bios", "kernel"), false);
});

test("sums of chances are those of their logarithms", () => {
  const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-9, `${a} ${b}`);
  near(logAdd(Math.log(0.25), Math.log(0.5)), Math.log(0.75));
  near(logAdd(Math.log(0.5), Math.log(0.25)), Math.log(0.75));
  assert.deepEqual([logAdd(NOTHING, -1), logAdd(-1, NOTHING)], [-1, -1]);
  near(logSubtract(Math.log(0.75), Math.log(0.5)), Math.log(0.25));
  assert.deepEqual(
    [logSubtract(-1, NOTHING), logSubtract(-1, -1), logSubtract(-1, -1 - 1e-13)],
    [-1, NOTHING, NOTHING],
  );
  near(logSum([0.1, 0.2, 0.3].map(Math.log)), Math.log(0.6));
  assert.equal(logSum([NOTHING, NOTHING]), NOTHING);
});
