import type { HostPaths } from "../host-paths.ts";
import type { IommuGroup, ReservedRegion, ReservedRegionKind } from "../model/host-state.ts";
import { parseBdf } from "../model/identifiers.ts";
import { mapReading, type Reading, read, unreadable, valueOr } from "../model/reading.ts";
import { readAttribute, readNames } from "./read-file.ts";

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
export function readIommuGroups(
  paths: HostPaths,
  memory = createIommuMemory(),
): Reading<ReadonlyMap<number, IommuGroup>> {
  const listing = readNames(paths.at(GROUPS));
  if (listing.state !== "read") return listing;
  const ids = listing.value.filter((name) => /^\d{1,9}$/.test(name)).map(Number);
  const groups = new Map<number, IommuGroup>();
  const base = paths.at(GROUPS);
  for (const id of ids.sort((a, b) => a - b)) {
    const group = readGroup(`${base}/${id}`, id, memory);
    if (group.state === "unreadable") return unreadable(`IOMMU group ${id}: ${group.why}`);
    if (group.state === "read") groups.set(id, group.value);
  }
  return read(groups);
}

/** What the files of each group said last time, and what was made of it. */
export type IommuMemory = Map<number, { readonly content: string; readonly group: IommuGroup }>;

/** An empty memory. */
export function createIommuMemory(): IommuMemory {
  return new Map();
}

function readGroup(directory: string, id: number, memory: IommuMemory): Reading<IommuGroup> {
  const names = readNames(`${directory}/devices`);
  if (names.state !== "read") return names;
  const regions = readAttribute(`${directory}/reserved_regions`);
  // Without the regions one would believe that the firmware demands nothing.
  if (regions.state === "unreadable") return regions;
  const type = valueOr(readAttribute(`${directory}/type`), "").trim();
  const content = [type, names.value.join(" "), valueOr(regions, "")].join("\n");
  const seen = memory.get(id);
  if (seen?.content === content) return read(seen.group);
  const members = names.value.map(parseBdf).filter((bdf) => bdf !== undefined);
  const group: IommuGroup = {
    id,
    ...(type !== "" ? { type } : {}),
    members: members.sort(),
    reservedRegions: mapReading(regions, parseReservedRegions),
  };
  memory.set(id, { content, group });
  return read(group);
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
