import assert from "node:assert/strict";
import { test } from "node:test";
import { createDefinitions } from "../../src/attempts/definitions.ts";
import { vmName } from "../../src/model/identifiers.ts";
import type { VmInventory } from "../../src/model/observation.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import { createVmStates } from "../../src/pipeline/vm-states.ts";
import { definedVm } from "../helpers/made-history.ts";

const OF_PROXMOX: VmDefinition = { ...definedVm("101 (win11)", "101/u"), manager: "proxmox" };
const OF_LIBVIRT = definedVm("tower", "u1");

function inventory(source: "libvirt" | "proxmox", ...running: VmDefinition[]): VmInventory {
  const vms = running.map((definition) => ({
    definition,
    state: { state: "running" as const, reason: "booted" },
    running: definition,
  }));
  return { kind: "vm-inventory", source, at: 0, exactTime: false, identity: source, vms };
}

test("what runs under one manager still runs when the other lists its VMs", () => {
  const states = createVmStates();
  states.learn(inventory("proxmox", OF_PROXMOX));
  states.learn(inventory("libvirt", OF_LIBVIRT));
  const running = () =>
    states.of([OF_PROXMOX, OF_LIBVIRT]).flatMap((vm) => (vm.running === undefined ? [] : vm.definition.name));
  assert.deepEqual(running(), ["101 (win11)", "tower"]);
  states.learn(inventory("libvirt"));
  assert.deepEqual(running(), ["101 (win11)"]);
});

test("a VM that is known from an earlier run is gone only when its own manager does not list it", () => {
  const definitions = createDefinitions();
  definitions.remember([OF_PROXMOX, OF_LIBVIRT, definedVm("lab", "u2")]);
  definitions.learn(OF_LIBVIRT, 0);
  definitions.forgetRemembered(undefined);
  assert.deepEqual([...definitions.present().keys()], [vmName("101 (win11)"), vmName("tower")]);
  definitions.forgetRemembered("proxmox");
  assert.deepEqual([...definitions.present().keys()], [vmName("tower")]);
});
