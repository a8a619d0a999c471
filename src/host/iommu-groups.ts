import type { HostPaths } from "../host-paths.ts";
import type { IommuGroup, ReservedRegion, ReservedRegionKind } from "../model/host-state.ts";
import { parseBdf } from "../model/identifiers.ts";
import { mapReading, type Reading, read, unreadable } from "../model/reading.ts";
import { readNames, readText, readValue } from "./read-file.ts";

const GROUPS = "/sys/kernel/iommu_groups";
const UNITS = "/sys/class/iommu";

const KINDS: ReadonlySet<string> = new Set<ReservedRegionKind>([
  "direct",
  "direct-relaxable",
  "reserved",
  "msi",
]);
const REGION = /^(0x[0-9a-f]{1,16}) (0x[0-9a-f]{1,16}) ([a-z-]+)$/i;

/**
 * Reads all IOMMU groups by their number. An empty map: the kernel knows IOMMU groups and has none, the IOMMU is
 * off. A group whose members cannot be read makes the whole reading unreadable; one that vanishes is left out.
 */
export function readIommuGroups(paths: HostPaths): Reading<ReadonlyMap<number, IommuGroup>> {
  const listing = readNames(paths.at(GROUPS));
  if (listing.state !== "read") return listing;
  const ids = listing.value.filter((name) => /^\d{1,9}$/.test(name)).map(Number);
  const groups = new Map<number, IommuGroup>();
  for (const id of ids.sort((a, b) => a - b)) {
    const group = readGroup(paths.at(`${GROUPS}/${id}`), id);
    if (group.state === "unreadable") return unreadable(`IOMMU group ${id}: ${group.why}`);
    if (group.state === "read") groups.set(id, group.value);
  }
  return read(groups);
}

function readGroup(directory: string, id: number): Reading<IommuGroup> {
  const names = readNames(`${directory}/devices`);
  if (names.state !== "read") return names;
  const regions = readText(`${directory}/reserved_regions`);
  // Without the regions one would believe that the firmware demands nothing.
  if (regions.state === "unreadable") return regions;
  const type = readValue(`${directory}/type`);
  const members = names.value.map(parseBdf).filter((bdf) => bdf !== undefined);
  return read({
    id,
    ...(type.state === "read" && type.value !== "" ? { type: type.value } : {}),
    members: members.sort(),
    reservedRegions: regions.state === "read" ? parseReservedRegions(regions.value) : [],
  });
}

/**
 * Reads the text of a `reserved_regions` file: `start end kind` a line, inclusive end. Lines of another shape, and
 * kinds that no kernel prints today, are left out. A zero-length demand of the firmware shows as all addresses,
 * because the kernel's `start + length - 1` wraps around; it counts like any other.
 */
export function parseReservedRegions(text: string): readonly ReservedRegion[] {
  const regions: ReservedRegion[] = [];
  for (const line of text.split("\n")) {
    const [, start, end, kind] = REGION.exec(line.trim()) ?? [];
    if (start === undefined || end === undefined || !isKind(kind)) continue;
    regions.push({ start: BigInt(start), end: BigInt(end), kind });
  }
  return regions;
}

function isKind(text: string | undefined): text is ReservedRegionKind {
  return text !== undefined && KINDS.has(text);
}

/** Names of the IOMMU units that are in use (`dmar0`, `ivhd0`); empty when the IOMMU is off. */
export function readIommuUnits(paths: HostPaths): Reading<readonly string[]> {
  return mapReading(readNames(paths.at(UNITS)), (names) => [...names].sort());
}
