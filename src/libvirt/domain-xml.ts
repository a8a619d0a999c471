import type { Bdf } from "../model/identifiers.ts";
import { bdfFromParts, parseBdf, vmName } from "../model/identifiers.ts";
import type { Reading } from "../model/reading.ts";
import { read, unreadable } from "../model/reading.ts";
import type { HostDevice, VmDefinition } from "../model/virtual-machine.ts";
import type { XmlElement } from "./xml.ts";
import { parseXml } from "./xml.ts";

/**
 * Reads what matters of a libvirt domain's XML, as the daemon gives it out or keeps it in `/etc/libvirt/qemu`.
 * Passed-through are `<hostdev type='pci'>`, `<interface type='hostdev'>`, `<disk type='nvme'>` and `vfio-pci`
 * devices given to QEMU directly in `<qemu:commandline>`; each address once. What the XML leaves out is an empty
 * string or 0 (uuid, machine, memory); `autostart` is never in it. Never throws: XML that is malformed, nameless,
 * too large or that has an impossible address is `unreadable` with the reason.
 */
export function parseDomainXml(xml: string): Reading<VmDefinition> {
  const document = parseXml(xml, "domain");
  if (document.state !== "read") return document;
  const domain = document.value;
  const name = domain.child("name")?.text() ?? "";
  if (name === "") return unreadable("domain XML without a name");

  const hostDevices = hostDevicesOf(domain);
  if (hostDevices.state !== "read") return hostDevices;
  const os = domain.child("os");
  const emulator = domain.child("devices")?.child("emulator")?.text() ?? "";
  return read({
    name: vmName(name),
    uuid: (domain.child("uuid")?.text() ?? "").toLowerCase(),
    machine: os?.child("type")?.attribute("machine") ?? "",
    firmware: firmwareOf(os),
    memoryKiB: memoryKiBOf(domain.child("memory")),
    hugepages: domain.child("memoryBacking")?.child("hugepages") !== undefined,
    ...limitsOf(domain.child("memtune")),
    ...(emulator === "" ? {} : { emulator: emulator.slice(0, MAX_PATH) }),
    hostDevices: hostDevices.value,
  });
}

/** `<os firmware>` where libvirt chooses the image itself, else what kind of `<loader>` is named. */
function firmwareOf(os: XmlElement | undefined): string {
  const chosen = os?.attribute("firmware");
  if (chosen === "efi") return "uefi";
  if (chosen !== undefined) return chosen;
  const loader = os?.child("loader");
  if (loader === undefined) return "bios";
  // A flash image may also be mapped as ROM: then only its file name tells EDK2 from SeaBIOS.
  return loader.attribute("type") === "pflash" || /ovmf|edk2|efi/i.test(loader.text()) ? "uefi" : "bios";
}

const MAX_ALIAS = 200;
const MAX_PATH = 1024;
const MEMORY_UNIT = /^(?:b|bytes?|(?<scale>[kmgtpe])(?<kind>ib|b)?)$/i;

/** libvirt's units: `k`, `KiB` are powers of 1024, `KB` of 1000, no unit is KiB; rounded up to whole KiB. */
function memoryKiBOf(memory: XmlElement | undefined): number {
  const amount = memory?.text() ?? "";
  if (!/^[0-9]{1,19}$/.test(amount)) return 0;
  const unit = MEMORY_UNIT.exec(memory?.attribute("unit") ?? "KiB");
  if (unit === null) return 0;
  const power = "kmgtpe".indexOf(unit.groups?.scale?.toLowerCase() ?? "?") + 1;
  const base = unit.groups?.kind?.toLowerCase() === "b" ? 1000 : 1024;
  return Math.ceil((Number(amount) * base ** power) / 1024);
}

/** What libvirt takes for unlimited (`VIR_DOMAIN_MEMORY_PARAM_UNLIMITED`), and all above it, is no limit. */
const UNLIMITED_KIB = 9_007_199_254_740_991;

function limitsOf(memtune: XmlElement | undefined): Pick<VmDefinition, "memory"> {
  const hardLimitKiB = memoryKiBOf(memtune?.child("hard_limit"));
  return hardLimitKiB === 0 || hardLimitKiB >= UNLIMITED_KIB ? {} : { memory: { hardLimitKiB } };
}

function hostDevicesOf(domain: XmlElement): Reading<readonly HostDevice[]> {
  const devices = domain.child("devices");
  const elements = [
    ...(devices?.children("hostdev") ?? []).filter((element) => element.attribute("type") === "pci"),
    ...(devices?.children("interface") ?? []).filter((element) => element.attribute("type") === "hostdev"),
    ...(devices?.children("disk") ?? []).filter((element) => element.attribute("type") === "nvme"),
  ];
  const found = new Map<Bdf, HostDevice>();
  for (const element of elements) {
    const source = element.child("source");
    const address = source?.child("address");
    // <interface type='hostdev'> may hold a USB address or name a pool; only a PCI one is ours.
    if (address === undefined || (address.attribute("type") ?? "pci") !== "pci") continue;
    const bdf = addressOf(address);
    if (bdf === undefined)
      return unreadable("domain XML with a passed-through device that has no valid PCI address");
    const managed = element.attribute("managed") ?? source?.attribute("managed");
    if (!found.has(bdf)) found.set(bdf, hostDevice(bdf, managed === "yes", element));
  }
  for (const bdf of commandLineDevices(domain)) {
    if (!found.has(bdf)) found.set(bdf, { bdf, managed: false });
  }
  return read([...found.values()]);
}

function hostDevice(bdf: Bdf, managed: boolean, element: XmlElement): HostDevice {
  const driver = element.child("driver")?.attribute("name");
  const guest = element.child("address");
  const guestAddress = guest?.attribute("type") === "pci" ? addressOf(guest) : undefined;
  const rom = romOf(element.child("rom"));
  const alias = element.child("alias")?.attribute("name");
  return {
    bdf,
    managed,
    // On an NVMe disk <driver name='qemu'> names the block layer, not the device's driver.
    ...(driver === undefined || driver === "qemu" ? {} : { driver }),
    ...(guestAddress === undefined ? {} : { guestAddress }),
    ...(guest?.attribute("multifunction") === "on" ? { multifunction: true } : {}),
    ...(rom === undefined ? {} : { rom }),
    ...(alias === undefined ? {} : { alias: alias.slice(0, MAX_ALIAS) }),
  };
}

function romOf(rom: XmlElement | undefined): string | undefined {
  if (rom?.attribute("bar") === "off" || rom?.attribute("enabled") === "no") return "off";
  return rom?.attribute("file");
}

/** A PCI address element; undefined where a part is missing (but the domain may be) or out of range. */
function addressOf(address: XmlElement): Bdf | undefined {
  const domain = numberOf(address.attribute("domain") ?? "0", 0xffffffff);
  const bus = numberOf(address.attribute("bus"), 0xff);
  const slot = numberOf(address.attribute("slot"), 0x1f);
  const fn = numberOf(address.attribute("function") ?? "0", 7);
  if (domain === undefined || bus === undefined || slot === undefined || fn === undefined) return undefined;
  return bdfFromParts(domain, bus, slot, fn);
}

/** libvirt parses these numbers with base 0: `0x1f`, `31` and `037` are the same. */
function numberOf(text: string | undefined, largest: number): number | undefined {
  if (text === undefined || !/^(?:0x[0-9a-f]{1,8}|[0-9]{1,11})$/i.test(text)) return undefined;
  const value = /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text);
  return value <= largest ? value : undefined;
}

/** Older Unraid templates pass devices on QEMU's own command line, where libvirt knows nothing of them. */
function commandLineDevices(domain: XmlElement): readonly Bdf[] {
  const values = (domain.child("qemu:commandline")?.children("qemu:arg") ?? []).map(
    (argument) => argument.attribute("value") ?? "",
  );
  return values.flatMap((value) => {
    if (!/^(?:vfio-pci,|\{"driver":\s*"vfio-pci")/.test(value)) return [];
    const host = /[,"]host(?:=|":\s*")([0-9a-f:.]{7,16})/i.exec(value)?.[1];
    return parseBdf(host ?? "") ?? [];
  });
}
