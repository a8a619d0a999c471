import { identifyPciDevices } from "../../host/pci-identity.ts";
import type { IommuGroup, ReservedRegion, ReservedRegionKind } from "../../model/host-state.ts";
import { absent, unreadable } from "../../model/reading.ts";
import { listOf } from "../fact-value.ts";
import {
  type FactForm,
  type FactKind,
  form,
  isAbsent,
  isThere,
  type SaidChange,
  type Tell,
} from "../kind.ts";

const ROOT = "iommu.group";
const REGION_WORDS: Readonly<Record<ReservedRegionKind, string>> = {
  direct: "direct region",
  "direct-relaxable": "relaxable direct region",
  reserved: "reserved region",
  msi: "MSI region",
};

const region = (kind: ReservedRegionKind, importance: number): FactForm => ({
  key: `${ROOT}.{device}.${kind}`,
  type: "list",
  label: `IOMMU group of {device}, ${REGION_WORDS[kind]}s`,
  importance,
  optional: true,
  role: { follows: ["BIOS", "BIOS setting", "kernel", "kernel parameter"] },
  ...(kind === "direct"
    ? { odds: "direct-region", breaks: { "iommu-direct-mapping-required": isThere } }
    : {}),
  say: (change) => saidRegions(change, REGION_WORDS[kind]),
});

/**
 * The IOMMU's groups. One is keyed by its first member (`iommu.group.10de:2805/1462:5174.direct`) and not by its
 * number, because one more card in the host moves the numbers of all groups after it; which number a device's group
 * has is a fact of the device.
 */
export const IOMMU_GROUPS: FactKind = {
  group: "iommu",
  root: ROOT,
  thing: `${ROOT}.{device}`,
  whole: (_name, came, description) => `IOMMU group ${came ? "new" : "gone"}: ${description}`,
  odds: "iommu-state",
  role: { follows: ["BIOS", "BIOS setting", "kernel", "kernel parameter", "card in its slot"] },
  forms: [
    form(`${ROOT}.{device}.members`, "IOMMU group of {device}, members", 1, {
      odds: "group-members",
      type: "list",
      role: { knob: "cards in the group", which: "device" },
      breaks: { "group-not-viable": "any change" },
    }),
    form(`${ROOT}.{device}.type`, "IOMMU group of {device}, domain type", 3, { role: "bystander" }),
    region("direct", 0),
    region("direct-relaxable", 5),
    region("reserved", 5),
    region("msi", 5),
    form(ROOT, "IOMMU groups", 5, { breaks: { "iommu-not-enabled": isAbsent } }),
  ],
  collect({ groups, devices }, tell) {
    if (groups.state === "unreadable") return tell(ROOT, groups);
    if (groups.state === "absent" || groups.value.size === 0) return tell(ROOT, absent);
    // Keys by address in one snapshot and by identity in another would make every group look new.
    if (devices.state !== "read")
      return tell(ROOT, unreadable("the members of the groups cannot be named without the PCI devices"));
    const identities = identifyPciDevices(devices.value.values());
    for (const group of groups.value.values())
      tellGroup(
        tell,
        group,
        group.members.map((bdf) => identities.get(bdf) ?? bdf),
      );
  },
};

function tellGroup(tell: Tell, { type, reservedRegions }: IommuGroup, members: readonly string[]): void {
  const [first] = members;
  // Groups of devices that are not on PCI (platform devices, DMA engines) cannot be passed to a VM.
  if (first === undefined) return;
  const key = `${ROOT}.${first}`;
  tell(`${key}.members`, members);
  if (type !== undefined) tell(`${key}.type`, type);
  if (reservedRegions.state !== "read") {
    tell(
      key,
      reservedRegions.state === "absent" ? unreadable("the kernel shows no regions") : reservedRegions,
    );
    return;
  }
  for (const kind of ["direct", "direct-relaxable", "reserved", "msi"] as const) {
    const own = reservedRegions.value.filter((candidate) => candidate.kind === kind).map(describeRegion);
    // That there is no direct one is said of every group.
    if (own.length > 0 || kind === "direct") tell(`${key}.${kind}`, own);
  }
}

/** A region's addresses, e.g. `0x7fff0000-0x7fff7fff`. */
function describeRegion({ start, end }: ReservedRegion): string {
  return `0x${start.toString(16)}-0x${end.toString(16)}`;
}

function saidRegions({ parts, before, after, device }: SaidChange, word: string): string {
  const [older, newer] = [listOf(before), listOf(after)];
  const say = (verb: string, regions: readonly string[]) =>
    regions.length === 0
      ? []
      : [
          `${verb} ${regions.length === 1 ? `a ${word}` : `${regions.length} ${word}s`} ${regions.join(", ")}`,
        ];
  const said = [
    ...say(
      "gained",
      newer.filter((own) => !older.includes(own)),
    ),
    ...say(
      "lost",
      older.filter((own) => !newer.includes(own)),
    ),
  ];
  return `IOMMU group of ${device(parts.device ?? "")} ${said.join(" and ")}`;
}
