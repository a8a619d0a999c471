import { listOf, textOf } from "../facts/fact-value.ts";
import { keyPart } from "../facts/key-parts.ts";
import type { FactContent, FactValue, Snapshot } from "../model/fact.ts";
import type { Bdf } from "../model/identifiers.ts";

/**
 * What of a host leaves for a fleet: facts that many machines share, by their keys. `null` is verifiably absent; what is
 * unknown is left out. Nothing here names a machine, a VM, a disk or an address.
 */
export type Environment = Readonly<Record<string, FactContent | null>>;

const FACTS: ReadonlySet<string> = new Set([
  ...["firmware.board.vendor", "firmware.board.name", "firmware.board.version"],
  ...["firmware.system.vendor", "firmware.system.product"],
  ...["firmware.bios.version", "firmware.bios.date", "firmware.bios.release", "firmware.agesa"],
  ...["firmware.microcode", "firmware.boot-mode", "firmware.secure-boot"],
  ...["firmware-tables.IVRS.pre-boot-dma-protection", "firmware-tables.DMAR.interrupt-remapping"],
  ...["hardware.cpu.name", "iommu.interrupt-remapping"],
  ...["kernel.release", "kernel.parameter"],
  ...["software.os.name", "software.os.version", "software.qemu", "software.libvirt"],
]);

/** Parameters that VFIO, the IOMMU, PCI, KVM and display drivers read; of others nothing leaves. */
const PARAMETERS: ReadonlySet<string> = new Set(
  [
    ...["iommu", "amd_iommu", "intel_iommu", "amd_iommu_intr", "iommu.passthrough", "iommu.strict"],
    ...["intremap", "nointremap", "x2apic_phys", "nox2apic", "no_x2apic_optout"],
    ...["vfio-pci.ids", "vfio-pci.disable_idle_d3", "vfio-pci.disable_vga", "vfio_pci.ids"],
    ...["vfio_iommu_type1.allow_unsafe_interrupts", "vfio_iommu_type1.dma_entry_limit"],
    ...["pcie_acs_override", "pci", "pcie_aspm", "pcie_port_pm", "pcie_aspm.policy", "pci_stub.ids"],
    ...["kvm.ignore_msrs", "kvm_amd.avic", "kvm_amd.npt", "kvm_amd.nested", "kvm_intel.nested"],
    ...["nomodeset", "video", "initcall_blacklist", "modprobe.blacklist", "module_blacklist"],
    ...["rd.driver.pre", "rd.driver.blacklist", "mem_encrypt", "efi", "acpi", "acpi_enforce_resources"],
    ...["default_hugepagesz", "hugepagesz", "hugepages", "transparent_hugepage", "mitigations"],
    ...["i915.modeset", "i915.enable_gvt", "nvidia-drm.modeset", "amdgpu.runpm", "isolcpus", "nohz_full"],
  ].map((name) => `kernel.parameter.${keyPart(name)}`),
);
/** What parameters of the list say; anything else (a path, a name) stays here. */
const PARAMETER_VALUE = /^[\w.,:=@+\- ()]{0,200}$/;
const LONGEST = 200;
const MOST_ITEMS = 40;
const DEMAND = /^firmware-tables\.(IVRS\.ivmd|DMAR\.rmrr)\.\d+$/;

/** What of a snapshot leaves. */
export function environmentOf({ facts }: Pick<Snapshot, "facts">): Environment {
  const environment: Record<string, FactContent | null> = {};
  const demands = new Map<string, string[]>();
  for (const { key, value } of facts) {
    const demand = DEMAND.exec(key)?.[1];
    if (demand !== undefined && value.state === "value") {
      const key = `firmware-tables.${demand}`;
      demands.set(key, [...(demands.get(key) ?? []), withoutAddresses(textOf(value) ?? "")]);
    } else if (FACTS.has(key) || (PARAMETERS.has(key) && isPlainParameter(value))) {
      const content = contentOf(value);
      if (content !== undefined) environment[key] = content;
    }
  }
  for (const table of ["IVRS", "DMAR"] as const) {
    const key = `firmware-tables.${table}.${table === "IVRS" ? "ivmd" : "rmrr"}`;
    const own = demands.get(key);
    const isRead = facts.some(
      (fact) => fact.key === `firmware-tables.${table}.sha256` && fact.value.state === "value",
    );
    const isAbsent = facts.some(
      (fact) => fact.key === `firmware-tables.${table}` && fact.value.state === "absent",
    );
    if (own !== undefined) environment[key] = own.sort();
    else if (isRead || isAbsent) environment[key] = null;
  }
  return environment;
}

function isPlainParameter(value: FactValue): boolean {
  return value.state !== "value" || listOf(value).every((text) => PARAMETER_VALUE.test(text));
}

function contentOf(value: FactValue): FactContent | null | undefined {
  if (value.state === "absent") return null;
  if (value.state === "unknown") return undefined;
  const { value: content } = value;
  if (typeof content === "string") return plain(content);
  return typeof content === "object" ? content.slice(0, MOST_ITEMS).map(plain) : content;
}

/** Bounded, and without what the server's JSON cannot hold. */
function plain(text: string): string {
  return text
    .replace(/[\u0000-\u001f\u007f]/g, " ")
    .slice(0, LONGEST)
    .toWellFormed();
}

/** `IVMD type 22h, flags 08h (exclusion), devices`: where memory and devices lie is one machine's. */
export function withoutAddresses(demand: string): string {
  return demand
    .replace(/,? ?memory 0x[0-9a-f]+(?:-0x[0-9a-f]+| of no length)?/gi, "")
    .replace(
      / ?(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7](?:\/[0-9a-f]{2}\.[0-7])*(?:-[0-9a-f:.]+)?/gi,
      "",
    )
    .slice(0, LONGEST);
}

/** The devices that stood at addresses, for starts with this snapshot. */
export interface StandingDevices {
  /** `vendor:device/subsystem` of the one that the start is about; undefined where no fact tells. */
  mainOf(devices: readonly Bdf[], named: readonly Bdf[]): string | undefined;
}

const ADDRESS = /^pci\.([^.]+)\.address$/;

export function standingDevices({ facts }: Pick<Snapshot, "facts">): StandingDevices {
  const identities = new Map<string, string>();
  const displays = new Set<string>();
  for (const { key, value } of facts) {
    const identity = ADDRESS.exec(key)?.[1];
    if (identity !== undefined) for (const address of listOf(value)) identities.set(address, identity);
    else if (key.endsWith(".class") && textOf(value)?.startsWith("03") === true)
      displays.add(key.slice("pci.".length, -".class".length));
  }
  return {
    mainOf(devices, named) {
      const known = (addresses: readonly Bdf[]) => addresses.flatMap((bdf) => identities.get(bdf) ?? []);
      const own = known(devices);
      const accused = known(named.filter((bdf) => devices.includes(bdf)));
      const identity =
        accused.find((one) => displays.has(one)) ??
        own.find((one) => displays.has(one)) ??
        accused[0] ??
        own[0];
      // A number behind it tells two cards of one model on one host apart.
      return /^([0-9a-f]{4}:[0-9a-f]{4}(?:\/[0-9a-f]{4}:[0-9a-f]{4})?)(?:#\d+)?$/.exec(identity ?? "")?.[1];
    },
  };
}
