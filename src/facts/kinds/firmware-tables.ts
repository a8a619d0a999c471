import type { DmarTable } from "../../host/acpi-dmar.ts";
import type { IvrsTable } from "../../host/acpi-ivrs.ts";
import { hex, type TableFinding } from "../../host/acpi-table.ts";
import type { FoundTable } from "../../host/firmware-tables.ts";
import {
  describeDmarScope,
  describeMemoryDefinition,
  describeReservedMemory,
  formatDeviceId,
} from "../../host/firmware-wording.ts";
import { mapReading, type Reading } from "../../model/reading.ts";
import { valueText } from "../fact-value.ts";
import {
  type FactForm,
  type FactKind,
  form,
  is,
  isAbsent,
  isThere,
  type SaidChange,
  type Tell,
} from "../kind.ts";

const TABLE = "{table:IVRS|DMAR}";

const entry = (list: string, what: string, breaks?: FactForm["breaks"]): FactForm => ({
  key: `firmware-tables.${TABLE}.{list:${list}}.{number}`,
  label: "{table} {list} {number}",
  importance: what === "" ? 5 : 0,
  shown: "firmware-tables",
  ...(what === "" ? {} : { say: (change) => saidEntry(change, what) }),
  ...(breaks === undefined ? {} : { breaks }),
});
const flag = (name: string, label: string): FactForm => ({
  key: `firmware-tables.DMAR.${name}`,
  type: "flag",
  label,
  importance: 5,
  shown: "firmware-tables",
});

/**
 * The firmware's tables about the IOMMU (`firmware-tables.IVRS.ivmd.1`). Entries are numbered in the order in which
 * they stand in the table, so that an update that moves a range shows as one change of one entry.
 */
export const FIRMWARE_TABLES: FactKind = {
  group: "firmware-tables",
  root: "firmware-tables",
  thing: `firmware-tables.${TABLE}`,
  whole: (name, came) => `Firmware table ${name} is ${came ? "there now" : "no longer there"}`,
  describedBy: "sha256",
  odds: "firmware-other",
  role: { follows: ["BIOS", "BIOS setting", "mainboard"] },
  forms: [
    form("firmware-tables.list", "Firmware tables", 4, { type: "list", ordered: true }),
    form(`firmware-tables.${TABLE}`, "Firmware table {table}", 2, {
      breaks: { "iommu-not-enabled": isAbsent },
    }),
    form("firmware-tables.IVRS.pre-boot-dma-protection", "Pre-boot DMA protection in IVRS", 1, {
      shown: "firmware-tables",
    }),
    form("firmware-tables.DMAR.interrupt-remapping", "Interrupt remapping in DMAR", 5, {
      breaks: { "interrupt-remapping-missing": is("not offered") },
      shown: "firmware-tables",
    }),
    entry("ivmd|rmrr", "a 1:1 demand", { "iommu-direct-mapping-required": isThere }),
    // As the subject of a question sums up the entries on its devices.
    form(`firmware-tables.${TABLE}.{list:ivmd|rmrr}`, "{table} {list} on the devices", 0, {
      odds: "firmware-demand",
      breaks: { "iommu-direct-mapping-required": isThere },
    }),
    entry("finding", "a fault"),
    entry("[a-z]+", ""),
    flag("x2apic-opt-out", "x2APIC opt-out in DMAR"),
    flag("dma-protection-opt-in", "DMA protection opt-in in DMAR"),
    form(`firmware-tables.${TABLE}.sha256`, "Content of the firmware table {table} (hash)", 8, {
      shown: "firmware-tables",
    }),
    form(`firmware-tables.${TABLE}.{name}`, "{table} {name}", 5, { shown: "firmware-tables" }),
  ],
  collect({ tables }, tell) {
    if (tables.state !== "read") return tell("firmware-tables", tables);
    tell("firmware-tables.list", mapReading(tables.value.names, countedNames));
    tellTable(tell, "IVRS", tables.value.ivrs, tellIvrs);
    tellTable(tell, "DMAR", tables.value.dmar, tellDmar);
  },
};

/** Which tables there are, those of one name counted: settings of the firmware make tables come and go. */
function countedNames(names: readonly string[]): readonly string[] {
  // `data` and `dynamic` are directories; the kernel numbers tables of the same signature.
  const signatures = names.flatMap((name) => /^([A-Z0-9_!]{4})\d*$/.exec(name)?.[1] ?? []).sort();
  return [...Map.groupBy(signatures, (signature) => signature)].map(([signature, { length }]) =>
    length === 1 ? signature : `${length} ${signature}`,
  );
}

function tellTable<Table>(
  tell: Tell,
  signature: string,
  table: Reading<
    FoundTable<{ readonly table: Table | undefined; readonly findings: readonly TableFinding[] }>
  >,
  tellIt: (table: Table, tell: Tell) => void,
): void {
  const key = `firmware-tables.${signature}`;
  if (table.state !== "read") {
    tell(key, table);
    return;
  }
  const { hash, decoding } = table.value;
  tell(`${key}.sha256`, hash);
  if (decoding.table !== undefined) tellIt(decoding.table, (name, what) => tell(`${key}.${name}`, what));
  for (const [index, { offset, text }] of decoding.findings.entries())
    tell(`${key}.finding.${index + 1}`, `at byte ${offset}: ${text}`);
}

function tellIvrs({ header, info, hardwareUnits, memoryDefinitions }: IvrsTable, tell: Tell): void {
  tell("oem-revision", String(header.oemRevision));
  tell("info", `0x${info.raw.toString(16).padStart(8, "0")}`);
  tell("pre-boot-dma-protection", info.preBootDmaProtection ? "on" : "off");
  for (const [index, unit] of hardwareUnits.entries()) {
    const words = [
      `type ${hex(unit.type)}`,
      `flags ${hex(unit.flags)}`,
      `IOMMU ${formatDeviceId(unit.segment, unit.deviceId)}`,
      `registers 0x${unit.baseAddress.toString(16)}`,
      `${unit.type === 0x10 ? "features" : "attributes"} 0x${unit.features.toString(16)}`,
      ...(unit.extendedFeatures === undefined ? [] : [`EFR 0x${unit.extendedFeatures.toString(16)}`]),
      ...(unit.extendedFeatures2 === undefined ? [] : [`EFR2 0x${unit.extendedFeatures2.toString(16)}`]),
      `${unit.entries.length} device entries`,
    ];
    tell(`ivhd.${index + 1}`, words.join(", "));
  }
  for (const [index, definition] of memoryDefinitions.entries())
    tell(`ivmd.${index + 1}`, describeMemoryDefinition(definition));
}

function tellDmar({ header, hostAddressWidth, flags, structures, ...table }: DmarTable, tell: Tell): void {
  tell("oem-revision", String(header.oemRevision));
  tell("host-address-width", String(hostAddressWidth));
  tell("flags", hex(flags));
  tell("interrupt-remapping", table.interruptRemapping ? "offered" : "not offered");
  tell("x2apic-opt-out", table.x2apicOptOut);
  tell("dma-protection-opt-in", table.dmaProtectionOptIn);
  const numbers = new Map<string, number>();
  for (const structure of structures) {
    const number = (numbers.get(structure.kind) ?? 0) + 1;
    numbers.set(structure.kind, number);
    tell(`${structure.kind.toLowerCase()}.${number}`, describeStructure(structure));
  }
}

function describeStructure(structure: DmarTable["structures"][number]): string {
  switch (structure.kind) {
    case "RMRR":
      return describeReservedMemory(structure);
    case "RHSA":
      return `registers 0x${structure.baseAddress.toString(16)}, proximity domain ${structure.proximityDomain}`;
    case "ANDD":
      return `device ${structure.deviceNumber}, ${structure.objectName}`;
    default:
      return [
        `flags ${hex(structure.flags)}`,
        `segment ${structure.segment}`,
        ...(structure.kind === "DRHD" ? [`registers 0x${structure.baseAddress.toString(16)}`] : []),
        ...structure.scopes.map(describeDmarScope),
      ].join(", ");
  }
}

function saidEntry({ parts, before, after }: SaidChange, what: string): string {
  if (before.state !== "value") return `${parts.table} now contains ${what}: ${valueText(after)}`;
  if (after.state !== "value") return `${parts.table} no longer contains ${what}: ${valueText(before)}`;
  return `${parts.table} contains ${what} that changed: ${valueText(before)} → ${valueText(after)}`;
}
