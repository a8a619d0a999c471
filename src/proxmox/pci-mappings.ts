import { parsePropertyString } from "./property-string.ts";

/** What a cluster-wide mapping stands for on this node: alternatives, each with the addresses that go together. */
export type PciMappings = ReadonlyMap<string, readonly (readonly string[])[]>;

/**
 * Reads `/etc/pve/mapping/pci.cfg`: a section a mapping, headed by its name alone, with one indented `map` for each
 * device on each node. Several maps of a node are alternatives; several paths in one map are passed through together.
 */
export function parsePciMappings(text: string, node: string): PciMappings {
  const mappings = new Map<string, (readonly string[])[]>();
  let alternatives: (readonly string[])[] = [];
  for (const line of text.split("\n")) {
    const name = /^(\S+)\s*$/.exec(line)?.[1];
    if (name !== undefined && !name.startsWith("#")) {
      alternatives = [];
      mappings.set(name, alternatives);
      continue;
    }
    const map = /^\s+map\s+(\S.*)$/.exec(line)?.[1];
    if (map === undefined) continue;
    const values = parsePropertyString(map, "id");
    if (values.get("node") === node) alternatives.push((values.get("path") ?? "").split(";"));
  }
  return mappings;
}
