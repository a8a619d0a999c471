import type { VmStatus } from "../model/host-state.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import type { VmDefinition, VmState } from "../model/virtual-machine.ts";

/** The state of each VM as it was last told. */
export interface VmStates {
  learn(observation: Observation): void;
  /** These VMs with their last known state. */
  of(definitions: Iterable<VmDefinition>): readonly VmStatus[];
}

const UNKNOWN: VmState = { state: "nostate", reason: "unknown" };

export function createVmStates(): VmStates {
  const states = new Map<VmName, VmState>();
  return {
    learn(observation) {
      switch (observation.kind) {
        case "vm-inventory":
          for (const { definition, state } of observation.vms) states.set(definition.name, state);
          break;
        case "vm-state":
          states.set(observation.vm, observation.state);
          break;
        case "vm-lifecycle": {
          const state = stateAfter(observation.event, observation.detail);
          if (state !== undefined) states.set(observation.vm, state);
          break;
        }
        default:
          break;
      }
    },
    of: (definitions) =>
      [...definitions].map((definition) => ({
        definition,
        state: states.get(definition.name) ?? UNKNOWN,
      })),
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
