import type { PciFunction } from "../host/pci-devices.ts";
import { type Bdf, parseBdf } from "../model/identifiers.ts";
import { WHY_NOT_KNOWN } from "./known-host.ts";

const DEVICE =
  /^((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7]) [^[\]]{1,80} \[([0-9a-f]{4})\]: (.*) \[([0-9a-f]{4}):([0-9a-f]{4})\](?: \(rev [0-9a-f]{2}\))?(?: \(prog-if .{1,80}\))?\s*$/i;
const SUBSYSTEM = /^\tSubsystem: .*\[([0-9a-f]{4}):([0-9a-f]{4})\]\s*$/i;
const DRIVER = /^\tKernel driver in use: (\S{1,64})\s*$/;
const DEVICES_LIMIT = 8192;
/** The longest names have some hundred characters. */
const LINE_LIMIT = 4096;

/**
 * Reads the output of `lspci -knn`. Addresses stand without their domain unless a machine has several. The class code
 * has four digits of the six, so the last two are zero here and not to be believed.
 */
export function parseLspci(text: string, groups: ReadonlyMap<Bdf, number>): ReadonlyMap<Bdf, PciFunction> {
  const devices = new Map<Bdf, PciFunction>();
  let last: Bdf | undefined;
  for (const line of text.split("\n")) {
    if (line.length > LINE_LIMIT) continue;
    const device = DEVICE.exec(line);
    if (device !== null) {
      const [, address = "", classCode = "", name = "", vendorId = "", deviceId = ""] = device;
      last = parseBdf(address);
      if (last === undefined || devices.size >= DEVICES_LIMIT) continue;
      const group = groups.get(last);
      devices.set(last, {
        bdf: last,
        vendorId: vendorId.toLowerCase(),
        deviceId: deviceId.toLowerCase(),
        // The kernel's spelling of a device that names no subsystem.
        subsystemVendorId: "0000",
        subsystemDeviceId: "0000",
        classCode: `${classCode.toLowerCase()}00`,
        ...(/^Device$/.test(name) ? {} : { name: name.slice(0, 120) }),
        ...(group === undefined ? {} : { iommuGroup: group }),
        onlyListed: WHY_NOT_KNOWN,
      });
      continue;
    }
    const known = last === undefined ? undefined : devices.get(last);
    if (known === undefined) continue;
    const subsystem = SUBSYSTEM.exec(line);
    const driver = DRIVER.exec(line);
    if (subsystem !== null) {
      const [, subsystemVendorId = "", subsystemDeviceId = ""] = subsystem;
      devices.set(known.bdf, {
        ...known,
        subsystemVendorId: subsystemVendorId.toLowerCase(),
        subsystemDeviceId: subsystemDeviceId.toLowerCase(),
      });
    } else if (driver?.[1] !== undefined) devices.set(known.bdf, { ...known, driver: driver[1] });
  }
  return devices;
}

/** The group of each device, from lines like `/sys/kernel/iommu_groups/14/devices/0000:01:00.0`. */
export function parseGroupLinks(text: string): ReadonlyMap<Bdf, number> {
  const groups = new Map<Bdf, number>();
  for (const line of text.split("\n")) {
    if (line.length > LINE_LIMIT || groups.size >= DEVICES_LIMIT) continue;
    const [, id, address] = /\/iommu_groups\/(\d{1,9})\/devices\/(\S{1,32})\s*$/.exec(line) ?? [];
    const member = parseBdf(address ?? "");
    if (member !== undefined) groups.set(member, Number(id));
  }
  return groups;
}
