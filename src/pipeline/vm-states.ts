import type { VmStatus } from "../model/host-state.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import { managerOfInventory, type Observation, type VmLifecycle } from "../model/observation.ts";
import { managerOf, type VmDefinition, type VmState } from "../model/virtual-machine.ts";

/** The state of each VM as it was last told, and what those that run have. */
export interface VmStates {
  learn(observation: Observation): void;
  /** These VMs with their last known state. */
  of(definitions: Iterable<VmDefinition>): readonly VmStatus[];
}

const UNKNOWN: VmState = { state: "nostate", reason: "unknown" };
/** After these nothing of the VM runs any more. */
const OVER: ReadonlySet<VmState["state"]> = new Set(["shutoff", "crashed"]);

export function createVmStates(): VmStates {
  const states = new Map<VmName, VmState>();
  /** What each VM has that runs; it may be redefined meanwhile, and be plugged devices in and out. */
  const running = new Map<VmName, VmDefinition>();

  function become(vm: VmName, state: VmState, has: VmDefinition | undefined): void {
    states.set(vm, state);
    if (has !== undefined) running.set(vm, has);
    else if (OVER.has(state.state)) running.delete(vm);
  }

  function takeEvent(event: VmLifecycle): void {
    // A renamed VM is gone under its old name, and does not run.
    if (event.event === "undefined" && event.detail === "renamed") states.delete(event.vm);
    const state = stateAfter(event.event, event.detail);
    if (state !== undefined) become(event.vm, state, event.running);
  }

  return {
    learn(observation) {
      switch (observation.kind) {
        case "vm-inventory":
          for (const [vm, has] of running)
            if (managerOf(has) === managerOfInventory(observation)) running.delete(vm);
          for (const vm of observation.vms) become(vm.definition.name, vm.state, vm.running);
          break;
        case "vm-state":
          become(observation.vm, observation.state, undefined);
          break;
        case "vm-lifecycle":
          takeEvent(observation);
          break;
        case "vm-device":
          if (observation.running !== undefined) running.set(observation.vm, observation.running);
          break;
        default:
          break;
      }
    },
    of: (definitions) =>
      [...definitions].map((definition): VmStatus => {
        const has = running.get(definition.name);
        return {
          definition,
          state: states.get(definition.name) ?? UNKNOWN,
          ...(has !== undefined && { running: has }),
        };
      }),
  };
}

/** A VM that libvirt no longer knows, as its log showed it. */
export function statusFromLog([name, devices]: readonly [VmName, readonly Bdf[]]): VmStatus {
  const hostDevices = devices.map((bdf) => ({ bdf, managed: true }));
  return {
    definition: { name, uuid: "", machine: "", firmware: "", memoryKiB: 0, hugepages: false, hostDevices },
    state: { state: "running", reason: "at the time" },
  };
}

function stateAfter(event: string, detail: string): VmState | undefined {
  switch (event) {
    case "started":
    case "resumed":
      return { state: "running", reason: detail };
    case "suspended":
      return { state: "paused", reason: detail };
    case "pmsuspended":
      return { state: "pmsuspended", reason: detail };
    case "stopped":
      return { state: "shutoff", reason: detail };
    case "crashed":
      return { state: "crashed", reason: detail };
    default:
      return undefined;
  }
}
