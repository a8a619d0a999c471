import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import { AUDIO, base, bench, definition, GPU, lifecycle, logEnd, logStart, NIC, T0 } from "./bench.ts";

const redefined = (at: number, what: VmDefinition) => ({
  ...lifecycle(what.name, at, "defined", "updated"),
  definition: what,
});
const started = (vm: string, at: number, has: VmDefinition) => ({
  ...lifecycle(vm, at, "started", "booted"),
  running: has,
});

describe("the definition that a start had", () => {
  it("is not the one that the VM is given while it runs, and the next start has that", () => {
    const { feed, clock, outcomes } = bench();
    feed(logStart("plain", 1000, []));
    feed(started("plain", 1300, definition("plain", [])));
    feed(redefined(30_000, definition("plain", [GPU, AUDIO])));
    feed(logEnd("plain", 90_000, "destroyed"));
    feed(logEnd("plain", 120_000, "failed"));
    clock.moveTo(T0 + 200_000);
    assert.deepEqual(
      outcomes().map(({ outcome, devices, groups }) => [outcome, devices, groups]),
      [
        ["started", [], []],
        ["failed", [GPU, AUDIO], [14]],
      ],
    );
  });

  it("is the one in force when libvirt refused it, whichever of log and event is read first", () => {
    const first = bench();
    first.feed(redefined(900, definition("plain", [NIC])));
    first.feed(logEnd("plain", 1000, "failed"));
    first.feed(redefined(1100, definition("plain", [])));
    const second = bench();
    second.feed(logEnd("plain", 1000, "failed"));
    second.feed(redefined(1100, definition("plain", [])));
    second.feed(redefined(900, definition("plain", [NIC])));
    for (const { clock, outcomes } of [first, second]) {
      clock.moveTo(T0 + 60_000);
      assert.deepEqual(
        outcomes().map(({ devices }) => devices),
        [[NIC]],
      );
    }
  });

  it("is what the command line shows where the definition of now says otherwise", () => {
    const { feed, clock, outcomes } = bench();
    feed(logStart("Windows 11", 1000, [NIC]));
    feed(logEnd("Windows 11", 2000, "failed"));
    clock.moveTo(T0 + 60_000);
    assert.deepEqual(outcomes()[0]?.devices, [NIC]);
    assert.deepEqual(outcomes()[0]?.groups, [20]);
  });

  it("is what libvirt knows where the command line broke off", () => {
    const { feed, clock, outcomes } = bench();
    feed({ ...logStart("Windows 11", 1000), isWhole: false });
    feed(logEnd("Windows 11", 2000, "failed"));
    clock.moveTo(T0 + 60_000);
    assert.deepEqual(outcomes()[0]?.devices, [GPU, AUDIO]);
  });

  it("is not made larger by what is plugged in later", () => {
    const { feed, clock, outcomes } = bench();
    feed(logStart("plain", 1000, []));
    feed(started("plain", 1300, definition("plain", [])));
    feed({
      ...base(5000),
      kind: "vm-device",
      source: "libvirt",
      vm: definition("plain", []).name,
      change: "added",
      alias: "hostdev0",
      running: definition("plain", [NIC]),
    });
    clock.moveTo(T0 + 200_000);
    assert.deepEqual(
      outcomes().map(({ outcome, devices }) => [outcome, devices]),
      [["started", []]],
    );
  });
});
