import { describePciClass, isDisplay } from "../../host/pci-classes.ts";
import type { PciFunction } from "../../host/pci-devices.ts";
import { identifyPciDevices } from "../../host/pci-identity.ts";
import { describeBar, formatSize } from "../../host/pci-resources.ts";
import type { Bdf } from "../../model/identifiers.ts";
import { unreadable } from "../../model/reading.ts";
import { textOf } from "../fact-value.ts";
import { type FactKind, form, type SaidChange, type Tell } from "../kind.ts";

/** What a GPU shows at most to a firmware that cannot resize BARs. */
const CLASSIC_APERTURE = 256 * 2 ** 20;
const HANDED_OVER = unreadable("it is bound and unbound with each start of its VM");
const NOT_SHOWN = unreadable("not shown by the kernel");

/**
 * The PCI functions, keyed by what a function is (`pci.10de:2805/1462:5174.address`), not by where it is. What comes
 * and goes with use (link speed, power state, enable count) is no fact.
 */
export const PCI: FactKind = {
  group: "pci",
  root: "pci",
  thing: "pci.{device}",
  whole: (_name, came, description) => `PCI device ${came ? "added" : "removed"}: ${description}`,
  odds: "device-state",
  role: { knob: "card in its slot" },
  forms: [
    form("pci.{device}.address", "Address of {device}", 1, {
      odds: "card-address",
      breaks: { "device-missing": "any change" },
      say: moved,
    }),
    form("pci.{device}.driver", "Driver of {device}", 2, {
      odds: "driver",
      role: { follows: ["device binding", "module option", "kernel"] },
      breaks: { "group-not-viable": "any change", "driver-binding": "any change" },
      shown: "binding",
    }),
    form("pci.{device}.driver-override", "Driver override of {device}", 4, {
      odds: "driver",
      role: { follows: ["device binding"] },
      shown: "binding",
    }),
    form("pci.{device}.group", "IOMMU group of {device}", 6, { type: "number", role: "bystander" }),
    form("pci.{device}.bars", "BARs of {device}", 4, {
      type: "list",
      ordered: true,
      role: { follows: ["BIOS", "BIOS setting", "kernel"] },
      shown: "hardware",
    }),
    form("pci.{device}.resizable-bar", "Resizable BAR of {device}", 3, {
      role: { follows: ["BIOS", "BIOS setting"] },
      shown: "hardware",
    }),
    form("pci.{device}.reset-methods", "Reset methods of {device}", 3, {
      type: "list",
      separator: " ",
      ordered: true,
      role: { follows: ["kernel", "module option"] },
      breaks: { "reset-failed": "any change" },
      shown: "hardware",
    }),
    form("pci.{device}.link-at-most", "Fastest link of {device}", 4, {
      role: { follows: ["BIOS setting", "BIOS", "card in its slot"] },
      shown: "hardware",
    }),
    form("pci.{device}.boot-vga", "Boot display {device}", 3, {
      type: "flag",
      role: { follows: ["BIOS setting", "card in its slot"] },
      shown: "hardware",
    }),
    form("pci.{device}.name", "Name of {device}", 8, { role: "bystander" }),
    form("pci.{device}.class", "Class of {device}", 5, { role: { follows: ["BIOS setting"] } }),
    form("pci.{device}.d3cold-allowed", "D3cold of {device} allowed", 5, {
      type: "flag",
      role: { follows: ["kernel"] },
    }),
  ],
  collect({ devices, definitions }, tell) {
    if (devices.state !== "read") return tell("pci", devices);
    const identities = identifyPciDevices(devices.value.values());
    // libvirt binds and unbinds these with each start and stop of their VM, so the driver of the moment is no fact.
    const handedOver = new Set<Bdf>();
    for (const { hostDevices, movedTo } of definitions.state === "read" ? definitions.value : [])
      for (const { bdf, managed } of hostDevices) if (managed && movedTo === undefined) handedOver.add(bdf);
    for (const device of devices.value.values())
      tellDevice(tell, `pci.${identities.get(device.bdf) ?? device.bdf}`, device, handedOver.has(device.bdf));
  },
};

function tellDevice(tell: Tell, key: string, device: PciFunction, isHandedOver: boolean): void {
  tell(`${key}.address`, device.bdf);
  if (device.name !== undefined) tell(`${key}.name`, device.name);
  tell(`${key}.driver`, isHandedOver && device.onlyListed === undefined ? HANDED_OVER : device.driver);
  if (device.onlyListed === undefined || device.iommuGroup !== undefined)
    tell(`${key}.group`, device.iommuGroup);
  // Nothing more was written down of it, which speaks for all its other keys.
  if (device.onlyListed !== undefined) {
    tell(key, unreadable(device.onlyListed));
    return;
  }
  tell(`${key}.class`, `${device.classCode} ${describePciClass(device.classCode)}`);
  tell(`${key}.driver-override`, isHandedOver ? HANDED_OVER : device.driverOverride);
  if (device.bootVga !== undefined) tell(`${key}.boot-vga`, device.bootVga);
  tell(`${key}.bars`, device.bars?.map(describeBar) ?? NOT_SHOWN);
  const resizable = describeResizableBar(device);
  if (resizable !== undefined) tell(`${key}.resizable-bar`, resizable);
  tell(`${key}.reset-methods`, device.resetMethods ?? NOT_SHOWN);
  // What the link is at the moment sinks when a GPU idles, and is no fact.
  if (device.mostLink !== undefined) tell(`${key}.link-at-most`, device.mostLink);
  if (device.d3coldAllowed !== undefined) tell(`${key}.d3cold-allowed`, device.d3coldAllowed);
}

/** Whether a resizable BAR is in effect, as far as it can be told; undefined where the question makes no sense. */
function describeResizableBar(device: PciFunction): string | undefined {
  let largest = 0;
  for (const bar of device.bars ?? []) if (bar.prefetchable && bar.size > largest) largest = bar.size;
  if (largest === 0 || (device.largestBarSize === undefined && !isDisplay(device.classCode)))
    return undefined;
  // Without the kernel's list of sizes (before Linux 6.1), only a GPU that shows more than the classic aperture
  // gives itself away.
  const inEffect =
    device.largestBarSize === undefined ? largest > CLASSIC_APERTURE : largest >= device.largestBarSize;
  return `${inEffect ? "in effect" : "not in effect"}, ${formatSize(largest)}`;
}

function moved({ parts, before, after, name }: SaidChange): string | undefined {
  const [from, to] = [textOf(before), textOf(after)];
  if (from === undefined || to === undefined) return undefined;
  const device = name(parts.device ?? "");
  return `${device.charAt(0).toUpperCase()}${device.slice(1)} moved ${from} → ${to}`;
}
