import type { CauseClass } from "../model/catalogue.ts";
import type { Cause, Certainty } from "../model/diagnosis.ts";
import type { HostState, IommuGroup, PciDevice } from "../model/host-state.ts";
import type { Bdf, SignatureId, VmName } from "../model/identifiers.ts";
import { signatureId } from "../model/identifiers.ts";
import type { HostDevice, VmDefinition } from "../model/virtual-machine.ts";

/** Drivers that give a device to user space; everything else holds it for the host. */
const PASSTHROUGH_DRIVERS = /^(?:vfio-pci|vfio-platform|\S*-?vfio-pci|\S+_vfio_pci)$/;
/** PCI bridges do not count against a group's viability (kernel: `pcieport` does not use the DMA API for itself). */
const BRIDGE_CLASS = /^06/;
/** libvirt and QEMU call it running in these states; the devices are then in use. */
const ACTIVE = new Set(["running", "blocked", "paused", "shutdown", "pmsuspended"]);
/** The kernel refuses devices with hard 1:1 regions since this version, whoever the vendor is. */
const REFUSES_SINCE = [6, 6] as const;

/**
 * What in the host's state stops this VM from starting, most decisive first. Used to explain failures whose
 * reason stands in no log (design, law 2) and to warn before a start. What could not be read yields no cause.
 */
export function checkHostState(vm: VmDefinition, host: HostState): readonly Cause[] {
  if (vm.hostDevices.length === 0) return [];
  return [
    ...missingDevices(vm, host),
    ...withoutIommu(vm, host),
    ...withoutVfio(vm, host),
    ...directRegions(vm, host),
    ...heldByOtherVm(vm, host),
    ...heldByHostDriver(vm, host),
    ...groupsNotViable(vm, host),
    ...withoutInterruptRemapping(vm, host),
  ];
}

interface CauseParts {
  readonly certainty: Certainty;
  readonly sentence: string;
  readonly remedies: readonly string[];
  readonly evidence: readonly string[];
  readonly devices: readonly Bdf[];
  readonly groups?: readonly number[];
}

function cause(causeClass: CauseClass, check: string, parts: CauseParts): Cause {
  const id: SignatureId = signatureId(`state.${check}`);
  return { class: causeClass, signature: id, ...parts, groups: parts.groups ?? [] };
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
        remedies: [
          "Look for the card at another address (a BIOS update or another card can renumber the bus) and select it again in the VM's settings.",
          "If it is nowhere, power the host off completely, reseat the card and check its power.",
        ],
        evidence: [`/sys/bus/pci/devices/${device.bdf} does not exist`],
        devices: [device.bdf],
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
      remedies: [
        "Turn on the IOMMU in the BIOS (AMD: IOMMU or AMD-Vi; Intel: VT-d).",
        "On Intel add intel_iommu=on to the kernel parameters, and remove intel_iommu=off or amd_iommu=off.",
      ],
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
      remedies: ["Load the modules (modprobe vfio-pci) and see what forbids it in /etc/modprobe.d."],
      evidence: ["/dev/vfio/vfio does not exist"],
      devices: vm.hostDevices.map((device) => device.bdf),
    }),
  ];
}

function directRegions(vm: VmDefinition, host: HostState): Cause[] {
  const causes: Cause[] = [];
  for (const group of groupsOf(vm, host)) {
    const regions = group.reservedRegions.filter((region) => region.kind === "direct");
    if (regions.length === 0) continue;
    const refuses = kernelRefuses(host);
    const demands = demandsOn(group, host);
    const bios = host.bios.state === "read" ? ` (BIOS ${host.bios.value.version})` : "";
    causes.push(
      cause("iommu-direct-mapping-required", "direct-region", {
        certainty: refuses === false ? "possible" : refuses === undefined ? "likely" : "certain",
        sentence:
          `The firmware${bios} demands a fixed 1:1 memory mapping for IOMMU group ${group.id}, ` +
          `and the kernel does not hand such a device to '${vm.name}'.`,
        remedies: [
          "Go back to the BIOS version with which it worked, or ask the board's vendor for one without the demand.",
          "In the BIOS turn off Kernel DMA Protection, Pre-boot DMA Protection or DMAr Support, where it is offered.",
        ],
        evidence: [
          ...regions.map(
            (region) =>
              `/sys/kernel/iommu_groups/${group.id}/reserved_regions: 0x${hex(region.start)} 0x${hex(region.end)} direct`,
          ),
          ...demands,
        ],
        devices: group.members,
        groups: [group.id],
      }),
    );
  }
  return causes;
}

function hex(value: bigint): string {
  return value.toString(16).padStart(16, "0");
}

/** Undefined where the kernel's version could not be read. */
function kernelRefuses(host: HostState): boolean | undefined {
  if (host.kernelRelease.state !== "read") return undefined;
  const version = /^(\d+)\.(\d+)/.exec(host.kernelRelease.value);
  if (version === null) return undefined;
  const [major, minor] = [Number(version[1]), Number(version[2])];
  return major > REFUSES_SINCE[0] || (major === REFUSES_SINCE[0] && minor >= REFUSES_SINCE[1]);
}

function demandsOn(group: IommuGroup, host: HostState): string[] {
  if (host.firmwareDemands.state !== "read") return [];
  return host.firmwareDemands.value
    .filter(
      (demand) => demand.strength === "hard" && demand.devices.some((bdf) => group.members.includes(bdf)),
    )
    .map((demand) => `${demand.table}: ${demand.description}`);
}

function heldByOtherVm(vm: VmDefinition, host: HostState): Cause[] {
  if (host.vms.state !== "read") return [];
  const causes: Cause[] = [];
  for (const other of host.vms.value) {
    if (other.definition.name === vm.name || !ACTIVE.has(other.state.state)) continue;
    for (const { bdf } of vm.hostDevices) {
      if (!other.definition.hostDevices.some((device) => device.bdf === bdf)) continue;
      causes.push(
        cause("device-busy", "in-use-by-vm", {
          certainty: "certain",
          sentence: `${bdf} is in use by the running VM '${other.definition.name}', so '${vm.name}' cannot have it.`,
          remedies: [`Shut down '${other.definition.name}' first, or give each VM a device of its own.`],
          evidence: [`'${other.definition.name}' is ${other.state.state} and its definition contains ${bdf}`],
          devices: [bdf],
          groups: groupNumbers(bdf, host),
        }),
      );
    }
  }
  return causes;
}

function heldByHostDriver(vm: VmDefinition, host: HostState): Cause[] {
  const causes: Cause[] = [];
  for (const device of vm.hostDevices.filter((candidate) => !candidate.managed)) {
    const found = deviceAt(device.bdf, host);
    if (found === undefined || isPassedThrough(found)) continue;
    const holder = found.driver === undefined ? "no driver" : `the host driver ${found.driver}`;
    causes.push(
      cause("driver-binding", "unmanaged-not-bound", {
        certainty: "certain",
        sentence: `${device.bdf} is bound to ${holder} instead of vfio-pci, and '${vm.name}' does not detach it by itself (managed='no').`,
        remedies: [
          "Bind the device to vfio-pci at boot (Unraid: Tools → System Devices; elsewhere vfio-pci.ids=).",
          "Or set managed='yes' for it in the VM's definition.",
        ],
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
  for (const group of groupsOf(vm, host)) {
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
        remedies: [
          "Pass all devices of the group through, or bind the others to vfio-pci as well.",
          "Move the card to another slot, or look for a BIOS setting or version that splits the group (ACS).",
        ],
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
      remedies: [
        "Turn on interrupt remapping (x2APIC, VT-d or IOMMU) in the BIOS and remove intremap=off from the kernel parameters.",
        "Only if the hardware cannot do it, and knowing that the guest could then disturb the host: vfio_iommu_type1.allow_unsafe_interrupts=1.",
      ],
      evidence: ["the kernel does not report interrupt remapping"],
      devices: vm.hostDevices.map((device) => device.bdf),
    }),
  ];
}

function deviceAt(bdf: Bdf, host: HostState): PciDevice | undefined {
  return host.devices.state === "read" ? host.devices.value.get(bdf) : undefined;
}

function isPassedThrough(device: PciDevice): boolean {
  return device.driver !== undefined && PASSTHROUGH_DRIVERS.test(device.driver);
}

function groupNumbers(bdf: Bdf, host: HostState): readonly number[] {
  const group = deviceAt(bdf, host)?.iommuGroup;
  return group === undefined ? [] : [group];
}

function groupsOf(vm: VmDefinition, host: HostState): readonly IommuGroup[] {
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
