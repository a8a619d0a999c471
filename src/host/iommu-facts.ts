import type { Fact } from "../model/fact.ts";
import type { IommuGroup, PciDevice, ReservedRegion, ReservedRegionKind } from "../model/host-state.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { Reading } from "../model/reading.ts";
import { joinList } from "./fact-list.ts";
import { absentFact, unknownFact, valueFact } from "./make-fact.ts";
import { identifyPciDevices } from "./pci-facts.ts";

/** What iommu facts are made from; every reading fails alone. */
export interface IommuReadings {
  readonly groups: Reading<ReadonlyMap<number, IommuGroup>>;
  readonly devices: Reading<ReadonlyMap<Bdf, PciDevice>>;
  /** Names in `/sys/class/iommu`. */
  readonly units: Reading<readonly string[]>;
  readonly interruptRemapping: Reading<boolean>;
  /** What the kernel logged at boot, as far as somebody has it. */
  readonly kernelLines?: readonly string[];
}

/** A region of one of these kinds is said for every group, also that there is none. */
const ALWAYS: readonly ReservedRegionKind[] = ["direct"];
const WHEN_THERE: readonly ReservedRegionKind[] = ["direct-relaxable", "reserved", "msi"];

/**
 * Facts of the IOMMU. A group is keyed by its first member (`iommu.group.10de:2805/1462:5174.direct`) and not by its
 * number, because one more card in the host moves the numbers of all groups after it; which number a device's group
 * has is a fact of the device.
 */
export function iommuFacts(readings: IommuReadings): readonly Fact[] {
  return [
    ...unitFacts(readings.units),
    remappingFact(readings.interruptRemapping),
    ...bootFacts(readings.kernelLines),
    ...groupFacts(readings),
  ];
}

function unitFacts(units: Reading<readonly string[]>): readonly Fact[] {
  const key = "iommu.units";
  if (units.state === "unreadable") return [unknownFact("iommu", key, units.why)];
  if (units.state === "absent" || units.value.length === 0) return [absentFact("iommu", key)];
  return [valueFact("iommu", key, joinList(units.value))];
}

function remappingFact(remapping: Reading<boolean>): Fact {
  const key = "iommu.interrupt-remapping";
  if (remapping.state === "unreadable") return unknownFact("iommu", key, remapping.why);
  if (remapping.state === "absent") return absentFact("iommu", key);
  return valueFact("iommu", key, remapping.value ? "on" : "off");
}

/** drivers/iommu/iommu.c, iommu_subsys_init. */
const BOOT_LINES = [
  { key: "iommu.default-domain", pattern: /^iommu: Default domain type: ([^\n]{1,80})/ },
  {
    key: "iommu.tlb-invalidation",
    pattern: /^iommu: DMA domain TLB invalidation policy: ([^\n]{1,80})/,
  },
];

function bootFacts(lines: readonly string[] | undefined): readonly Fact[] {
  return BOOT_LINES.map(({ key, pattern }) => {
    for (const line of lines ?? []) {
      const said = pattern.exec(line)?.[1];
      if (said !== undefined) return valueFact("iommu", key, said);
    }
    return unknownFact("iommu", key, "the kernel's words at boot are no longer there");
  });
}

function groupFacts({ groups, devices }: IommuReadings): readonly Fact[] {
  const key = "iommu.group";
  if (groups.state === "unreadable") return [unknownFact("iommu", key, groups.why)];
  if (groups.state === "absent" || groups.value.size === 0) return [absentFact("iommu", key)];
  // Keys by address in one snapshot and by identity in another would make every group look new.
  if (devices.state !== "read")
    return [unknownFact("iommu", key, "the members of the groups cannot be named without the PCI devices")];
  const identities = identifyPciDevices(devices.value.values());
  const identify = (bdf: Bdf) => identities.get(bdf) ?? bdf;
  const facts: Fact[] = [];
  for (const group of groups.value.values()) {
    const [first] = group.members;
    // Groups of devices that are not on PCI (platform devices, DMA engines) cannot be passed to a VM.
    if (first === undefined) continue;
    const groupKey = `${key}.${identify(first)}`;
    facts.push(valueFact("iommu", `${groupKey}.members`, joinList(group.members.map(identify))));
    if (group.type !== undefined) facts.push(valueFact("iommu", `${groupKey}.type`, group.type));
    for (const kind of ALWAYS) facts.push(regionFact(groupKey, kind, group.reservedRegions));
    for (const kind of WHEN_THERE) {
      if (group.reservedRegions.some((region) => region.kind === kind))
        facts.push(regionFact(groupKey, kind, group.reservedRegions));
    }
  }
  return facts;
}

function regionFact(groupKey: string, kind: ReservedRegionKind, regions: readonly ReservedRegion[]): Fact {
  const ofKind = regions.filter((region) => region.kind === kind).map(describeRegion);
  const key = `${groupKey}.${kind}`;
  return ofKind.length === 0 ? absentFact("iommu", key) : valueFact("iommu", key, joinList(ofKind));
}

/** A region's addresses, e.g. `0x7fff0000-0x7fff7fff`. */
function describeRegion({ start, end }: Pick<ReservedRegion, "start" | "end">): string {
  return `0x${start.toString(16)}-0x${end.toString(16)}`;
}
