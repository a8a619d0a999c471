import type { Cause } from "../model/diagnosis.ts";
import type { HostState, PciDevice, VmStatus } from "../model/host-state.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { HostDevice, VmDefinition } from "../model/virtual-machine.ts";
import { BEGINNING, deviceAt, groupNumbers, groupsOf, isPassedThrough } from "./host-lookups.ts";
import { cause } from "./state-cause.ts";

/** What the VM's manager binds to vfio-pci before it runs QEMU and a driver of the host holds now. */
export function boundAtStart(vm: VmDefinition, host: HostState): readonly PciDevice[] {
  const bound = groupsBoundAtStart(vm, host);
  return groupsOf(vm, host)
    .filter(({ id }) => bound.has(id))
    .flatMap(({ members }) => members.flatMap((bdf) => deviceAt(bdf, host) ?? []))
    .filter((device) => device.driver !== undefined && !PORT_CLASS.test(device.classCode));
}

/** The groups that Proxmox binds to vfio-pci whole, ports excepted, before it runs QEMU. */
export function groupsBoundAtStart(vm: VmDefinition, host: HostState): ReadonlySet<number> {
  if (vm.manager !== "proxmox") return new Set();
  const managed = vm.hostDevices.filter(({ managed }) => managed);
  return new Set(managed.flatMap(({ bdf }) => groupNumbers(bdf, host)));
}

/** Ports and bridges with a bus behind them; vfio-pci takes none. */
const PORT_CLASS = /^0604/;
/** PCI bridges do not count against a group's viability (kernel: `pcieport` does not use the DMA API for itself). */
const BRIDGE_CLASS = /^06/;

/** Devices that no IOMMU stands before, though one does before others. */
export function withoutGroup(vm: VmDefinition, host: HostState): Cause[] {
  if (host.groups.state !== "read" || host.groups.value.size === 0) return [];
  return vm.hostDevices
    .filter(({ bdf }) => {
      const device = deviceAt(bdf, host);
      return device !== undefined && device.iommuGroup === undefined;
    })
    .map(({ bdf }) =>
      cause("iommu-not-enabled", "device-without-group", {
        certainty: "certain",
        sentence: `${bdf} is in no IOMMU group, though other devices are: no IOMMU stands before it, so '${vm.name}' cannot have it.`,
        evidence: [`/sys/bus/pci/devices/${bdf}/iommu_group does not exist`],
        devices: [bdf],
      }),
    );
}

/** Ports among the devices. */
export function ports(vm: VmDefinition, host: HostState): Cause[] {
  const found = vm.hostDevices.filter(({ bdf }) => PORT_CLASS.test(deviceAt(bdf, host)?.classCode ?? ""));
  return found.map(({ bdf }) =>
    cause("driver-binding", "port-not-a-device", {
      certainty: "certain",
      sentence: `${bdf} is a PCI port or bridge, which vfio-pci does not take, so '${vm.name}' cannot have it.`,
      evidence: [`/sys/bus/pci/devices/${bdf}/class is 0x${deviceAt(bdf, host)?.classCode}`],
      devices: [bdf],
      groups: groupNumbers(bdf, host),
    }),
  );
}

/** A group is opened by one process only, whatever parts of it the VMs want. */
export function groupHeldBy(
  { definition, state }: VmStatus,
  used: readonly HostDevice[],
  vm: VmDefinition,
  host: HostState,
): readonly Cause[] {
  const wanted = new Set(vm.hostDevices.map(({ bdf }) => bdf));
  // Where it has the very device that is said, and all that is to be said.
  const held = new Map(
    used.flatMap(({ bdf }) => groupNumbers(bdf, host).map((group) => [group, bdf] as const)),
  );
  const same = new Set(
    used.filter(({ bdf }) => wanted.has(bdf)).flatMap(({ bdf }) => groupNumbers(bdf, host)),
  );
  const groups = new Set(vm.hostDevices.flatMap(({ bdf }) => groupNumbers(bdf, host)));
  return [...groups].flatMap((group) => {
    const device = held.get(group);
    if (device === undefined || same.has(group)) return [];
    return cause("device-busy", "group-in-use-by-vm", {
      certainty: state.reason === BEGINNING ? "likely" : "certain",
      sentence: `The running VM '${definition.name}' has ${device} of IOMMU group ${group}, and only one VM can have devices of a group, so '${vm.name}' cannot have its part.`,
      evidence: [`'${definition.name}' is ${state.state} and has ${device} of group ${group}`],
      devices: vm.hostDevices
        .filter(({ bdf }) => groupNumbers(bdf, host).includes(group))
        .map(({ bdf }) => bdf),
      groups: [group],
      names: { holder: definition.name },
    });
  });
}

/** Groups of which the host still uses a part that the VM does not get and nobody takes away. */
export function groupsNotViable(vm: VmDefinition, host: HostState): Cause[] {
  const own = new Map<Bdf, HostDevice>(vm.hostDevices.map((device) => [device.bdf, device]));
  const causes: Cause[] = [];
  const bound = groupsBoundAtStart(vm, host);
  for (const group of groupsOf(vm, host)) {
    if (bound.has(group.id)) continue;
    const holders = group.members
      .map((bdf) => deviceAt(bdf, host))
      .filter((member): member is PciDevice => member !== undefined)
      .filter((member) => !own.has(member.bdf) && !BRIDGE_CLASS.test(member.classCode))
      .filter((member) => member.driver !== undefined && !isPassedThrough(member));
    if (holders.length === 0) continue;
    const named = holders.map((holder) => `${holder.bdf} (${holder.driver})`).join(", ");
    causes.push(
      cause("group-not-viable", "group-shared-with-host", {
        certainty: "likely",
        sentence: `IOMMU group ${group.id} is shared with ${named}, which the host still uses, so '${vm.name}' cannot have its part.`,
        evidence: holders.map((holder) => `${holder.bdf} in group ${group.id} is bound to ${holder.driver}`),
        devices: holders.map((holder) => holder.bdf),
        groups: [group.id],
      }),
    );
  }
  return causes;
}
