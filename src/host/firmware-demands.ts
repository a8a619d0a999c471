import type { FirmwareDemand } from "../model/host-state.ts";
import type { Bdf } from "../model/identifiers.ts";
import { absent, type Reading, read } from "../model/reading.ts";
import type { DmarReservedMemory, DmarTable } from "./acpi-dmar.ts";
import { IVMD_EXCLUSION, IVMD_UNITY, type IvrsMemoryDefinition, type IvrsTable } from "./acpi-ivrs.ts";
import { highestDeviceId, type IvrsAcpiEntry } from "./acpi-ivrs-entries.ts";
import type { FirmwareTables } from "./firmware-tables.ts";
import {
  describeDefinedMemory,
  describeMemoryDefinition,
  describeMemoryRange,
  describeReservedMemory,
} from "./firmware-wording.ts";
import { isDisplay, isIommu, isUsbController } from "./pci-classes.ts";
import type { PciFunction, PciFunctions } from "./pci-devices.ts";
import { addressOf, createPciTopology, deviceIdOf, followPath, type PciTopology } from "./pci-topology.ts";

/** How much of the host an entry is about: a sound request is about one device, a blanket one about all. */
export type DemandCoverage = "no-device-here" | "one-device" | "several-devices" | "nearly-everything";

/** A demand with what the tables say beyond the model's view of it. */
export interface TableDemand extends FirmwareDemand {
  /** The memory as the entry names it, e.g. `memory 0x7fff0000-0x7fff7fff`. */
  readonly memory: string;
  readonly coverage: DemandCoverage;
  /** PCI functions of the host that could have been covered. */
  readonly outOf: number;
  /** Hardware ids of devices that are not on PCI, e.g. `MSFT0201`. */
  readonly acpiDevices: readonly string[];
}

/**
 * Which entries of the firmware's tables make Linux demand a 1:1 mapping, and for which devices of this host. No
 * table, no demand. Unreadable as soon as one of the tables or the list of devices is, because a demand that is not
 * seen would read as "the firmware is fine". Absent: the host shows no ACPI tables at all.
 */
export function readFirmwareDemands(
  tables: FirmwareTables,
  devices: Reading<PciFunctions>,
): Reading<readonly TableDemand[]> {
  if (tables.names.state === "absent") return absent;
  if (tables.ivrs.state === "unreadable") return tables.ivrs;
  if (tables.dmar.state === "unreadable") return tables.dmar;
  if (devices.state === "unreadable") return devices;
  const topology = createPciTopology(devices.state === "read" ? devices.value : new Map());
  const ivrs = tables.ivrs.state === "read" ? tables.ivrs.value.decoding.table : undefined;
  const dmar = tables.dmar.state === "read" ? tables.dmar.value.decoding.table : undefined;
  return read([
    ...(ivrs === undefined ? [] : ivrsDemands(ivrs, topology)),
    ...(dmar === undefined ? [] : dmarDemands(dmar, topology)),
  ]);
}

/**
 * Demands of an IVRS. Linux makes a direct mapping of every IVMD with the unity or the exclusion flag, read and
 * write whatever the other flags say, and knows no relaxable ones on AMD (init_unity_map_range and
 * amd_iommu_get_resv_regions in drivers/iommu/amd). A table whose checksum is wrong is not used at all.
 */
export function ivrsDemands(table: IvrsTable, topology: PciTopology): readonly TableDemand[] {
  if (!table.checksumValid) return [];
  const functions = [...topology.devices.values()].filter((device) => !isIommu(device.classCode));
  const demands: TableDemand[] = [];
  for (const definition of table.memoryDefinitions) {
    if ((definition.flags & (IVMD_UNITY | IVMD_EXCLUSION)) === 0) continue;
    const [first, last] = deviceRange(definition, table);
    const isCovered = (segment: number, id: number) =>
      segment === definition.segment && id >= first && id <= last;
    const covered = functions.filter(({ bdf }) => {
      const address = addressOf(bdf);
      return isCovered(address.segment, deviceIdOf(address));
    });
    const acpiDevices = table.hardwareUnits.flatMap(({ segment, entries }) =>
      entries
        .filter(
          (entry): entry is IvrsAcpiEntry => entry.kind === "acpi" && isCovered(segment, entry.deviceId),
        )
        .map((entry) => entry.hardwareId),
    );
    demands.push({
      table: "IVRS",
      description: describeMemoryDefinition(definition),
      strength: "hard",
      devices: covered.map(({ bdf }) => bdf),
      memory: describeDefinedMemory(definition),
      coverage: coverageOf(covered, functions.length),
      outOf: functions.length,
      // Blocks of several types describe the same IOMMU, and each names the device.
      acpiDevices: [...new Set(acpiDevices)],
    });
  }
  return demands;
}

/** First and last requester id that a definition covers; the kernel compares a device's own, not its alias. */
function deviceRange(definition: IvrsMemoryDefinition, table: IvrsTable): readonly [number, number] {
  switch (definition.type) {
    case 0x20: {
      const ids = table.hardwareUnits
        .filter(({ segment }) => segment === definition.segment)
        .map(({ entries }) => highestDeviceId(entries) ?? -1);
      return [0, Math.max(-1, ...ids)];
    }
    case 0x21:
      return [definition.deviceId, definition.deviceId];
    case 0x22:
      return [definition.deviceId, definition.auxiliary];
  }
}

/**
 * Demands of a DMAR: every RMRR, for the devices that its scopes name and for all behind a bridge that they name.
 * Linux lets go of those on displays and USB controllers (device_rmrr_is_relaxable in drivers/iommu/intel), so an
 * entry that covers both kinds gives two demands.
 */
export function dmarDemands(table: DmarTable, topology: PciTopology): readonly TableDemand[] {
  const names = new Map<number, string>();
  for (const structure of table.structures) {
    if (structure.kind === "ANDD") names.set(structure.deviceNumber, structure.objectName);
  }
  const outOf = topology.devices.size;
  return table.structures.flatMap((structure): readonly TableDemand[] => {
    if (structure.kind !== "RMRR") return [];
    const covered = coveredByScopes(structure, topology);
    const relaxable = covered.filter(isRelaxable);
    const hard = covered.filter((device) => !isRelaxable(device));
    const demand = (strength: FirmwareDemand["strength"], devices: readonly PciFunction[]): TableDemand => ({
      table: "DMAR",
      description: describeReservedMemory(structure),
      strength,
      devices: devices.map(({ bdf }) => bdf),
      memory: describeMemoryRange(structure),
      coverage: coverageOf(covered, outOf),
      outOf,
      acpiDevices: structure.scopes
        .filter(({ kind }) => kind === "acpi")
        .map(({ enumerationId }) => names.get(enumerationId) ?? `ACPI device ${enumerationId}`),
    });
    return [
      // An entry for devices that are not here still says what the firmware would demand.
      ...(hard.length > 0 || relaxable.length === 0 ? [demand("hard", hard)] : []),
      ...(relaxable.length > 0 ? [demand("relaxable", relaxable)] : []),
    ];
  });
}

function isRelaxable({ classCode }: PciFunction): boolean {
  return isDisplay(classCode) || isUsbController(classCode);
}

function coveredByScopes({ segment, scopes }: DmarReservedMemory, topology: PciTopology): PciFunction[] {
  const covered = new Map<Bdf, PciFunction>();
  for (const scope of scopes) {
    if (scope.kind !== "endpoint" && scope.kind !== "bridge") continue;
    const found = followPath(topology, segment, scope.startBus, scope.path);
    if (found === undefined) continue;
    const leadsOn = found.secondaryBus !== undefined;
    // Linux ignores an endpoint scope that leads to a bridge (dmar_insert_dev_scope).
    if (scope.kind === "endpoint" && leadsOn) continue;
    covered.set(found.bdf, found);
    if (!leadsOn) continue;
    for (const device of topology.devices.values()) {
      if (topology.isBehind(device.bdf, found)) covered.set(device.bdf, device);
    }
  }
  return [...covered.values()].sort((a, b) => (a.bdf < b.bdf ? -1 : 1));
}

function coverageOf(covered: readonly PciFunction[], outOf: number): DemandCoverage {
  if (covered.length === 0) return "no-device-here";
  const slots = new Set(covered.map(({ bdf }) => bdf.slice(0, bdf.lastIndexOf("."))));
  if (slots.size === 1) return "one-device";
  return covered.length * 2 > outOf ? "nearly-everything" : "several-devices";
}
