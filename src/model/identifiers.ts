declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** PCI address in its full form: four or more domain digits, lower case, e.g. `0000:01:00.0`. */
export type Bdf = Branded<"Bdf">;
/** The kernel's boot id as `/proc/sys/kernel/random/boot_id` prints it; imported boots carry a derived one. */
export type BootId = Branded<"BootId">;
/** A VM's libvirt name, on Proxmox its number and name: `101 (win11)`. Hostile text: escape it wherever it is shown. */
export type VmName = Branded<"VmName">;
/** Id of a signature in the catalogue, e.g. `kernel.direct-mapping-required`. */
export type SignatureId = Branded<"SignatureId">;

const BDF_FORMS = [
  /^(?:(?<domain>[0-9a-f]{4,8}):)?(?<bus>[0-9a-f]{2}):(?<slot>[01][0-9a-f])\.(?<function>[0-7])$/i,
  /^pci_(?<domain>[0-9a-f]{4,8})_(?<bus>[0-9a-f]{2})_(?<slot>[01][0-9a-f])_(?<function>[0-7])$/i,
];

/**
 * Reads a PCI address in any of the spellings that tools print: `0000:01:00.0`, `01:00.0` (domain 0000
 * is meant), libvirt's `pci_0000_01_00_0`. Returns undefined for anything else.
 */
export function parseBdf(text: string): Bdf | undefined {
  for (const form of BDF_FORMS) {
    const parts = form.exec(text.trim())?.groups;
    if (parts === undefined) continue;
    const domain = Number.parseInt(parts.domain ?? "0", 16);
    return `${domain.toString(16).padStart(4, "0")}:${parts.bus}:${parts.slot}.${parts.function}`.toLowerCase() as Bdf;
  }
  return undefined;
}

/** Builds a PCI address from its four numbers. */
export function bdfFromParts(domain: number, bus: number, slot: number, fn: number): Bdf {
  const hex = (value: number, width: number) => value.toString(16).padStart(width, "0");
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(slot, 2)}.${fn.toString(16)}` as Bdf;
}

/** Names a boot id that comes from the kernel or from the store. */
export function bootId(text: string): BootId {
  return text.trim() as BootId;
}

/** Names a VM as libvirt does. */
export function vmName(text: string): VmName {
  return text as VmName;
}

/** The VM that nobody knows, by the device that it was refused; its history is the device's. */
export function unknownVm(device: Bdf): VmName {
  return vmName(`unknown VM (${device})`);
}

const MOST_NAMED = 5;

/** One of these VMs, and nothing says which; where they share a device its history is the device's. */
export function oneOfVms(vms: readonly VmName[], device?: Bdf): VmName {
  const names = vms.slice(0, MOST_NAMED).map((vm) => `'${vm}'`);
  const more = vms.length > MOST_NAMED ? ` and ${vms.length - MOST_NAMED} more` : "";
  return vmName(`one of ${names.join(", ")}${more}${device === undefined ? "" : ` (${device})`}`);
}

/** The device by which a VM that nobody knows is named; undefined for every other VM. */
export function deviceOfUnknownVm(vm: VmName): Bdf | undefined {
  return UNKNOWN.exec(vm)?.[1] as Bdf | undefined;
}

const UNKNOWN = /^(?:unknown VM|one of '.*) \(([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\)$/s;

/** The VM in a sentence: in quotes by its name, without by what is known of it. */
export function quotedVm(vm: VmName): string {
  return /^(?:unknown VM \(|one of ')/.test(vm) ? vm : `'${vm}'`;
}

/** Names a signature of the catalogue. */
export function signatureId(text: string): SignatureId {
  return text as SignatureId;
}
