import type { Cause } from "../model/diagnosis.ts";
import {
  devicesInUse,
  type HostState,
  type IommuGroup,
  type PciDevice,
  type VmStatus,
} from "../model/host-state.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { HostDevice, VmDefinition } from "../model/virtual-machine.ts";
import { directRegions } from "./direct-regions.ts";
import { BEGINNING, deviceAt, groupNumbers, groupsOf, isActive, isPassedThrough } from "./host-lookups.ts";
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
function groupsBoundAtStart(vm: VmDefinition, host: HostState): ReadonlySet<number> {
  if (vm.manager !== "proxmox") return new Set();
  const managed = vm.hostDevices.filter(({ managed }) => managed);
  return new Set(managed.flatMap(({ bdf }) => groupNumbers(bdf, host)));
}

/** Ports and bridges with a bus behind them; vfio-pci takes none. */
const PORT_CLASS = /^0604/;
/** PCI bridges do not count against a group's viability (kernel: `pcieport` does not use the DMA API for itself). */
const BRIDGE_CLASS = /^06/;

/**
 * What in the host's state stops this VM from starting, most decisive first. Used to explain failures whose
 * reason stands in no log (design, law 2) and to warn before a start. What could not be read yields no cause.
 */
export function checkHostState(vm: VmDefinition, host: HostState): readonly Cause[] {
  if (vm.hostDevices.length === 0) return refusedByManager(vm);
  return [
    ...missingDevices(vm, host),
    ...refusedByManager(vm),
    ...withoutIommu(vm, host),
    ...withoutGroup(vm, host),
    ...ports(vm, host),
    ...withoutVfio(vm, host),
    ...directRegions(vm, host),
    ...hardLimitTooLow(vm),
    ...heldByOtherVm(vm, host),
    ...heldByHostDriver(vm, host),
    ...groupsNotViable(vm, host),
    ...withoutInterruptRemapping(vm, host),
  ];
}

/** What QEMU needs locked beside the guest's memory: the devices' own windows, which libvirt reckons with 1 GiB. */
const LOCKED_BESIDE_KIB = 1024 * 1024;

/**
 * With a passed-through device all of the guest's memory is pinned. libvirt sets QEMU's limit for locked memory to
 * `hard_limit` where the definition has one (`qemuDomainGetMemLockLimitBytes`), else to the memory and 1 GiB.
 */
function hardLimitTooLow({ name, memoryKiB, memory, hostDevices }: VmDefinition): Cause[] {
  const limit = memory?.hardLimitKiB;
  if (limit === undefined || memoryKiB === 0 || limit >= memoryKiB + LOCKED_BESIDE_KIB) return [];
  const [has, wants] = [mebibytes(limit), mebibytes(memoryKiB)];
  const tooLow = limit <= memoryKiB;
  return [
    cause("memlock-limit", "hard-limit-too-low", {
      certainty: tooLow ? "certain" : "possible",
      sentence: tooLow
        ? `The definition of '${name}' limits its memory to ${has} (hard_limit), and a passed-through device needs all of its ${wants} locked and some more.`
        : `The definition of '${name}' limits its memory to ${has} (hard_limit), which is little more than the ${wants} that a passed-through device needs locked; the devices' own windows may not fit.`,
      evidence: [
        `<hard_limit unit='KiB'>${limit}</hard_limit> beside <memory unit='KiB'>${memoryKiB}</memory>`,
      ],
      devices: hostDevices.map(({ bdf }) => bdf),
      names: { needed: mebibytes(memoryKiB + LOCKED_BESIDE_KIB) },
    }),
  ];
}

function mebibytes(kib: number): string {
  return `${Math.floor(kib / 1024)} MiB`;
}

function missingDevices(vm: VmDefinition, host: HostState): Cause[] {
  if (host.devices.state !== "read") return [];
  const present = host.devices.value;
  return vm.hostDevices
    .filter((device) => !present.has(device.bdf))
    .map((device) =>
      cause("device-missing", "device-absent", {
        certainty: "certain",
        sentence: `'${vm.name}' wants the device ${device.bdf}, and no device has that address now.`,
        evidence: [`/sys/bus/pci/devices/${device.bdf} does not exist`],
        devices: [device.bdf],
      }),
    );
}

/** Proxmox looks at its own settings before it runs QEMU. */
function refusedByManager({ name, refusal, hostDevices }: VmDefinition): Cause[] {
  if (refusal === undefined) return [];
  const { setting, why } = refusal;
  return [
    cause(refusal.class, refusal.class === "device-missing" ? "mapping-invalid" : "hostpci-invalid", {
      certainty: "certain",
      sentence: `Proxmox does not start '${name}' with this ${setting}: ${why.replace(/\.$/, "")}.`,
      evidence: [`${setting}: ${why}`],
      devices: hostDevices.map(({ bdf }) => bdf),
    }),
  ];
}

function withoutGroup(vm: VmDefinition, host: HostState): Cause[] {
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

function ports(vm: VmDefinition, host: HostState): Cause[] {
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

function withoutIommu(vm: VmDefinition, host: HostState): Cause[] {
  if (host.groups.state !== "read" && host.groups.state !== "absent") return [];
  const groups = host.groups.state === "read" ? host.groups.value : new Map<number, IommuGroup>();
  if (groups.size > 0) return [];
  return [
    cause("iommu-not-enabled", "no-iommu-groups", {
      certainty: "certain",
      sentence: `The host has no IOMMU groups: the IOMMU is off, so no device can be passed to '${vm.name}'.`,
      evidence: ["/sys/kernel/iommu_groups is empty", ...disablingParameters(host)],
      devices: vm.hostDevices.map((device) => device.bdf),
    }),
  ];
}

function disablingParameters(host: HostState): string[] {
  if (host.kernelParameters.state !== "read") return [];
  return host.kernelParameters.value
    .filter((word) => /^(?:intel_iommu|amd_iommu|iommu)=(?:.*,)?off\b/.test(word))
    .map((word) => `kernel parameter ${word}`);
}

function withoutVfio(vm: VmDefinition, host: HostState): Cause[] {
  if (host.groups.state !== "read" || host.groups.value.size === 0) return [];
  if (host.vfioNodes.state === "unreadable") return [];
  const container = host.vfioNodes.state === "read" && host.vfioNodes.value.has("vfio");
  if (container) return [];
  return [
    cause("driver-binding", "no-vfio-container", {
      certainty: "likely",
      sentence: `/dev/vfio/vfio does not exist: the VFIO modules are not loaded, so '${vm.name}' gets no device.`,
      evidence: ["/dev/vfio/vfio does not exist"],
      devices: vm.hostDevices.map((device) => device.bdf),
    }),
  ];
}

function heldByOtherVm(vm: VmDefinition, host: HostState): Cause[] {
  if (host.vms.state !== "read") return [];
  const causes: Cause[] = [];
  for (const other of host.vms.value) {
    if (other.definition.name === vm.name || !isActive(other.state.state)) continue;
    const used = devicesInUse(other);
    causes.push(...groupHeldBy(other, used, vm, host));
    for (const { bdf } of vm.hostDevices) {
      if (!used.some((device) => device.bdf === bdf)) continue;
      causes.push(
        cause("device-busy", "in-use-by-vm", {
          certainty: other.state.reason === BEGINNING ? "likely" : "certain",
          sentence: `${bdf} is in use by the running VM '${other.definition.name}', so '${vm.name}' cannot have it.`,
          evidence: [`'${other.definition.name}' is ${other.state.state} and has ${bdf}`],
          devices: [bdf],
          groups: groupNumbers(bdf, host),
          names: { holder: other.definition.name },
        }),
      );
    }
  }
  return causes;
}

/** A group is opened by one process only, whatever parts of it the VMs want. */
function groupHeldBy(
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

function heldByHostDriver(vm: VmDefinition, host: HostState): Cause[] {
  const causes: Cause[] = [];
  const bound = groupsBoundAtStart(vm, host);
  for (const device of vm.hostDevices.filter((candidate) => !candidate.managed)) {
    const found = deviceAt(device.bdf, host);
    if (found === undefined || isPassedThrough(found) || bound.has(found.iommuGroup ?? -1)) continue;
    const holder = found.driver === undefined ? "no driver" : `the host driver ${found.driver}`;
    const why =
      vm.manager === "proxmox" ? "Proxmox is not to bind it for" : "nobody detaches it (managed='no') for";
    causes.push(
      cause("driver-binding", "unmanaged-not-bound", {
        certainty: "certain",
        sentence: `${device.bdf} is bound to ${holder} instead of vfio-pci, and ${why} '${vm.name}'.`,
        evidence: [`/sys/bus/pci/devices/${device.bdf}/driver is ${found.driver ?? "absent"}`],
        devices: [device.bdf],
        groups: groupNumbers(device.bdf, host),
      }),
    );
  }
  return causes;
}

function groupsNotViable(vm: VmDefinition, host: HostState): Cause[] {
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

function withoutInterruptRemapping(vm: VmDefinition, host: HostState): Cause[] {
  if (host.interruptRemapping.state !== "read" || host.interruptRemapping.value) return [];
  const allowed =
    host.kernelParameters.state === "read" &&
    host.kernelParameters.value.some((word) => /allow_unsafe_interrupts=(?:1|y)/i.test(word));
  if (allowed) return [];
  return [
    cause("interrupt-remapping-missing", "no-interrupt-remapping", {
      certainty: "likely",
      sentence: `The host does not remap interrupts, and VFIO gives '${vm.name}' no device without it.`,
      evidence: ["the kernel does not report interrupt remapping"],
      devices: vm.hostDevices.map((device) => device.bdf),
    }),
  ];
}
