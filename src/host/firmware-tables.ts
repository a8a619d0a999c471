import { createHash } from "node:crypto";
import type { HostPaths } from "../host-paths.ts";
import { absent, mapReading, type Reading } from "../model/reading.ts";
import { type DmarDecoding, decodeDmar } from "./acpi-dmar.ts";
import { decodeIvrs, type IvrsDecoding } from "./acpi-ivrs.ts";
import { createHostMemory } from "./host-memory.ts";
import { readBytes, readNames } from "./read-file.ts";

const TABLES = "/sys/firmware/acpi/tables";
/** A server's largest tables have a few hundred kilobytes; IVRS and DMAR a few. */
const TABLE_LIMIT = 4 * 1024 * 1024;

/** A table as it was found: its decoding, and a hash of its bytes by which any change shows. */
export interface FoundTable<Decoding> {
  readonly hash: string;
  readonly decoding: Decoding;
}

/** The firmware's tables about the IOMMU. A machine has one of them, or none when the IOMMU is off in its set-up. */
export interface FirmwareTables {
  readonly ivrs: Reading<FoundTable<IvrsDecoding>>;
  readonly dmar: Reading<FoundTable<DmarDecoding>>;
  /** Names of all tables, as sysfs gives them (`APIC`, `SSDT3`). */
  readonly names: Reading<readonly string[]>;
}

/** Reads and decodes the tables; their contents need root. */
export function readFirmwareTables(paths: HostPaths, memory = createHostMemory()): FirmwareTables {
  const names = readNames(paths.at(TABLES));
  // sysfs shows the copies that the kernel took of them at boot. One that is not listed is not asked for in vain.
  const table = <Decoding>(name: string, decode: (bytes: Uint8Array) => Decoding) =>
    names.state === "read" && !names.value.includes(name)
      ? absent
      : memory.onceABoot(`ACPI table ${name}`, () =>
          mapReading(readBytes(paths.at(`${TABLES}/${name}`), TABLE_LIMIT), (bytes) =>
            foundTable(bytes, decode),
          ),
        );
  return { ivrs: table("IVRS", decodeIvrs), dmar: table("DMAR", decodeDmar), names };
}

/** Decodes the bytes of a table and keeps their hash. */
export function foundTable<Decoding>(
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => Decoding,
): FoundTable<Decoding> {
  // The first digits are enough to see that something is not the same.
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  return { hash, decoding: decode(bytes) };
}
