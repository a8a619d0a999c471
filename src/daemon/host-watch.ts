import { type Clock, steadyNow } from "../clock.ts";
import type { HostMemory } from "../host/host-memory.ts";
import { type HostReading, type HostSources, readHost } from "../host/host-reading.ts";
import { hostStateOf } from "../host/host-state.ts";
import type { PciNames } from "../host/pci-names.ts";
import type { HostPaths } from "../host-paths.ts";
import { groupsOfDevices, type HostState, type VmStatus } from "../model/host-state.ts";
import type { BootId } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import { type Reading, read, unreadable } from "../model/reading.ts";
import type { Store } from "../store/store.ts";
import { tellsOfRemapping } from "./kernel-text-filter.ts";

const KERNEL_LINES_KEPT = 200;
/** Changes come in bursts (an editor's save, a driver's bind), so they are looked at a moment later (ms). */
const LOOK_AFTER = 1_000;
/** After a reset or a sleep of the host links are trained and drivers bound for some seconds (ms). */
const CALM_AFTER = 5_000;
/** A card that is reset again and again is not looked at each time (ms). */
const RESETS_LOOKED_AT_EVERY = 60_000;
/** Words of the kernel after which a card may be other than before: its link, its power state, whether it is there. */
const SET_UP_ANEW =
  /\bPM: (?:suspend exit|[Ff]inishing wakeup|hibernation: hibernation exit)|Waking up from system sleep|pciehp: Slot\([^)]+\): (?:Link|Card|No link)|\bretrain|available PCIe bandwidth|reset recovery - restoring BARs/;

/** What the host is now, and when it is worth looking again. */
export interface HostWatch {
  /** The host as it is now, of which state and facts of one moment are both taken. */
  reading(): HostReading;
  /** The host's state, now or as it was read; remembers the groups of its devices (law 3). */
  read(reading?: HostReading): HostState;
  /** The state as last read. */
  latest(): HostState | undefined;
  vms(): Reading<readonly VmStatus[]>;
  /** The kernel's texts of this boot that facts are made of. */
  readonly kernelLines: readonly string[];
  /** Takes what an observation says of the host; looks again soon where it may have changed. */
  learn(observation: Observation, vms: () => readonly VmStatus[]): void;
  /** Something changed: look again soon. */
  lookSoon(reason: string): void;
}

/** Makes the watch of one run. `look` is called a moment after something changed, with the reason. */
export function createHostWatch(options: {
  readonly paths: HostPaths;
  readonly pciNames: PciNames;
  readonly memory: HostMemory;
  readonly clock: Clock;
  readonly store: Store;
  readonly bootId: BootId;
  /** What only observations and the hardware child tell. */
  readonly learned: () => Pick<HostSources, "hardware" | "softwareVersions">;
  readonly look: (reason: string) => void;
}): HostWatch {
  const { paths, clock, store, bootId } = options;
  const kernelLines: string[] = [];
  let vms: Reading<readonly VmStatus[]> = unreadable("neither libvirt nor Proxmox has told of the VMs yet");
  let host: HostState | undefined;
  let isLookDue = false;
  let isResetDue = false;
  let resetLookedAt = Number.NEGATIVE_INFINITY;
  /** The groups as they were stored last. */
  let remembered = "";

  function reading(): HostReading {
    const { pciNames, memory } = options;
    return readHost({ paths, vms, kernelLines, pciNames, memory, ...options.learned() });
  }

  function readNow(now = reading()): HostState {
    host = hostStateOf(now);
    if (host.devices.state === "read") {
      const groups = groupsOfDevices(host.devices.value);
      const said = JSON.stringify([...groups]);
      if (said === remembered) return host;
      const written = store.batched(() => store.vms.rememberGroups(groups, bootId, clock.now()));
      if (written.state === "written") remembered = said;
    }
    return host;
  }

  function lookSoon(reason: string): void {
    if (isLookDue) return;
    isLookDue = true;
    clock.after(LOOK_AFTER, () => {
      isLookDue = false;
      options.look(reason);
    });
  }

  function lookAfterReset(): void {
    if (isResetDue) return;
    isResetDue = true;
    const wait = Math.max(CALM_AFTER, resetLookedAt + RESETS_LOOKED_AT_EVERY - steadyNow(clock));
    clock.after(wait, () => {
      isResetDue = false;
      resetLookedAt = steadyNow(clock);
      options.look("a card or the host was set up anew");
    });
  }

  return {
    reading,
    read: readNow,
    latest: () => host,
    vms: () => vms,
    kernelLines,
    lookSoon,
    learn(observation, known) {
      switch (observation.kind) {
        case "kernel-record":
          if (kernelLines.length < KERNEL_LINES_KEPT && tellsOfRemapping(observation.text))
            kernelLines.push(observation.text);
          if (SET_UP_ANEW.test(observation.text)) lookAfterReset();
          break;
        case "vm-inventory":
          vms = read(known());
          lookSoon(observation.source === "libvirt" ? "libvirt connected" : "VMs of Proxmox");
          break;
        case "vm-device":
          vms = read(known());
          break;
        case "vm-lifecycle":
          vms = read(known());
          if (observation.event === "defined" || observation.event === "undefined") lookSoon("VM definition");
          break;
        case "config-file":
          lookSoon(`${observation.path} ${observation.change}`);
          break;
        case "vfio-node":
          lookSoon(`/dev/vfio/${observation.node} ${observation.change}`);
          break;
        default:
          break;
      }
    },
  };
}
