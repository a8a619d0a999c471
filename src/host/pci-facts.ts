import type { Fact } from "../model/fact.ts";
import type { PciDevice } from "../model/host-state.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { Reading } from "../model/reading.ts";
import { joinList } from "./fact-list.ts";
import { absentFact, unknownFact, valueFact } from "./make-fact.ts";
import { describePciClass, isDisplay } from "./pci-classes.ts";
import type { PciFunction, PciFunctions } from "./pci-devices.ts";
import { describeBar, formatSize } from "./pci-resources.ts";

/** What a GPU shows at most to a firmware that cannot resize BARs. */
const CLASSIC_APERTURE = 256 * 2 ** 20;

const HANDED_OVER = "it is bound and unbound with each start of its VM";

/**
 * A name for each function that survives its moving to another address: `vendor:device/subvendor:subdevice`, and
 * `#2`, `#3`… for the second and third of the same kind, counted in the order of addresses.
 */
export function identifyPciDevices(devices: Iterable<PciDevice>): ReadonlyMap<Bdf, string> {
  const seen = new Map<string, number>();
  const identities = new Map<Bdf, string>();
  for (const device of [...devices].sort((a, b) => (a.bdf < b.bdf ? -1 : a.bdf > b.bdf ? 1 : 0))) {
    const subsystem = `${device.subsystemVendorId ?? "0000"}:${device.subsystemDeviceId ?? "0000"}`;
    const kind = `${device.vendorId}:${device.deviceId}/${subsystem}`;
    const count = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, count);
    identities.set(device.bdf, count === 1 ? kind : `${kind}#${count}`);
  }
  return identities;
}

/**
 * Facts of the PCI functions, keyed by what a function is (`pci.10de:2805/1462:5174.address`), not by where it is.
 * What comes and goes with use (link speed, power state, enable count) is no fact. A reading that failed gives the
 * one fact `pci`, which speaks for all keys below it. Devices in `handedOver` are bound and unbound by libvirt with
 * each start and stop of their VM (`managed='yes'`), so their driver of the moment is
 * no fact: it is unknown, which never counts as changed.
 */
export function pciFacts(
  devices: Reading<PciFunctions>,
  handedOver: ReadonlySet<Bdf> = new Set(),
): readonly Fact[] {
  if (devices.state === "unreadable") return [unknownFact("pci", "pci", devices.why)];
  if (devices.state === "absent") return [absentFact("pci", "pci")];
  const identities = identifyPciDevices(devices.value.values());
  const facts: Fact[] = [];
  for (const device of devices.value.values()) {
    const key = `pci.${identities.get(device.bdf) ?? device.bdf}`;
    addFacts(facts, key, device, handedOver.has(device.bdf));
  }
  return facts;
}

function addFacts(facts: Fact[], key: string, device: PciFunction, isHandedOver: boolean): void {
  const add = (name: string, value: string | undefined) =>
    facts.push(
      value === undefined || value === ""
        ? absentFact("pci", `${key}.${name}`)
        : valueFact("pci", `${key}.${name}`, value),
    );
  const yesOrNo = (name: string, value: boolean | undefined) => {
    if (value !== undefined) add(name, value ? "yes" : "no");
  };
  const shownList = (name: string, items: readonly string[] | undefined, separator: string) => {
    if (items === undefined) facts.push(unknownFact("pci", `${key}.${name}`, "not shown by the kernel"));
    else add(name, joinList(items, separator));
  };
  add("address", device.bdf);
  add("class", `${device.classCode} ${describePciClass(device.classCode)}`);
  if (device.name !== undefined) add("name", device.name);
  if (isHandedOver) {
    for (const name of ["driver", "driver-override"])
      facts.push(unknownFact("pci", `${key}.${name}`, HANDED_OVER));
  } else {
    add("driver", device.driver);
    add("driver-override", device.driverOverride);
  }
  add("group", device.iommuGroup?.toString());
  yesOrNo("boot-vga", device.bootVga);
  shownList("bars", device.bars?.map(describeBar), ", ");
  const resizable = describeResizableBar(device);
  if (resizable !== undefined) add("resizable-bar", resizable);
  shownList("reset-methods", device.resetMethods, " ");
  yesOrNo("d3cold-allowed", device.d3coldAllowed);
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
