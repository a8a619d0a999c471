import type { Bdf } from "./identifiers.ts";
import type { Reading } from "./reading.ts";
import type { HostDevice, VmDefinition, VmState } from "./virtual-machine.ts";

/** A PCI function as sysfs shows it. */
export interface PciDevice {
  readonly bdf: Bdf;
  /** Four hexadecimal digits each, e.g. `10de`, `2805`. */
  readonly vendorId: string;
  readonly deviceId: string;
  readonly subsystemVendorId?: string;
  readonly subsystemDeviceId?: string;
  /** Six hexadecimal digits, e.g. `030000`. */
  readonly classCode: string;
  /** From pci.ids where the host has it, e.g. `NVIDIA Corporation AD106 [GeForce RTX 4060 Ti 16GB]`. */
  readonly name?: string;
  /** The bound driver; undefined when none is. */
  readonly driver?: string;
  readonly driverOverride?: string;
  readonly iommuGroup?: number;
  readonly bootVga?: boolean;
}

export type ReservedRegionKind = "direct" | "direct-relaxable" | "reserved" | "msi";

export interface ReservedRegion {
  /** Addresses as the kernel prints them, inclusive end; bigint because they use all 64 bits. */
  readonly start: bigint;
  readonly end: bigint;
  readonly kind: ReservedRegionKind;
}

export interface IommuGroup {
  readonly id: number;
  /** `DMA`, `DMA-FQ`, `identity`, `blocked`, `auto`; undefined where the kernel does not show it. */
  readonly type?: string;
  readonly members: readonly Bdf[];
  /** Unreadable where only the members are known, as from older material. */
  readonly reservedRegions: Reading<readonly ReservedRegion[]>;
}

/** Which entry of the firmware's tables demands a 1:1 mapping, in words a vendor understands. */
export interface FirmwareDemand {
  readonly table: "IVRS" | "DMAR";
  /** e.g. `IVMD type 22h, flags 08h, devices 0000:00:00.0-0000:0f:1f.7, memory 0xa5a32000-0xa5a32fff`. */
  readonly description: string;
  readonly strength: "hard" | "relaxable";
  /** Devices on this host that it covers. */
  readonly devices: readonly Bdf[];
}

/** A VM and what libvirt says of it now. */
export interface VmStatus {
  /** What the next start gets. */
  readonly definition: VmDefinition;
  readonly state: VmState;
  /** What the VM has that runs now, where that is known. */
  readonly running?: VmDefinition;
  /** The task that has locked its configuration and lets nobody start it (Proxmox): `backup`, `snapshot-delete`. */
  readonly lock?: string;
}

/** The devices that a VM has while it is active: those it runs with, whatever its next start will get. */
export function devicesInUse({ definition, running }: VmStatus): readonly HostDevice[] {
  return (running ?? definition).hostDevices;
}

/** Whether a VM that runs will get other devices at its next start than it has. */
export function hasOtherDevicesNext({ definition, running }: VmStatus): boolean {
  if (running === undefined) return false;
  const has = new Set(running.hostDevices.map(({ bdf }) => bdf));
  const gets = new Set(definition.hostDevices.map(({ bdf }) => bdf));
  return has.size !== gets.size || [...gets].some((bdf) => !has.has(bdf));
}

/** The IOMMU group of each device that is in one. */
export function groupsOfDevices(devices: ReadonlyMap<Bdf, PciDevice>): ReadonlyMap<Bdf, number> {
  const groups = new Map<Bdf, number>();
  for (const { bdf, iommuGroup } of devices.values())
    if (iommuGroup !== undefined) groups.set(bdf, iommuGroup);
  return groups;
}

/** What diagnosis and preflight may know about the host at one moment. Plain values, read before. */
export interface HostState {
  readonly kernelRelease: Reading<string>;
  readonly bios: Reading<{ readonly version: string; readonly date?: string; readonly vendor?: string }>;
  readonly devices: Reading<ReadonlyMap<Bdf, PciDevice>>;
  readonly groups: Reading<ReadonlyMap<number, IommuGroup>>;
  /** Firmware entries that demand 1:1 mappings. */
  readonly firmwareDemands: Reading<readonly FirmwareDemand[]>;
  /** Names below `/dev/vfio` (`vfio`, `14`, `devices/vfio0`). */
  readonly vfioNodes: Reading<ReadonlySet<string>>;
  /** Loaded (or built-in) modules that matter: `vfio_pci`, `vfio_iommu_type1`, `kvm`, … */
  readonly modules: Reading<ReadonlySet<string>>;
  readonly vms: Reading<readonly VmStatus[]>;
  /** Whether the kernel says that interrupts are remapped. */
  readonly interruptRemapping: Reading<boolean>;
  /** Words of `/proc/cmdline`. */
  readonly kernelParameters: Reading<readonly string[]>;
  /** What the links of a device and of its port run with when it is asked, a line each; it asks the hardware itself. */
  readonly linksNow?: (device: Bdf) => readonly string[];
}
