import type { Bdf, VmName } from "./identifiers.ts";

/** A passed-through PCI device in a VM's definition. */
export interface HostDevice {
  readonly bdf: Bdf;
  /**
   * libvirt detaches it from the host by itself, and gives it back (`managed='yes'`). Proxmox binds its whole IOMMU group
   * to vfio-pci before it runs QEMU, and leaves it there (not with `driver=keep`).
   */
  readonly managed: boolean;
  /** `<driver name='…'>`, e.g. `vfio`. */
  readonly driver?: string;
  /** Address inside the VM. */
  readonly guestAddress?: Bdf;
  readonly multifunction?: boolean;
  /** libvirt's name of it while the VM runs, e.g. `hostdev0`. */
  readonly alias?: string;
  /** ROM file, or `off` for `<rom bar='off'/>`. */
  readonly rom?: string;
}

/** Why a VM's manager does not even run QEMU for it, as things are now. */
export interface StartRefusal {
  readonly class: "device-missing" | "device-config-invalid";
  /** Where it stands, e.g. `hostpci0`. */
  readonly setting: string;
  /** In the manager's own words. */
  readonly why: string;
}

/**
 * What libvirt's XML says about a VM, as far as this program cares; normalised. A VM that runs has two: what it got when
 * it was started (and was plugged in since), and what its next start gets.
 */
export interface VmDefinition {
  readonly name: VmName;
  readonly uuid: string;
  readonly machine: string;
  readonly firmware: "bios" | "uefi" | string;
  readonly memoryKiB: number;
  readonly hugepages: boolean;
  /** Limits of `<memtune>`; those that are not set are left out. */
  readonly memory?: { readonly hardLimitKiB?: number };
  readonly autostart?: boolean;
  /** The program that is run for it. */
  readonly emulator?: string;
  /** Who starts it; libvirt where none is named. */
  readonly manager?: "proxmox";
  /** The node of the cluster that it has moved to; it is not here then, and may come back. */
  readonly movedTo?: string;
  readonly refusal?: StartRefusal;
  readonly hostDevices: readonly HostDevice[];
}

/** Who starts VMs; libvirt where none is named. */
export type VmManager = VmDefinition["manager"];

/** Who starts the VM; an older release did not write it down, but a Proxmox VM's identity begins with its number. */
export function managerOf({ manager, uuid }: Pick<VmDefinition, "manager" | "uuid">): VmManager {
  return manager ?? (/^\d{1,9}(?:\/|$)/.test(uuid) ? "proxmox" : undefined);
}

/** Whether it is to get devices of this host. */
export function wantsDevices({ hostDevices, movedTo }: VmDefinition): boolean {
  return hostDevices.length > 0 && movedTo === undefined;
}

/** libvirt's state and reason in its own English words, e.g. `shutoff` / `failed`, `running` / `booted`. */
export interface VmState {
  readonly state:
    | "nostate"
    | "running"
    | "blocked"
    | "paused"
    | "shutdown"
    | "shutoff"
    | "crashed"
    | "pmsuspended";
  readonly reason: string;
}

const RUNNING: ReadonlySet<VmState["state"]> = new Set(["running", "blocked", "paused", "pmsuspended"]);

/** Whether a VM of this state has been started and not ended. */
export function hasStarted(state: VmState): boolean {
  return RUNNING.has(state.state) && !isStarting(state);
}

/** Whether libvirt is still setting the VM up: it calls it paused from before QEMU runs until the guest does. */
export function isStarting({ state, reason }: VmState): boolean {
  return state === "paused" && reason === "starting up";
}
