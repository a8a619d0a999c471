import assert from "node:assert/strict";
import { test } from "node:test";
import { vmName } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import { createVmStates, type VmStates } from "../../src/pipeline/vm-states.ts";
import { base, definition, GPU, lifecycle, NIC, stateFailed } from "../attempts/bench.ts";

const WIN = definition("win", [GPU]);
const PROXMOX: VmDefinition = { ...definition("101 (win)", [GPU]), manager: "proxmox" };

const stateOf = (states: VmStates, vm = WIN) => states.of([vm])[0]?.state;
const devicesOf = (states: VmStates, vm = WIN) =>
  states.of([vm])[0]?.running?.hostDevices.map(({ bdf }) => bdf);
const inventory = (
  source: "libvirt" | "proxmox",
  vms: readonly { readonly has: VmDefinition; readonly runs: boolean }[],
): Observation =>
  ({
    ...base(0),
    kind: "vm-inventory",
    source,
    vms: vms.map(({ has, runs }) => ({
      definition: has,
      state: runs ? { state: "running", reason: "booted" } : { state: "shutoff", reason: "destroyed" },
      ...(runs && { running: has }),
    })),
  }) as Observation;

test("a VM is in the state that the last event leaves it in", () => {
  for (const [event, state] of [
    ["started", "running"],
    ["resumed", "running"],
    ["suspended", "paused"],
    ["pmsuspended", "pmsuspended"],
    ["stopped", "shutoff"],
    ["crashed", "crashed"],
  ] as const) {
    const states = createVmStates();
    states.learn(lifecycle("win", 0, event, "so libvirt says"));
    states.learn(lifecycle("win", 0, "defined", "updated"));
    assert.deepEqual(stateOf(states), { state, reason: "so libvirt says" }, event);
  }
  assert.deepEqual(stateOf(createVmStates()), { state: "nostate", reason: "unknown" });
});

test("what a VM runs with is known while it runs, with what is plugged in and out", () => {
  for (const over of [
    lifecycle("win", 0, "stopped", "x"),
    lifecycle("win", 0, "crashed", "x"),
    stateFailed("win", 0),
  ]) {
    const states = createVmStates();
    states.learn({ ...lifecycle("win", 0, "started", "booted"), running: WIN });
    assert.deepEqual(devicesOf(states), [GPU]);
    const plugged = { ...base(0), kind: "vm-device", source: "libvirt", alias: "hostdev0" } as const;
    states.learn({ ...plugged, vm: WIN.name, change: "added", running: definition("win", [GPU, NIC]) });
    states.learn({ ...plugged, vm: WIN.name, change: "removed" });
    states.learn(lifecycle("win", 0, "suspended", "paused"));
    assert.deepEqual(devicesOf(states), [GPU, NIC]);
    states.learn(over);
    assert.equal(devicesOf(states), undefined);
    assert.match(stateOf(states)?.state ?? "", /shutoff|crashed/);
  }
});

test("a list of VMs is all that this manager runs, and nothing about another's", () => {
  const states = createVmStates();
  states.learn(inventory("libvirt", [{ has: WIN, runs: true }]));
  states.learn(inventory("proxmox", [{ has: PROXMOX, runs: true }]));
  assert.deepEqual([devicesOf(states), devicesOf(states, PROXMOX)], [[GPU], [GPU]]);
  states.learn(inventory("proxmox", []));
  assert.deepEqual([devicesOf(states), devicesOf(states, PROXMOX)], [[GPU], undefined]);
  states.learn(inventory("libvirt", [{ has: WIN, runs: false }]));
  assert.deepEqual([devicesOf(states), stateOf(states)?.state], [undefined, "shutoff"]);
});

test("a VM that is renamed does not run under its old name; one that is only undefined goes on", () => {
  for (const [detail, state] of [
    ["renamed", "nostate"],
    ["removed", "running"],
  ] as const) {
    const states = createVmStates();
    states.learn(lifecycle("win", 0, "started", "booted"));
    states.learn(lifecycle("win", 0, "undefined", detail));
    assert.equal(stateOf(states, definition(vmName("win"), []))?.state, state);
  }
});
