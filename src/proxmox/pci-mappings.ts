import { isYes, parsePropertyString } from "./property-string.ts";

/** A device that a mapping stands for on one node, with what it was when it was mapped. */
export interface MappedDevice {
  /** Addresses that go together. */
  readonly paths: readonly string[];
  /** `10de:2805`, of each of the addresses. */
  readonly id: string | undefined;
  readonly subsystemId: string | undefined;
  readonly iommuGroup: string | undefined;
}

/** What a cluster-wide mapping stands for on this node. */
export interface PciMapping {
  /** Alternatives, the first that is free is taken. */
  readonly devices: readonly MappedDevice[];
  /** They are there for mediated devices. */
  readonly isMediated: boolean;
}

/** By name. */
export type PciMappings = ReadonlyMap<string, PciMapping>;

/**
 * Reads `/etc/pve/mapping/pci.cfg`: a section a mapping, headed by its name alone, with one indented `map` for each
 * device on each node. Several maps of a node are alternatives; several paths in one map are passed through together.
 */
export function parsePciMappings(text: string, node: string): PciMappings {
  const mappings = new Map<string, { devices: MappedDevice[]; isMediated: boolean }>();
  let mapping = { devices: [] as MappedDevice[], isMediated: false };
  for (const line of text.split("\n")) {
    const name = /^(\S+)\s*$/.exec(line)?.[1];
    if (name !== undefined && !name.startsWith("#")) {
      mapping = { devices: [], isMediated: false };
      mappings.set(name, mapping);
      continue;
    }
    const [, key, value = ""] = /^\s+(map|mdev)\s+(\S.*?)\s*$/.exec(line) ?? [];
    if (key === "mdev") mapping.isMediated = isYes(value);
    if (key !== "map") continue;
    const values = parsePropertyString(value, "id");
    if (values.get("node") !== node) continue;
    mapping.devices.push({
      paths: (values.get("path") ?? "").split(";"),
      id: values.get("id"),
      subsystemId: values.get("subsystem-id"),
      iommuGroup: values.get("iommugroup"),
    });
  }
  return mappings;
}
