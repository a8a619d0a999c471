import type { HostPaths } from "../host-paths.ts";
import { oneLine } from "../hostile-text.ts";
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
  const devices = new Map<string, string[]>();
  for (const pair of [...pairs].sort()) {
    const vendor = pair.slice(0, 4);
    const known = devices.get(vendor);
    if (known === undefined) devices.set(vendor, [pair.slice(5)]);
    else known.push(pair.slice(5));
  }
  const names = new Map<string, string>();
  const nameAt = (place: number) => cleanName(database, place, lineEnd(text, place));
  eachLine(text, [...devices.keys()], (vendor, start) => {
    const vendorName = nameAt(start + vendor.length);
    const block = text.slice(start, blockEnd(text, start));
    const wanted = devices.get(vendor)?.map((device) => `\t${device}`) ?? [];
    eachLine(block, wanted, (device, line) => {
      const name = `${vendorName} ${nameAt(start + line + device.length)}`;
      names.set(`${vendor}:${device.slice(1)}`, name.trim());
    });
  });
  return names;
}

/** Finds the lines that begin so, each from where the last one was: the list and the beginnings are sorted. */
function eachLine(
  text: string,
  beginnings: readonly string[],
  found: (beginning: string, place: number) => void,
): void {
  let from = 0;
  for (const beginning of beginnings) {
    const place = lineWith(text, beginning, from) ?? lineWith(text, beginning, 0);
    if (place === undefined) continue;
    found(beginning, place);
    from = place;
  }
}

/** Where the first line from `from` on is that begins so. */
function lineWith(text: string, beginning: string, from: number): number | undefined {
  if (text.startsWith(beginning, from)) return from;
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
  return oneLine(text).slice(0, NAME_LIMIT);
}
