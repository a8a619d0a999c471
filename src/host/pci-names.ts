import type { HostPaths } from "../host-paths.ts";
import { readBytes } from "./read-file.ts";

const DATABASES = ["/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids"];
/** The database has 1.6 MB today. */
const SIZE_LIMIT = 16 * 1024 * 1024;
const NAME_LIMIT = 120;

const TAB = 0x09;
const NEW_LINE = 0x0a;

/** What a device is called. Hostile text, bounded and without control characters. */
export interface PciNames {
  /**
   * Names of `vendor:device` pairs (four lower-case hexadecimal digits each), e.g. `10de:2805` →
   * `NVIDIA Corporation AD106 [GeForce RTX 4060 Ti 16GB]`. Pairs without a known name are not in the result.
   */
  lookUp(pairs: Iterable<string>): ReadonlyMap<string, string>;
}

/** Names from the host's pci.ids; only the names asked for stay in memory, the file is read when new ones are. */
export function createPciNames(paths: HostPaths): PciNames {
  const known = new Map<string, string | undefined>();
  return {
    lookUp(pairs) {
      const asked = new Set(pairs);
      const wanted = [...asked].filter((pair) => !known.has(pair));
      if (wanted.length > 0) {
        const found = findInDatabases(paths, wanted);
        for (const pair of wanted) known.set(pair, found.get(pair));
      }
      const names = new Map<string, string>();
      for (const pair of asked) {
        const name = known.get(pair);
        if (name !== undefined) names.set(pair, name);
      }
      return names;
    },
  };
}

function findInDatabases(paths: HostPaths, pairs: readonly string[]): ReadonlyMap<string, string> {
  for (const place of DATABASES) {
    const database = readBytes(paths.at(place), SIZE_LIMIT);
    if (database.state === "read") return findPciNames(database.value, pairs);
  }
  return new Map();
}

/**
 * Finds `vendor:device` pairs in the bytes of a pci.ids. The format: a vendor's line begins with its id, its
 * devices follow with one tab, subsystems with two; after the vendors come lists with other first letters.
 */
export function findPciNames(database: Buffer, pairs: readonly string[]): ReadonlyMap<string, string> {
  const vendors = new Set(pairs.map((pair) => pair.slice(0, 4)));
  const wanted = new Set(pairs);
  const names = new Map<string, string>();
  let vendorId: string | undefined;
  let vendorName = "";
  for (let start = 0; start < database.length; ) {
    const newLine = database.indexOf(NEW_LINE, start);
    const end = newLine < 0 ? database.length : newLine;
    if (database[start] !== TAB) {
      const id = database.toString("latin1", start, Math.min(start + 4, end));
      vendorId = vendors.has(id) ? id : undefined;
      if (vendorId !== undefined) vendorName = cleanName(database, start + 4, end);
    } else if (vendorId !== undefined && database[start + 1] !== TAB) {
      const pair = `${vendorId}:${database.toString("latin1", start + 1, Math.min(start + 5, end))}`;
      if (wanted.has(pair)) names.set(pair, `${vendorName} ${cleanName(database, start + 5, end)}`.trim());
    }
    start = end + 1;
  }
  return names;
}

function cleanName(database: Buffer, start: number, end: number): string {
  // Four bytes are the most that UTF-8 needs for a character.
  const text = database.toString("utf8", start, Math.min(end, start + 4 * NAME_LIMIT));
  return text
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, "")
    .trim()
    .slice(0, NAME_LIMIT);
}
