import { type Bdf, parseBdf, vmName } from "../model/identifiers.ts";
import type { HostDevice, VmDefinition } from "../model/virtual-machine.ts";
import type { PciMappings } from "./pci-mappings.ts";
import { isYes, parsePropertyString, type Settings } from "./property-string.ts";

/** What a VM's configuration leaves to the node. */
export interface NodeDevices {
  /** All PCI functions that are there. */
  readonly present: readonly Bdf[];
  readonly mappings: PciMappings;
  /** Which VM holds a device, by `/run/qemu-server/pci-id-reservations`. */
  readonly reservedBy: ReadonlyMap<Bdf, string>;
}

const HOSTPCI = /^hostpci(?:[0-9]|1[0-5])$/;
const MAX_NAME = 128;
const DEFAULT_MEMORY_MIB = 512;

/** What a VM's configuration says: of the VM that runs, and of its next start. */
export interface VmConfig {
  readonly inForce: Settings;
  /** With the changes that wait for the end of the running VM, as after `qm set --hostpci0 …`. */
  readonly next: Settings;
}

/** Reads a configuration. Before the first section are the settings in force; the others are snapshots. */
export function parseVmConfig(text: string): VmConfig {
  const inForce = new Map<string, string>();
  const pending = new Map<string, string>();
  let section: Map<string, string> | undefined = inForce;
  for (const line of text.split("\n")) {
    const header = /^\[([^\]]*)\]\s*$/.exec(line)?.[1];
    if (header !== undefined) section = header === "PENDING" ? pending : undefined;
    const [, key, value] = /^([a-z][a-z_-]*\d*):\s*(\S.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) section?.set(key, value);
  }
  const next = new Map(inForce);
  // A `!` before a key forces the removal.
  for (const key of (pending.get("delete") ?? "").split(",")) next.delete(key.trim().replace(/^!/, ""));
  pending.delete("delete");
  for (const [key, value] of pending) next.set(key, value);
  return { inForce, next };
}

/**
 * A VM as the rest of the program knows one. Its name is what Proxmox's own tree shows, `101 (win11)`: people say the
 * number, and two VMs may have the same name.
 */
export function definitionOf(vmid: string, settings: Settings, devices: NodeDevices): VmDefinition {
  const name = settings.get("name")?.slice(0, MAX_NAME);
  const memory = parsePropertyString(settings.get("memory") ?? "", "current").get("current");
  return {
    name: vmName(name === undefined ? vmid : `${vmid} (${name})`),
    uuid: identityOf(vmid, settings),
    machine: parsePropertyString(settings.get("machine") ?? "pc", "type").get("type") ?? "pc",
    firmware: settings.get("bios") === "ovmf" ? "uefi" : "bios",
    memoryKiB: (/^\d{1,9}$/.test(memory ?? "") ? Number(memory) : DEFAULT_MEMORY_MIB) * 1024,
    hugepages: settings.has("hugepages"),
    autostart: isYes(settings.get("onboot")),
    hostDevices: hostDevicesOf(vmid, settings, devices),
  };
}

/**
 * A number is given to another VM once the first is gone, and a restored backup or a copied configuration has the UUID of
 * the first under another number: so both. `vmgenid` comes last, because a rollback to a snapshot changes it.
 */
function identityOf(vmid: string, settings: Settings): string {
  const of = (key: string, name: string) => parsePropertyString(settings.get(key) ?? "", "").get(name);
  const own = of("smbios1", "uuid") ?? of("meta", "ctime") ?? settings.get("vmgenid");
  return own === undefined ? vmid : `${vmid}/${own.toLowerCase()}`;
}

function hostDevicesOf(vmid: string, settings: Settings, node: NodeDevices): readonly HostDevice[] {
  const found = new Map<Bdf, HostDevice>();
  const inOrder = [...settings].filter(([key]) => HOSTPCI.test(key));
  inOrder.sort(([a], [b]) => Number(a.slice(7)) - Number(b.slice(7)));
  for (const [, value] of inOrder) {
    const properties = parsePropertyString(value, "host");
    // Of a mediated device QEMU gets a part that the host's driver makes; the device itself stays with the host.
    if (properties.has("mdev")) continue;
    const addresses = addressesOf(vmid, properties, node, found);
    for (const [index, bdf] of addresses.entries()) {
      const isFirst = index === 0;
      if (!found.has(bdf)) found.set(bdf, hostDevice(bdf, properties, isFirst, addresses.length > 1));
    }
  }
  for (const [, host] of (settings.get("args") ?? "").matchAll(
    /vfio-pci,[^\s]{0,512}?host=([0-9a-f:.]+)/gi,
  )) {
    const bdf = parseBdf(host ?? "");
    if (bdf !== undefined && !found.has(bdf)) found.set(bdf, { bdf, managed: false });
  }
  return [...found.values()];
}

/** Only the first function of several gets the ROM, as in Proxmox's command line. */
function hostDevice(bdf: Bdf, properties: Settings, isFirst: boolean, isOneOfSeveral: boolean): HostDevice {
  const rombar = properties.get("rombar");
  const rom = rombar !== undefined && !isYes(rombar) ? "off" : properties.get("romfile");
  return {
    bdf,
    // Before each start Proxmox binds the whole IOMMU group to vfio-pci, unless it is told to keep the driver.
    managed: properties.get("driver") !== "keep",
    ...(isFirst && isOneOfSeveral ? { multifunction: true } : {}),
    ...(isFirst && rom !== undefined ? { rom } : {}),
  };
}

function addressesOf(
  vmid: string,
  properties: Settings,
  node: NodeDevices,
  used: ReadonlyMap<Bdf, unknown>,
): readonly Bdf[] {
  const mapping = properties.get("mapping");
  if (mapping === undefined) return functionsOf(properties.get("host")?.split(";") ?? [], node.present);
  const alternatives = (node.mappings.get(mapping) ?? []).map((paths) => functionsOf(paths, node.present));
  const free = alternatives.filter((addresses) => !addresses.some((bdf) => used.has(bdf)));
  // Proxmox takes the first that no other VM has; of a VM that runs its reservation tells which that was.
  return (
    free.find((addresses) => addresses.some((bdf) => node.reservedBy.get(bdf) === vmid)) ??
    free.find((addresses) => !addresses.some((bdf) => node.reservedBy.has(bdf))) ??
    free[0] ??
    []
  );
}

/** An address without a function means all functions of the device that are there. */
function functionsOf(addresses: readonly string[], present: readonly Bdf[]): readonly Bdf[] {
  return addresses.flatMap((address) => {
    const whole = parseBdf(address);
    if (whole !== undefined) return whole;
    const first = parseBdf(`${address}.0`);
    if (first === undefined) return [];
    const functions = present.filter((bdf) => bdf.slice(0, -1) === first.slice(0, -1));
    return functions.length > 0 ? functions.toSorted() : first;
  });
}
