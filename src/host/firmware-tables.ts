import type { HostPaths } from "../host-paths.ts";
import type { Fact } from "../model/fact.ts";
import { absent, mapReading, type Reading } from "../model/reading.ts";
import { type DmarDecoding, type DmarTable, decodeDmar } from "./acpi-dmar.ts";
import { decodeIvrs, type IvrsDecoding, type IvrsTable } from "./acpi-ivrs.ts";
import { hex, type TableFinding } from "./acpi-table.ts";
import { joinList, shortHash } from "./fact-list.ts";
import {
  describeDmarScope,
  describeMemoryDefinition,
  describeReservedMemory,
  formatDeviceId,
} from "./firmware-wording.ts";
import { createHostMemory } from "./host-memory.ts";
import { absentFact, unknownFact, valueFact } from "./make-fact.ts";
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
  return { hash: shortHash(bytes), decoding: decode(bytes) };
}

/**
 * Facts of the tables (`firmware-tables.IVRS.ivmd.1`). Entries are numbered in the order in which they stand in the
 * table, so that an update that moves a range shows as one change of one entry.
 */
export function firmwareTableFacts(tables: FirmwareTables): readonly Fact[] {
  return [
    ...nameFacts(tables.names),
    ...tableFacts("IVRS", tables.ivrs, ivrsFacts),
    ...tableFacts("DMAR", tables.dmar, dmarFacts),
  ];
}

type Entry = readonly [key: string, value: string];

/** Which tables there are, those of one name counted: settings of the firmware make tables come and go. */
function nameFacts(names: Reading<readonly string[]>): readonly Fact[] {
  const key = "firmware-tables.list";
  if (names.state === "unreadable") return [unknownFact("firmware-tables", key, names.why)];
  if (names.state === "absent") return [absentFact("firmware-tables", key)];
  const counts = new Map<string, number>();
  for (const name of [...names.value].sort()) {
    // `data` and `dynamic` are directories; the kernel numbers tables of the same signature.
    const [, signature] = /^([A-Z0-9_!]{4})\d*$/.exec(name) ?? [];
    if (signature !== undefined) counts.set(signature, (counts.get(signature) ?? 0) + 1);
  }
  const words = [...counts].map(([signature, count]) => (count === 1 ? signature : `${count} ${signature}`));
  return words.length === 0
    ? [absentFact("firmware-tables", key)]
    : [valueFact("firmware-tables", key, joinList(words))];
}

function tableFacts<Table>(
  signature: "IVRS" | "DMAR",
  table: Reading<
    FoundTable<{ readonly table: Table | undefined; readonly findings: readonly TableFinding[] }>
  >,
  entriesOf: (table: Table) => readonly Entry[],
): readonly Fact[] {
  const key = `firmware-tables.${signature}`;
  if (table.state === "unreadable") return [unknownFact("firmware-tables", key, table.why)];
  if (table.state === "absent") return [absentFact("firmware-tables", key)];
  const { hash, decoding } = table.value;
  const entries: Entry[] = [
    ["sha256", hash],
    ...(decoding.table === undefined ? [] : entriesOf(decoding.table)),
    ...decoding.findings.map(
      ({ offset, text }, index): Entry => [`finding.${index + 1}`, `at byte ${offset}: ${text}`],
    ),
  ];
  return entries.map(([name, value]) => valueFact("firmware-tables", `${key}.${name}`, value));
}

function ivrsFacts({ header, info, hardwareUnits, memoryDefinitions }: IvrsTable): readonly Entry[] {
  return [
    ["oem-revision", String(header.oemRevision)],
    ["info", `0x${info.raw.toString(16).padStart(8, "0")}`],
    ["pre-boot-dma-protection", info.preBootDmaProtection ? "on" : "off"],
    ...hardwareUnits.map(
      (unit, index): Entry => [
        `ivhd.${index + 1}`,
        joinList([
          `type ${hex(unit.type)}`,
          `flags ${hex(unit.flags)}`,
          `IOMMU ${formatDeviceId(unit.segment, unit.deviceId)}`,
          `registers 0x${unit.baseAddress.toString(16)}`,
          unit.type === 0x10
            ? `features 0x${unit.features.toString(16)}`
            : `attributes 0x${unit.features.toString(16)}`,
          ...(unit.extendedFeatures === undefined ? [] : [`EFR 0x${unit.extendedFeatures.toString(16)}`]),
          ...(unit.extendedFeatures2 === undefined ? [] : [`EFR2 0x${unit.extendedFeatures2.toString(16)}`]),
          `${unit.entries.length} device entries`,
        ]),
      ],
    ),
    ...memoryDefinitions.map(
      (definition, index): Entry => [`ivmd.${index + 1}`, describeMemoryDefinition(definition)],
    ),
  ];
}

function dmarFacts({ header, hostAddressWidth, flags, structures, ...table }: DmarTable): readonly Entry[] {
  const numbers = new Map<string, number>();
  return [
    ["oem-revision", String(header.oemRevision)],
    ["host-address-width", String(hostAddressWidth)],
    ["flags", hex(flags)],
    ["interrupt-remapping", table.interruptRemapping ? "offered" : "not offered"],
    ["x2apic-opt-out", table.x2apicOptOut ? "yes" : "no"],
    ["dma-protection-opt-in", table.dmaProtectionOptIn ? "yes" : "no"],
    ...structures.map((structure): Entry => {
      const number = (numbers.get(structure.kind) ?? 0) + 1;
      numbers.set(structure.kind, number);
      const key = `${structure.kind.toLowerCase()}.${number}`;
      switch (structure.kind) {
        case "RMRR":
          return [key, describeReservedMemory(structure)];
        case "RHSA":
          return [
            key,
            `registers 0x${structure.baseAddress.toString(16)}, proximity domain ${structure.proximityDomain}`,
          ];
        case "ANDD":
          return [key, `device ${structure.deviceNumber}, ${structure.objectName}`];
        default:
          return [
            key,
            joinList([
              `flags ${hex(structure.flags)}`,
              `segment ${structure.segment}`,
              ...(structure.kind === "DRHD" ? [`registers 0x${structure.baseAddress.toString(16)}`] : []),
              ...structure.scopes.map(describeDmarScope),
            ]),
          ];
      }
    }),
  ];
}
