import type { HostPaths } from "../host-paths.ts";
import { readBytes } from "./read-file.ts";

const DATABASES = ["/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids"];
/** The database has 1.6 MB today. */
const SIZE_LIMIT = 16 * 1024 * 1024;
const NAME_LIMIT = 120;

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
 * devices follow with one tab, subsystems with two; after the vendors come lists with other first letters. Searched
 * for rather than read line by line, of which there are 37 000: a fresh program takes ten times as long for those.
 */
export function findPciNames(database: Buffer, pairs: readonly string[]): ReadonlyMap<string, string> {
  // A character for each byte, so that places in the text are places in the bytes.
  const text = database.toString("latin1");
  const names = new Map<string, string>();
  for (const vendor of new Set(pairs.map((pair) => pair.slice(0, 4)))) {
    const start = lineWith(text, vendor, 0);
    if (start === undefined) continue;
    const vendorName = cleanName(database, start + vendor.length, lineEnd(text, start));
    const end = blockEnd(text, start);
    for (const pair of pairs) {
      const device = `\t${pair.slice(5)}`;
      if (names.has(pair) || !pair.startsWith(`${vendor}:`)) continue;
      const line = lineWith(text, device, start);
      if (line === undefined || line >= end) continue;
      const deviceName = cleanName(database, line + device.length, lineEnd(text, line));
      names.set(pair, `${vendorName} ${deviceName}`.trim());
    }
  }
  return names;
}

/** Where the first line from `from` on is that begins so. */
function lineWith(text: string, beginning: string, from: number): number | undefined {
  if (from === 0 && text.startsWith(beginning)) return 0;
  const found = text.indexOf(`\n${beginning}`, from);
  return found < 0 ? undefined : found + 1;
}

function lineEnd(text: string, from: number): number {
  const found = text.indexOf("\n", from);
  return found < 0 ? text.length : found;
}

/** Where the lines end that belong to the one at `start`: those with a tab, and comments between them. */
function blockEnd(text: string, start: number): number {
  const next = /\n[^\t#\n]/g;
  next.lastIndex = start;
  return next.exec(text)?.index ?? text.length;
}

function cleanName(database: Buffer, start: number, end: number): string {
  // Four bytes are the most that UTF-8 needs for a character.
  const text = database.toString("utf8", start, Math.min(end, start + 4 * NAME_LIMIT));
  return text
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, "")
    .trim()
    .slice(0, NAME_LIMIT);
}
