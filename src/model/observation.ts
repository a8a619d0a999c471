import type { VmStatus } from "./host-state.ts";
import type { Bdf, BootId, VmName } from "./identifiers.ts";
import type { VmDefinition, VmManager, VmState } from "./virtual-machine.ts";

/** What a place that observations come from is called; each names itself, in `sources/kinds/`. */
export type SourceName = string;

interface ObservationBase {
  readonly source: SourceName;
  /** When it happened: UTC epoch milliseconds, from the source's own time stamp where it has one. */
  readonly at: number;
  /** False where `at` is only the time of arrival. */
  readonly exactTime: boolean;
  /** The boot it belongs to, where known. */
  readonly bootId?: BootId;
  /** Microseconds since boot, for kernel records. */
  readonly monotonicUs?: number;
  /**
   * Unique for what was said within the source (`<boot id>:<sequence>`, `<device>:<inode>:<offset>`): the same
   * thing read twice has the same identity, so that a restart never stores or tells it twice.
   */
  readonly identity: string;
  /** After this observation has been dealt with, the source can resume here; opaque to everyone else. */
  readonly resume?: ResumePoint;
}

/** Where a source goes on after a restart. One source may keep several, e.g. one a log file. */
export interface ResumePoint {
  readonly key: string;
  readonly value: string;
}

export interface KernelRecord extends ObservationBase {
  readonly kind: "kernel-record";
  /** The kernel's own count of records in this boot; -1 where the record came through a log daemon, which drops it. */
  readonly sequence: number;
  /** 0 (emergency) to 7 (debug). */
  readonly level: number;
  /** Unescaped; may hold several lines. */
  readonly text: string;
  /** The device of the record's dictionary (`DEVICE=+pci:…`); beats an address in the text (law 8). */
  readonly device?: Bdf;
}

/** Something was lost or skipped, and how much of it. */
export interface Gap extends ObservationBase {
  readonly kind: "gap";
  /** Number of records lost; undefined where it cannot be known. */
  readonly lost: number | undefined;
  readonly detail: string;
}

export interface VfioNodeChange extends ObservationBase {
  readonly kind: "vfio-node";
  readonly change: "added" | "removed" | "permissions";
  /** Path below `/dev/vfio`, e.g. `14`, `vfio`, `devices/vfio0`. */
  readonly node: string;
  /** The IOMMU group, for a group node. */
  readonly group?: number;
  /** Permission bits and owner, unless removed. */
  readonly access?: { readonly mode: number; readonly uid: number; readonly gid: number };
}

/**
 * All VMs of the host as libvirt lists them, sent after each (re)connection, or as Proxmox has them. It says nothing of
 * the other's. Of Proxmox also those that were here and have moved to another node.
 */
export interface VmInventory extends ObservationBase {
  readonly kind: "vm-inventory";
  readonly vms: readonly VmStatus[];
}

export interface VmLifecycle extends ObservationBase {
  readonly kind: "vm-lifecycle";
  readonly vm: VmName;
  readonly event:
    | "defined"
    | "undefined"
    | "started"
    | "suspended"
    | "resumed"
    | "stopped"
    | "shutdown"
    | "pmsuspended"
    | "crashed";
  /** libvirt's detail in its own English, lower case: `booted`, `destroyed`, `failed`, `renamed`, `guest request`… */
  readonly detail: string;
  /** The same under every name that the VM ever has; where the source knows it. */
  readonly uuid?: string;
  /** The definition that the next start gets, sent along with `defined` and `started`. */
  readonly definition?: VmDefinition;
  /** What the VM got that was just started. */
  readonly running?: VmDefinition;
}

/** libvirt's `control-error`: QEMU went away while it was being talked to; not VFIO specific (law 1). */
export interface VmControlError extends ObservationBase {
  readonly kind: "vm-control-error";
  readonly vm: VmName;
}

/** State of a VM asked for and answered, e.g. shut off for the reason `failed`. */
export interface VmStateSeen extends ObservationBase {
  readonly kind: "vm-state";
  readonly vm: VmName;
  readonly state: VmState;
}

export interface VmReboot extends ObservationBase {
  readonly kind: "vm-reboot";
  readonly vm: VmName;
}

/** A device was plugged into a VM that runs, or out of it; `removal-failed` where the guest would not let go of it. */
export interface VmDeviceChange extends ObservationBase {
  readonly kind: "vm-device";
  readonly vm: VmName;
  readonly change: "added" | "removed" | "removal-failed";
  /** libvirt's alias, e.g. `hostdev0`. */
  readonly alias: string;
  /** What the VM has now. */
  readonly running?: VmDefinition;
}

/** The connection to a source came or went; `detail` says why and what it would take. */
export interface Connection extends ObservationBase {
  readonly kind: "connection";
  readonly state: "connected" | "lost";
  readonly detail: string;
}

/** `starting up` in a domain log, with what its command block shows; a start task of Proxmox, with its configuration. */
export interface DomainLogStart extends ObservationBase {
  readonly kind: "domain-log-start";
  readonly vm: VmName;
  readonly libvirtVersion?: string;
  readonly qemuVersion?: string;
  readonly kernelRelease?: string;
  readonly machine?: string;
  /** Host addresses of the devices that the command line passes through. */
  readonly devices: readonly Bdf[];
  /** The command line was read to its end, so that these are all of them. */
  readonly isWhole: boolean;
}

/** A line of QEMU or of libvirt's child between `starting up` and `shutting down`; a line of a start task of Proxmox. */
export interface DomainLogLine extends ObservationBase {
  readonly kind: "domain-log-line";
  readonly vm: VmName;
  /** The line as it stands, without its time stamp; bounded length. */
  readonly text: string;
}

/** `shutting down, reason=…`; `failed` also for a start task of Proxmox that ended with an error. */
export interface DomainLogEnd extends ObservationBase {
  readonly kind: "domain-log-end";
  readonly vm: VmName;
  /** libvirt's word: `failed`, `crashed`, `destroyed`, `shutdown`, `daemon`, … */
  readonly reason: string;
}

/** One record of libvirtd's (virtqemud's) own log; may hold several lines. */
export interface LibvirtdRecord extends ObservationBase {
  readonly kind: "libvirtd-record";
  readonly level: "debug" | "info" | "warning" | "error";
  /** libvirt's function, e.g. `qemuProcessReportLogError`, where the record has one. */
  readonly origin?: string;
  readonly text: string;
  /** The VM, where the text or its metadata names one. */
  readonly vm?: VmName;
}

/** A watched configuration file changed, appeared or went. */
export interface ConfigFileChange extends ObservationBase {
  readonly kind: "config-file";
  readonly path: string;
  readonly change: "added" | "changed" | "removed";
}

export type Observation =
  | KernelRecord
  | Gap
  | VfioNodeChange
  | VmInventory
  | VmLifecycle
  | VmControlError
  | VmStateSeen
  | VmReboot
  | VmDeviceChange
  | Connection
  | DomainLogStart
  | DomainLogLine
  | DomainLogEnd
  | LibvirtdRecord
  | ConfigFileChange;

/** Who has the VMs that an inventory lists. */
export function managerOfInventory({ source }: VmInventory): VmManager {
  return source === "proxmox" ? "proxmox" : undefined;
}
