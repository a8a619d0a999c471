import type { HostPaths } from "../host-paths.ts";
import { absent, mapReading, type Reading, read } from "../model/reading.ts";
import type { HostMemory } from "./host-memory.ts";
import { readBytes, readNames } from "./read-file.ts";

const TABLE = "/sys/firmware/dmi/tables/DMI";
const ENTRIES = "/sys/firmware/dmi/entries";
/** A server's table has some twenty kilobytes. */
const TABLE_LIMIT = 1024 * 1024;
const MOST_STRUCTURES = 4096;
const HEADER_LENGTH = 4;
const END_OF_TABLE = 127;

/** A structure of the SMBIOS table: its type and its strings; what its numbers mean is not asked. */
export interface SmbiosStructure {
  readonly type: number;
  readonly strings: readonly string[];
}

/** Takes the table apart. Never throws; it ends at what cannot be a structure. */
export function parseSmbios(bytes: Uint8Array): readonly SmbiosStructure[] {
  const structures: SmbiosStructure[] = [];
  for (let offset = 0; offset + HEADER_LENGTH <= bytes.length && structures.length < MOST_STRUCTURES; ) {
    const type = bytes[offset] ?? END_OF_TABLE;
    const length = bytes[offset + 1] ?? 0;
    if (length < HEADER_LENGTH || offset + length > bytes.length) break;
    const { strings, end } = stringsAt(bytes, offset + length);
    structures.push({ type, strings });
    if (type === END_OF_TABLE) break;
    offset = end;
  }
  return structures;
}

/** Behind the fixed part stand strings, each with a zero at its end, and one more zero at the end of all. */
function stringsAt(
  bytes: Uint8Array,
  start: number,
): { readonly strings: readonly string[]; readonly end: number } {
  const strings: string[] = [];
  let offset = start;
  while (offset < bytes.length && bytes[offset] !== 0) {
    const zero = bytes.indexOf(0, offset);
    const end = zero < 0 ? bytes.length : zero;
    strings.push(Buffer.from(bytes.subarray(offset, end)).toString("latin1"));
    offset = end + 1;
  }
  // Without any string there are two zeros.
  return { strings, end: strings.length === 0 ? offset + 2 : offset + 1 };
}

/** The types in which vendors put it: additional information, strings of the OEM, and what is theirs alone. */
const FIRST_TYPES = [40, 11];

/**
 * The name and version of AMD's part of the BIOS, `ComboAm5PI 1.2.0.3a`. The mark in front of it (`AGESA!V9`) ends in a
 * space or, as in AMD's own sources, in a zero, after which the name is a string of its own.
 */
export function agesaIn(structures: readonly SmbiosStructure[]): string | undefined {
  const rank = ({ type }: SmbiosStructure) =>
    FIRST_TYPES.includes(type) ? FIRST_TYPES.indexOf(type) : FIRST_TYPES.length;
  for (const { strings } of structures.toSorted((a, b) => rank(a) - rank(b))) {
    for (const [place, text] of strings.entries()) {
      const [, rest] = /AGESA(?:!V\d+)?[\s:_-]*(.*)$/i.exec(text) ?? [];
      if (rest === undefined) continue;
      const name = (rest.trim() === "" ? (strings[place + 1] ?? "") : rest).trim();
      if (/\d+\.\d+\.\d+\.\w/.test(name)) return name.slice(0, 80);
    }
  }
  return undefined;
}

/** AGESA as the SMBIOS table has it; absent where the table has none, as on Intel. Needs root. */
export function readAgesa(paths: HostPaths, memory: HostMemory): Reading<string> {
  const found = memory.onceABoot("AGESA", () => mapReading(readStructures(paths), agesaIn));
  if (found.state !== "read") return found;
  return found.value === undefined ? absent : read(found.value);
}

function readStructures(paths: HostPaths): Reading<readonly SmbiosStructure[]> {
  const table = readBytes(paths.at(TABLE), TABLE_LIMIT);
  if (table.state !== "absent") return mapReading(table, parseSmbios);
  // A tree that was copied may have only the entries, which the module dmi-sysfs shows one by one.
  const names = readNames(paths.at(ENTRIES));
  if (names.state !== "read") return names;
  const structures: SmbiosStructure[] = [];
  for (const name of names.value.filter((entry) => /^\d+-\d+$/.test(entry)).slice(0, MOST_STRUCTURES)) {
    const raw = readBytes(paths.at(`${ENTRIES}/${name}/raw`), TABLE_LIMIT);
    if (raw.state === "unreadable") return raw;
    if (raw.state === "read") structures.push(...parseSmbios(raw.value));
  }
  return read(structures);
}
