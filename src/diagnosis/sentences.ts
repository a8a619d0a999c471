import type { CauseClass, SignatureMatch } from "../model/catalogue.ts";
import type { Bdf } from "../model/identifiers.ts";

/** What a sentence can name. */
export interface Subject {
  readonly devices: readonly Bdf[];
  readonly groups: readonly number[];
  readonly match: SignatureMatch;
}

const LONGEST_DETAIL = 120;

/** Says in one sentence what is wrong, naming the device and its group where they are known. */
export function sentenceFor(causeClass: CauseClass, subject: Subject): string {
  return SENTENCES[causeClass](nameOf(subject), subject);
}

function nameOf({ devices, groups }: Subject): string {
  const group = groups[0] === undefined ? undefined : `IOMMU group ${groups[0]}`;
  if (devices[0] !== undefined) {
    return group === undefined ? `the device ${devices[0]}` : `the device ${devices[0]} (${group})`;
  }
  return group === undefined ? "a passed-through device" : `a device of ${group}`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The signature's own meaning with what it names: these classes are too wide for a sentence of their own. */
function meaningWithDetail(_name: string, { match }: Subject): string {
  const [first = match.signature.meaning] = /^.*?[.:;](?= |$)/.exec(match.signature.meaning) ?? [];
  const { path, file, network, machine, model, reason, profile } = match.captures;
  const detail = path ?? file ?? network ?? machine ?? model ?? reason ?? profile;
  const sentence = first.replace(/[.:;]$/, "");
  return detail === undefined ? `${sentence}.` : `${sentence}: ${detail.trim().slice(0, LONGEST_DETAIL)}.`;
}

const SENTENCES: Readonly<Record<CauseClass, (name: string, subject: Subject) => string>> = {
  "iommu-direct-mapping-required": (name) =>
    `The firmware (BIOS) demands a fixed 1:1 memory mapping for ${name}, and the kernel gives such a device to no VM.`,
  "container-setup-failed": (name) =>
    `The kernel refused to put ${name} under QEMU's control, and this text does not say why; the kernel log of that moment should.`,
  "group-not-viable": (name) =>
    `The host still uses another device that shares the IOMMU group with ${name}, and a group can only be given away as a whole.`,
  "iommu-not-enabled": () => "The IOMMU is off or VFIO is not loaded, so no device can be given to a VM.",
  "iommu-firmware-bug": () =>
    "The firmware (BIOS) describes the IOMMU wrongly, and the kernel leaves it or a part of it off or works around it.",
  "interrupt-remapping-missing": () =>
    "The host does not remap interrupts, and without that VFIO gives no device to a VM.",
  "iommu-fault": (name) => `The IOMMU stopped ${name} from reaching memory that it may not use.`,
  "iommu-timeout": (name) => `The IOMMU got no answer from ${name}: it hangs or has dropped off the bus.`,
  "dma-map-failed": (name) => `VFIO could not make a part of the VM's memory reachable for ${name}.`,
  "memlock-limit": (name) =>
    `The VM's memory could not be locked for ${name}: QEMU may not lock as much, or the host is short of memory.`,
  "bar-reserve-failed": (name) =>
    `The host, mostly its boot screen, still uses the memory window of ${name}, so the VM cannot reach it.`,
  "device-busy": (name, { match }) => {
    const holder = match.captures.holder?.trim().slice(0, LONGEST_DETAIL);
    return holder === undefined
      ? `${capitalised(name)} is already in use by another VM or program.`
      : `${capitalised(name)} is already in use by the VM '${holder}'.`;
  },
  "device-missing": (name) =>
    name === "a passed-through device"
      ? "A device that the VM's definition names does not exist at that address."
      : `The VM's definition names ${name}, and there is none at that address.`,
  "device-lost": (name) =>
    `${capitalised(name)} does not answer any more: it hangs, has no power, or its link is down.`,
  "driver-binding": (name) =>
    `${capitalised(name)} is not bound to vfio-pci, the driver that gives devices to VMs.`,
  "access-denied": (name) => `QEMU was not allowed to open what it needs for ${name}.`,
  "reset-failed": (name) => `${capitalised(name)} could not be reset, or did not come back from a reset.`,
  "power-state-stuck": (name) =>
    `${capitalised(name)} did not change its power state: it does not wake up or fall asleep.`,
  "pcie-error": (name) => `The PCIe link of ${name} reported errors.`,
  "rom-invalid": (name, { match }) =>
    match.signature.severity === "fatal"
      ? `The ROM file that the VM's definition names for ${name} cannot be used.`
      : `The option ROM of ${name} cannot be read; the VM starts, but its screen may stay black.`,
  "irq-setup-failed": (name) =>
    `The interrupt of ${name} could not be set up, mostly because another device shares its line.`,
  "device-config-invalid": (name, subject) =>
    subject.match.signature.layer === "kernel"
      ? `${capitalised(name)} shows a configuration that cannot be used; mostly its memory windows found no room.`
      : `The VM cannot have ${name} in the way that its definition says. ${meaningWithDetail(name, subject)}`,
  "guest-address-space": () =>
    "The VM's address space is too small for its memory and the memory windows of its devices.",
  "memory-alloc-failed": () => "The host could not provide the VM's memory.",
  "kvm-unavailable": () =>
    "Hardware virtualisation (KVM) cannot be used: it is off in the BIOS, not loaded, or not permitted.",
  "vm-config-invalid": meaningWithDetail,
  "host-resource-missing": meaningWithDetail,
  "vm-killed": meaningWithDetail,
};
