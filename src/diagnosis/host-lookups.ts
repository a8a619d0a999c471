import type { HostState, IommuGroup, PciDevice } from "../model/host-state.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";

/** Drivers that give a device to user space; everything else holds it for the host. */
const PASSTHROUGH_DRIVERS = /^(?:vfio-pci|vfio-platform|\S*-?vfio-pci|\S+_vfio_pci)$/;
/** The state's reason of a VM whose log began a moment after the time in question: it may have had its devices. */
export const BEGINNING = "beginning at the time";
/** libvirt and QEMU call it running in these states; the devices are then in use. */
const ACTIVE: ReadonlySet<string> = new Set(["running", "blocked", "paused", "shutdown", "pmsuspended"]);

/** The device at an address, where the host's devices could be read. */
export function deviceAt(bdf: Bdf, host: HostState): PciDevice | undefined {
  return host.devices.state === "read" ? host.devices.value.get(bdf) : undefined;
}

/** Whether a driver for passthrough holds it. */
export function isPassedThrough(device: PciDevice): boolean {
  return device.driver !== undefined && PASSTHROUGH_DRIVERS.test(device.driver);
}

/** Number of the device's group, as a list of at most one. */
export function groupNumbers(bdf: Bdf, host: HostState): readonly number[] {
  const group = deviceAt(bdf, host)?.iommuGroup;
  return group === undefined ? [] : [group];
}

/** The IOMMU groups of a VM's devices. */
export function groupsOf(vm: VmDefinition, host: HostState): readonly IommuGroup[] {
  if (host.groups.state !== "read") return [];
  const numbers = new Set(vm.hostDevices.flatMap((device) => groupNumbers(device.bdf, host)));
  const groups = host.groups.value;
  return [...numbers].map((id) => groups.get(id)).filter((group) => group !== undefined);
}

/** The definition of a VM in the host's state. */
export function definitionOf(vm: VmName, host: HostState): VmDefinition | undefined {
  if (host.vms.state !== "read") return undefined;
  return host.vms.value.find((candidate) => candidate.definition.name === vm)?.definition;
}

/** Whether a VM is active, so that its devices are in use. */
export function isActive(state: string): boolean {
  return ACTIVE.has(state);
}
