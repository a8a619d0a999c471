import { type Bdf, parseBdf } from "../model/identifiers.ts";
import type { HostDevice, StartRefusal } from "../model/virtual-machine.ts";
import { parseHostpci } from "./hostpci-format.ts";
import type { NodeDevices } from "./node-devices.ts";
import type { PciMapping } from "./pci-mappings.ts";
import { isYes, parsePropertyString, type Settings } from "./property-string.ts";

/** Keys there are. */
const MOST = 16;

/** What the VM gets of the host, and why Proxmox would not even run QEMU. */
export interface HostpciDevices {
  readonly devices: readonly HostDevice[];
  readonly refusal: StartRefusal | undefined;
}

/** One `hostpciN`, as `PVE::QemuServer::PCI::parse_hostpci` understands it. */
interface Hostpci {
  readonly key: string;
  readonly properties: Settings;
  readonly mapping: PciMapping | undefined;
  /** One of them is taken; each is the functions of one device, or what was listed together. */
  readonly alternatives: readonly (readonly Bdf[])[];
  /** An address of a device that is there, in a spelling by which Proxmox does not find it (`00000:01:00.0`). */
  readonly unfound: string | undefined;
}

/**
 * The devices that `hostpciN` and `args` name, each once, and the first thing that Proxmox checks and does not like: it
 * looks at all keys first, then chooses devices for them in turn, then binds.
 */
export function readHostpci(vmid: string, settings: Settings, node: NodeDevices): HostpciDevices {
  const found = new Map<Bdf, HostDevice>();
  const parsed: Hostpci[] = [];
  let refusal: StartRefusal | undefined;
  for (let index = 0; index < MOST; index++) {
    const key = `hostpci${index}`;
    const properties = parseHostpci(settings.get(key) ?? "");
    if (properties === undefined || !settings.has(key)) continue;
    const device = resolved(key, properties, node);
    refusal ??= syntaxRefusal(device, node) ?? modeRefusal(device, settings, parsed);
    parsed.push(device);
  }
  for (const device of parsed) {
    if (device.properties.has("mdev")) {
      // QEMU gets a part that the host's driver makes; the device itself stays with the host.
      refusal ??= mediationRefusal(device, node);
      continue;
    }
    const { key, properties, alternatives } = device;
    const free = alternatives.filter((addresses) => !addresses.some((bdf) => found.has(bdf)));
    const twice = alternatives[0]?.find((bdf) => found.has(bdf));
    if (alternatives.length === 1 && twice !== undefined)
      refusal ??= invalid(key, `device '${twice}' assigned more than once`);
    else if (alternatives.length > 1 && free.length === 0)
      refusal ??= invalid(key, `could not find a free device for '${key}'`);
    const addresses = chosen(vmid, alternatives.length === 1 ? alternatives : free, node);
    const again = addresses.find((bdf, index) => addresses.indexOf(bdf) < index);
    if (again !== undefined) refusal ??= invalid(key, `device '${again}' assigned more than once`);
    for (const [index, bdf] of addresses.entries())
      if (!found.has(bdf)) found.set(bdf, hostDevice(bdf, properties, index === 0, addresses.length > 1));
  }
  for (const [, host] of (settings.get("args") ?? "").matchAll(
    /vfio-pci,[^\s]{0,512}?host=([0-9a-f:.]+)/gi,
  )) {
    const bdf = parseBdf(host ?? "");
    if (bdf !== undefined && !found.has(bdf)) found.set(bdf, { bdf, managed: false });
  }
  return { devices: [...found.values()], refusal };
}

function resolved(key: string, properties: Settings, node: NodeDevices): Hostpci {
  const name = properties.get("mapping");
  const mapping = name === undefined ? undefined : node.mappings.get(name);
  const lists =
    name === undefined
      ? [properties.get("host")?.split(";") ?? []]
      : (mapping?.devices.map(({ paths }) => paths) ?? []);
  const alternatives = lists
    .map((paths) => paths.flatMap((path) => functionsOf(path, node.present)))
    .filter(({ length }) => length > 0);
  const unfound = lists
    .flat()
    .find((path) => !isFound(path, node.present) && node.present.includes(firstFunction(path) as Bdf));
  return { key, properties, mapping, alternatives, unfound };
}

function syntaxRefusal(device: Hostpci, node: NodeDevices): StartRefusal | undefined {
  const { key, properties, mapping, alternatives, unfound } = device;
  const name = properties.get("mapping");
  if (name !== undefined && properties.has("host"))
    return invalid(key, "Cannot set both 'host' and 'mapping'.");
  if (name === undefined && !properties.has("host"))
    return invalid(key, "Either 'host' or 'mapping' must be set.");
  if (name !== undefined) {
    if (mapping === undefined || mapping.devices.length === 0)
      return missing(key, `PCI device mapping not found for '${name}'`);
    const why = mappingProblem(name, mapping, node);
    if (why !== undefined)
      return missing(key, `PCI device mapping invalid (hardware probably changed): ${why}`);
  }
  if (unfound !== undefined) return missing(key, `no PCI device found for '${unfound}'`);
  if (properties.has("mdev") && alternatives.some(({ length }) => length > 1))
    return invalid(key, "cannot use mediated device with multifunction device");
  return undefined;
}

/** What `PVE::Mapping::PCI::assert_valid` says of the first device that is not what was mapped. */
function mappingProblem(
  name: string,
  { devices, isMediated }: PciMapping,
  node: NodeDevices,
): string | undefined {
  for (const { paths, id, subsystemId, iommuGroup } of devices) {
    for (const [index, path] of paths.entries()) {
      const address = /\.[a-f0-9]/i.test(path) ? path : `${path}.0`;
      const bdf = parseBdf(address);
      const there = bdf === undefined ? undefined : node.identityOf(bdf);
      if (there === undefined) return `pci device '${address}' not found`;
      const flag = (value: boolean) => (value ? "1" : "0");
      const compared: readonly (readonly [string, string | undefined, string | undefined])[] = [
        ["id", there.id, id],
        // Devices that go together need not be in one group.
        ...(index === 0 ? [["iommugroup", there.iommuGroup, iommuGroup] as const] : []),
        ["mdev", flag(there.isMediated), flag(isMediated)],
        ["subsystem-id", there.subsystemId, subsystemId],
      ];
      for (const [property, is, wanted] of compared) {
        if (is === wanted) continue;
        if (wanted === undefined) return `missing expected property '${property}' for device '${address}'`;
        if (is === undefined) return `unexpected property '${property}' configured for device '${address}'`;
        return `'${property}' does not match for '${name}' (${is} != ${wanted})`;
      }
    }
  }
  return undefined;
}

/** What `parse_hostpci_devices` says of the machine, and of an Intel graphics device in legacy mode. */
function modeRefusal(
  { key, properties, alternatives }: Hostpci,
  settings: Settings,
  before: readonly Hostpci[],
): StartRefusal | undefined {
  const machine = parsePropertyString(settings.get("machine") ?? "", "type").get("type") ?? "";
  const isQ35 = /^(?:pc-)?q35\b/.test(machine);
  const isOn = (name: string) => isYes(properties.get(name));
  if (isOn("pcie") && !isQ35) return invalid(key, "q35 machine model is not enabled");
  if (!isOn("legacy-igd")) return undefined;
  const first = alternatives[0]?.[0];
  const not = "legacy IGD assignment is not compatible with";
  const rules: readonly (readonly [boolean, string])[] = [
    [
      before.some((other) => isYes(other.properties.get("legacy-igd"))),
      "only one device can be assigned in legacy-igd mode",
    ],
    [settings.get("vga") !== "none", "legacy IGD assignment requires VGA mode to be 'none'"],
    [properties.has("rombar") && !isOn("rombar"), "legacy IGD assignment requires rombar to be enabled"],
    [isOn("x-vga"), `${not} x-vga`],
    [properties.has("mdev"), `${not} mdev`],
    [isQ35, `${not} q35`],
    [alternatives.some(({ length }) => length > 1), `${not} multifunction devices`],
    [alternatives.length > 1, `${not} alternate devices`],
    [
      first !== undefined && !first.endsWith("02.0"),
      "legacy IGD assignment only works for devices on host bus 00:02.0",
    ],
  ];
  const broken = rules.find(([isBroken]) => isBroken);
  return broken && invalid(key, broken[1]);
}

function mediationRefusal(
  { key, properties, alternatives }: Hostpci,
  node: NodeDevices,
): StartRefusal | undefined {
  // Nothing is made then: it has to be there.
  if (properties.get("driver") === "keep") return undefined;
  const type = properties.get("mdev") ?? "";
  const canMake = alternatives.some(([bdf]) => {
    const types = bdf === undefined ? undefined : node.mediatedTypes(bdf);
    return types === "nvidia" ? /^nvidia-\d+$/.test(type) : types?.has(type) === true;
  });
  return canMake ? undefined : invalid(key, "could not create mediated device");
}

function invalid(setting: string, why: string): StartRefusal {
  return { class: "device-config-invalid", setting, why };
}

function missing(setting: string, why: string): StartRefusal {
  return { class: "device-missing", setting, why };
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

/** Proxmox takes the first that no other VM has; of a VM that runs its reservation tells which that was. */
function chosen(
  vmid: string,
  free: readonly (readonly Bdf[])[],
  { reservedBy }: NodeDevices,
): readonly Bdf[] {
  return (
    free.find((addresses) => addresses.some((bdf) => reservedBy.get(bdf) === vmid)) ??
    free.find((addresses) => !addresses.some((bdf) => reservedBy.has(bdf))) ??
    free[0] ??
    []
  );
}

/** An address without a function means all functions of the device that are there. */
function functionsOf(address: string, present: readonly Bdf[]): readonly Bdf[] {
  const first = firstFunction(address);
  if (first === undefined) return [];
  if (parseBdf(address) !== undefined) return [first];
  const functions = present.filter((bdf) => bdf.slice(0, -1) === first.slice(0, -1));
  return functions.length > 0 ? functions.toSorted() : [first];
}

function firstFunction(address: string): Bdf | undefined {
  return parseBdf(address) ?? parseBdf(`${address}.0`);
}

/** Proxmox compares the beginnings of the addresses, as text (`PVE::SysFSTools::lspci`). */
function isFound(address: string, present: readonly Bdf[]): boolean {
  return present.some((bdf) => bdf.startsWith(address) || bdf.startsWith(`0000:${address}`));
}
