import { BOOLEAN, type PropertyFormat, readPropertyString } from "./property-string.ts";

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

/** What Proxmox takes for a name (`pve-configid`). */
export const CONFIGURATION_ID = /^[a-z][a-z0-9_-]+$/i;

const PATH = "[a-f0-9]{4,}:[a-f0-9]{2}:[a-f0-9]{2}(?:.[a-f0-9])?";
const IDENTITY = /^[0-9a-f]{4}:[0-9a-f]{4}$/i;

/** `$map_fmt` of `PVE::Mapping::PCI`. */
const MAP: PropertyFormat = {
  values: {
    id: IDENTITY,
    "subsystem-id": IDENTITY,
    path: new RegExp(`^(?:${PATH};)*${PATH}$`),
    iommugroup: /^[+-]?\d+$/,
  },
};

/**
 * Reads `/etc/pve/mapping/pci.cfg` as `PVE::SectionConfig` does: a section a mapping, headed by its name alone and ended by
 * an empty line, with one indented `map` for each device on each node. Several maps of a node are alternatives; several
 * paths in one map are passed through together. A line that cannot be read is passed over.
 */
export function parsePciMappings(text: string, node: string): PciMappings {
  const mappings = new Map<string, PciMapping>();
  const lines = text.split("\n").filter((line) => !/^\s*#/.test(line));
  for (const block of lines.join("\n").split("\n\n")) {
    const [, name = "", content = ""] = /^(\S+)[^\S\n]*(?:\n([\s\S]*))?$/m.exec(block) ?? [];
    if (!CONFIGURATION_ID.test(name)) continue;
    const devices: MappedDevice[] = [];
    let isMediated: boolean | undefined;
    for (const line of content.split("\n")) {
      const [, key, value = "1"] = /^\s+(map|mdev)(?:\s+(\S.*?))?\s*$/.exec(line) ?? [];
      // Proxmox makes a number of it, and of "on" that is 0.
      if (key === "mdev" && BOOLEAN.test(value)) isMediated ??= value === "1";
      if (key !== "map") continue;
      const values = readPropertyString(value, MAP);
      const path = values?.get("path");
      if (path === undefined || !values?.has("id") || values.get("node") !== node) continue;
      devices.push({
        paths: path.split(";"),
        id: values.get("id"),
        subsystemId: values.get("subsystem-id"),
        iommuGroup: values.get("iommugroup"),
      });
    }
    mappings.set(name, { devices, isMediated: isMediated ?? false });
  }
  return mappings;
}
