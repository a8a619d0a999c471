import type { Cause } from "../model/diagnosis.ts";
import { devicesInUse, type HostState, type IommuGroup } from "../model/host-state.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { directRegions } from "./direct-regions.ts";
import { groupHeldBy, groupsBoundAtStart, groupsNotViable, ports, withoutGroup } from "./group-checks.ts";
import { BEGINNING, deviceAt, groupNumbers, isActive, isPassedThrough } from "./host-lookups.ts";
import { cause } from "./state-cause.ts";

/**
 * What in the host's state stops this VM from starting, most decisive first. Used to explain failures whose
 * reason stands in no log (design, law 2) and to warn before a start. What could not be read yields no cause.
 */
export function checkHostState(vm: VmDefinition, host: HostState): readonly Cause[] {
  if (vm.movedTo !== undefined) return [];
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
