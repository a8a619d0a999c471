import type { HostPaths } from "../host-paths.ts";
import type { PciDevice } from "../model/host-state.ts";
import { type Bdf, bdfFromParts, parseBdf } from "../model/identifiers.ts";
import { type Reading, read, unreadable, valueOr } from "../model/reading.ts";
import { isDisplay } from "./pci-classes.ts";
import type { PciNames } from "./pci-names.ts";
import { createRegisterReader, REGISTERS } from "./pci-registers.ts";
import { largestResize, type PciBar, parsePciResource } from "./pci-resources.ts";
import { readAttribute, readIdentity, readLink, readNames, readText } from "./read-file.ts";

const DEVICES = "/sys/bus/pci/devices";

const RESIZE_FILES = [0, 1, 2, 3, 4, 5].map((bar) => `resource${bar}_resize`);
/** The files of a function's directory that are read, where they are; `uevent` always is. */
const ATTRIBUTES: ReadonlySet<string> = new Set([
  ...["driver_override", "boot_vga", "resource", "reset_method", "d3cold_allowed"],
  ...REGISTERS,
  ...RESIZE_FILES,
]);

/** A PCI function with what facts and firmware tables need beyond the model's view of it. */
export interface PciFunction extends PciDevice {
  /** Undefined where sysfs does not show them. */
  readonly bars?: readonly PciBar[];
  /** The largest size in bytes to which a resizable BAR of the device could grow. */
  readonly largestBarSize?: number;
  /** In the order in which the kernel tries them; empty: it knows no way to reset the device. */
  readonly resetMethods?: readonly string[];
  readonly d3coldAllowed?: boolean;
  /** The widest and fastest link that it can have, `x16, 32.0 GT/s PCIe`. */
  readonly mostLink?: string;
  /** Bridges: the bus behind it, and the last bus that can be reached through it. */
  readonly secondaryBus?: number;
  readonly subordinateBus?: number;
  /** It was only listed, with its name, driver and group; why there is no more. */
  readonly onlyListed?: string;
}

/** Any such map can stand in for the model's plainer one. */
export type PciFunctions = ReadonlyMap<Bdf, PciFunction>;

/**
 * Reads all PCI functions of the host, in the order of their addresses. Absent: no PCI bus. A function that
 * vanishes meanwhile is left out; one that is there and cannot be read makes the whole reading unreadable,
 * because leaving it out would look as if it had been removed.
 */
export function readPciDevices(
  paths: HostPaths,
  names?: PciNames,
  memory = createPciMemory(),
): Reading<PciFunctions> {
  const listing = readNames(paths.at(DEVICES));
  if (listing.state !== "read") return listing;
  const found: PciFunction[] = [];
  const base = paths.at(DEVICES);
  // Before the attributes: a change in between shows in the line at the next look.
  const overview = readOverview(paths);
  for (const entry of [...listing.value].sort()) {
    const bdf = parseBdf(entry);
    if (bdf === undefined) continue;
    const device = readPciFunction(`${base}/${entry}`, bdf, memory, overview.get(bdf));
    if (device.state === "unreadable") return unreadable(`${bdf}: ${device.why}`);
    if (device.state === "read") found.push(device.value);
  }
  const named = withNames(found, names);
  for (const [bdf, device] of named) {
    const seen = memory.get(bdf);
    if (seen !== undefined) seen.device = device;
  }
  if (memory.size > named.size) for (const bdf of memory.keys()) if (!named.has(bdf)) memory.delete(bdf);
  return read(named);
}

/** 65 536 functions of some 300 bytes each. */
const OVERVIEW_LIMIT = 32 * 1024 * 1024;
/** What the overview tells as well. */
const IN_OVERVIEW = ["uevent", "resource"];

/** What was read of each function last time. */
export type PciMemory = Map<Bdf, SeenFunction>;

interface SeenFunction {
  /** Another one: the function was removed, and found again. */
  readonly identity: string;
  /** Names of its files, which it keeps as long as it is there. */
  readonly names: ReadonlySet<string>;
  /** Its line in the kernel's overview; undefined where it was not looked at. */
  readonly line: string | undefined;
  /** The texts that were asked for. */
  readonly texts: ReadonlyMap<string, string | undefined>;
  device: PciFunction;
}

/**
 * The lines of the kernel's one overview of all functions: ids, interrupt, address and size of each BAR, driver
 * (show_device in drivers/pci/proc.c). It leaves the segment out, so only an address that is there once is known.
 */
function readOverview(paths: HostPaths): ReadonlyMap<Bdf, string> {
  const lines = new Map<Bdf, string>();
  const repeated = new Set<Bdf>();
  for (const line of valueOr(readText(paths.at("/proc/bus/pci/devices"), OVERVIEW_LIMIT), "").split("\n")) {
    const place = /^([0-9a-f]{2})([0-9a-f]{2})\t/.exec(line);
    if (place === null) continue;
    const [bus = 0, deviceFunction = 0] = place.slice(1).map((digits) => Number.parseInt(digits, 16));
    const bdf = bdfFromParts(0, bus, deviceFunction >> 3, deviceFunction & 7);
    if (lines.has(bdf)) repeated.add(bdf);
    lines.set(bdf, line);
  }
  for (const bdf of repeated) lines.delete(bdf);
  return lines;
}

/** An empty memory. */
export function createPciMemory(): PciMemory {
  return new Map();
}

/** The functions by address, each with its name where `names` knows one. */
export function withNames(devices: readonly PciFunction[], names: PciNames | undefined): PciFunctions {
  const known = names?.lookUp(devices.map((device) => `${device.vendorId}:${device.deviceId}`));
  return new Map(
    devices.map((device) => {
      const name = known?.get(`${device.vendorId}:${device.deviceId}`);
      return [device.bdf, name === undefined || name === device.name ? device : { ...device, name }];
    }),
  );
}

/**
 * All texts are read each time, two of them only when the overview's line is another one, and what comes of registers
 * once. The list of files is not, for it is most of the work: the kernel makes a function's attributes when it adds the
 * function (pci_dev_attr_groups in drivers/pci/pci-sysfs.c); the one link that may come later is the one to its IOMMU
 * group.
 */
function readPciFunction(
  directory: string,
  bdf: Bdf,
  memory: PciMemory,
  line: string | undefined,
): Reading<PciFunction> {
  const identity = readIdentity(directory);
  if (identity.state !== "read") return identity;
  const last = memory.get(bdf);
  const seen = last?.identity === identity.value ? last : undefined;
  let names = seen?.names;
  if (names === undefined) {
    // Asking for a file that is not there costs an exception, and most devices lack most of these files.
    const listing = readNames(directory);
    if (listing.state !== "read") return listing;
    names = new Set(listing.value.filter((name) => ATTRIBUTES.has(name)));
  }
  const texts = new Map<string, string | undefined>();
  if (seen !== undefined && line !== undefined && seen.line === line) {
    for (const name of IN_OVERVIEW) if (seen.texts.has(name)) texts.set(name, seen.texts.get(name));
  }
  if (!texts.has("uevent")) {
    const uevent = readAttribute(`${directory}/uevent`);
    if (uevent.state !== "read") return uevent;
    texts.set("uevent", uevent.value);
  }
  const register = createRegisterReader(directory, seen?.texts);
  const text = (name: string) => {
    if (texts.has(name)) return texts.get(name);
    if (!(names.has(name) || name === "iommu_group")) return undefined;
    const path = `${directory}/${name}`;
    const reading = () => (name === "iommu_group" ? readLink(path) : readAttribute(path));
    const found = REGISTERS.includes(name)
      ? register(name)
      : valueOr<string | undefined>(reading(), undefined);
    texts.set(name, found);
    return found;
  };
  if (seen !== undefined) {
    let isSame = true;
    for (const [name, before] of seen.texts) if (text(name) !== before) isSame = false;
    if (isSame) {
      if (seen.line !== line) memory.set(bdf, { ...seen, line });
      return read(seen.device);
    }
  }
  const device = pciFunctionOf(bdf, text);
  if (device.state === "read")
    memory.set(bdf, { identity: identity.value, names, line, texts, device: device.value });
  return device;
}

/**
 * Makes a function of its sysfs attributes. `attributeAsIs` gives the text of the file of that name, for `iommu_group`
 * where the link points; undefined where there is none. White space around it does not matter. Unreadable when
 * `uevent` does not tell what it is.
 */
export function pciFunctionOf(
  bdf: Bdf,
  attributeAsIs: (name: string) => string | undefined,
): Reading<PciFunction> {
  const attribute = (name: string) => attributeAsIs(name)?.trim();
  const identity = parsePciUevent(attribute("uevent") ?? "");
  if (identity === undefined) return unreadable("its uevent file names no PCI device");
  const override = attribute("driver_override");
  const group = groupOfLink(attribute("iommu_group"));
  const bootVga = isDisplay(identity.classCode) ? attribute("boot_vga") : undefined;
  const resource = attribute("resource");
  const largest = resource === undefined ? undefined : largestResizeOf(attribute);
  const resets = attribute("reset_method");
  const d3cold = attribute("d3cold_allowed");
  const mostLink = linkOf(attribute("max_link_width"), attribute("max_link_speed"));
  const secondaryBus = busNumber(attribute("secondary_bus_number"));
  const subordinateBus = busNumber(attribute("subordinate_bus_number"));
  return read({
    bdf,
    ...identity,
    // The kernel prints a missing override as "(null)", as its printf does with a null pointer.
    ...(override === undefined || override === "" || override === "(null)"
      ? {}
      : { driverOverride: override }),
    ...(group === undefined ? {} : { iommuGroup: group }),
    ...(bootVga === undefined ? {} : { bootVga: bootVga === "1" }),
    ...(resource === undefined ? {} : { bars: parsePciResource(resource) }),
    ...(largest === undefined ? {} : { largestBarSize: largest }),
    ...(resets === undefined ? {} : { resetMethods: resets.split(/\s+/).filter((word) => word !== "") }),
    ...(d3cold === undefined ? {} : { d3coldAllowed: d3cold === "1" }),
    ...(mostLink === undefined ? {} : { mostLink }),
    ...(secondaryBus === undefined ? {} : { secondaryBus }),
    ...(subordinateBus === undefined ? {} : { subordinateBus }),
  });
}

/** What the kernel says in one file about a PCI function: ids, class and bound driver. */
export function parsePciUevent(
  text: string,
):
  | Pick<
      PciDevice,
      "vendorId" | "deviceId" | "classCode" | "subsystemVendorId" | "subsystemDeviceId" | "driver"
    >
  | undefined {
  const values = new Map<string, string>();
  for (const line of text.split("\n", 64)) {
    const separator = line.indexOf("=");
    if (separator > 0) values.set(line.slice(0, separator), line.slice(separator + 1).trim());
  }
  const id = idPair(values.get("PCI_ID"));
  const classCode = values.get("PCI_CLASS")?.toLowerCase().padStart(6, "0");
  if (id === undefined || classCode === undefined || !/^[0-9a-f]{6}$/.test(classCode)) return undefined;
  const subsystem = idPair(values.get("PCI_SUBSYS_ID"));
  const driver = values.get("DRIVER");
  return {
    vendorId: id[0],
    deviceId: id[1],
    classCode,
    ...(subsystem === undefined ? {} : { subsystemVendorId: subsystem[0], subsystemDeviceId: subsystem[1] }),
    ...(driver === undefined || driver === "" ? {} : { driver }),
  };
}

function idPair(text: string | undefined): readonly [string, string] | undefined {
  const [, vendor, device] = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(text ?? "") ?? [];
  if (vendor === undefined || device === undefined) return undefined;
  return [vendor.toLowerCase().padStart(4, "0"), device.toLowerCase().padStart(4, "0")];
}

function groupOfLink(target: string | undefined): number | undefined {
  const last = target?.split("/").pop() ?? "";
  return /^\d{1,9}$/.test(last) ? Number(last) : undefined;
}

/** A function without power answers with ones, from which the kernel makes a width of 63 and an unknown speed. */
function linkOf(width: string | undefined, speed: string | undefined): string | undefined {
  const isKnown = /^(?:1|2|4|8|12|16|32)$/.test(width ?? "") && /^\d+(?:\.\d+)? GT\/s/.test(speed ?? "");
  return isKnown ? `x${width}, ${speed}` : undefined;
}

function busNumber(text: string | undefined): number | undefined {
  // Bus 0 behind a bridge: the bridge has not been set up, nothing is behind it.
  return text !== undefined && /^\d{1,3}$/.test(text) && Number(text) > 0 ? Number(text) : undefined;
}

function largestResizeOf(attribute: (name: string) => string | undefined): number | undefined {
  let largest: number | undefined;
  for (const file of RESIZE_FILES) {
    const text = attribute(file);
    const size = text === undefined ? undefined : largestResize(text);
    if (size !== undefined && (largest === undefined || size > largest)) largest = size;
  }
  return largest;
}
