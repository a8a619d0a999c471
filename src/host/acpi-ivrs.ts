import { type IvrsDeviceEntry, readIvrsDeviceEntries } from "./acpi-ivrs-entries.ts";
import {
  ACPI_HEADER_LENGTH,
  type AcpiTable,
  type AcpiTableHeader,
  createTableFindings,
  hex,
  openAcpiTable,
  type TableBlock,
  type TableFinding,
  type TableFindings,
  walkBlocks,
} from "./acpi-table.ts";

/** AMD's I/O Virtualization Reporting Structure, as AMD's specification 48882 lays it out. */
export interface IvrsTable {
  readonly header: AcpiTableHeader;
  readonly checksumValid: boolean;
  readonly info: IvrsInfo;
  readonly hardwareUnits: readonly IvrsHardwareUnit[];
  readonly memoryDefinitions: readonly IvrsMemoryDefinition[];
}

/** IVinfo: what holds for all IOMMUs of the system. */
export interface IvrsInfo {
  readonly raw: number;
  /** The blocks carry an image of the extended feature register. */
  readonly extendedFeatures: boolean;
  /** The firmware ran the IOMMU before it handed over (pre-boot DMA protection). */
  readonly preBootDmaProtection: boolean;
  /** Two bits of encoding, as they stand. */
  readonly guestVirtualAddressSize: number;
  /** In bits. */
  readonly physicalAddressSize: number;
  readonly virtualAddressSize: number;
}

/** IVHD: one IOMMU, and which devices are behind it. The same IOMMU usually has one of each type. */
export interface IvrsHardwareUnit {
  readonly offset: number;
  /** 10h, 11h or 40h. */
  readonly type: number;
  readonly flags: number;
  readonly length: number;
  /** Requester id of the IOMMU itself. */
  readonly deviceId: number;
  readonly capabilityOffset: number;
  readonly baseAddress: bigint;
  readonly segment: number;
  readonly info: number;
  /** Feature reporting (10h) or attributes (11h, 40h). */
  readonly features: number;
  /** Images of the extended feature registers; not in 10h. */
  readonly extendedFeatures?: bigint;
  readonly extendedFeatures2?: bigint;
  readonly entries: readonly IvrsDeviceEntry[];
}

/** IVMD: memory that some devices are said to need mapped 1:1. */
export interface IvrsMemoryDefinition {
  readonly offset: number;
  /** 20h all devices, 21h one, 22h a range. */
  readonly type: 0x20 | 0x21 | 0x22;
  readonly flags: number;
  /** 21h: the device, 22h: the first one; without meaning for 20h. */
  readonly deviceId: number;
  /** 22h: the last device of the range, inclusive. */
  readonly auxiliary: number;
  readonly segment: number;
  readonly start: bigint;
  /** In bytes; 0 has been seen. */
  readonly length: bigint;
}

/** What came of decoding: the table as far as it is sound, and everything that is not. */
export interface IvrsDecoding {
  /** Undefined when the bytes are no such table at all. */
  readonly table: IvrsTable | undefined;
  readonly findings: readonly TableFinding[];
}

export const IVMD_UNITY = 0x01;
export const IVMD_EXCLUSION = 0x08;

const FIXED_LENGTH = 48;
const BLOCK_HEADER_LENGTH = 4;
const IVMD_LENGTH = 32;
const IVHD_HEADER_LENGTHS: ReadonlyMap<number, number> = new Map([
  [0x10, 24],
  [0x11, 40],
  [0x40, 40],
]);

/** Decodes an IVRS. Never throws; bytes that make no sense become findings. */
export function decodeIvrs(bytes: Uint8Array): IvrsDecoding {
  const findings = createTableFindings();
  const table = openAcpiTable(bytes, "IVRS", FIXED_LENGTH, findings);
  if (table === undefined) return { table: undefined, findings: findings.list };
  const hardwareUnits: IvrsHardwareUnit[] = [];
  const memoryDefinitions: IvrsMemoryDefinition[] = [];
  for (const block of walkBlocks(table, FIXED_LENGTH, BLOCK_HEADER_LENGTH, blockHeader, findings)) {
    const headerLength = IVHD_HEADER_LENGTHS.get(block.type);
    if (headerLength !== undefined) {
      const unit = readHardwareUnit(table, block, headerLength, findings);
      if (unit !== undefined) hardwareUnits.push(unit);
    } else if (block.type === 0x20 || block.type === 0x21 || block.type === 0x22) {
      const definition = readMemoryDefinition(table.view, block, block.type, findings);
      if (definition !== undefined) memoryDefinitions.push(definition);
    } else {
      findings.add(block.offset, `block of unknown type ${hex(block.type)}, ${block.length} bytes`);
    }
  }
  return {
    table: {
      header: table.header,
      checksumValid: table.checksumValid,
      info: readInfo(table.view.getUint32(ACPI_HEADER_LENGTH, true)),
      hardwareUnits,
      memoryDefinitions,
    },
    findings: findings.list,
  };
}

function blockHeader(view: DataView, offset: number): { type: number; length: number } {
  return { type: view.getUint8(offset), length: view.getUint16(offset + 2, true) };
}

function readInfo(raw: number): IvrsInfo {
  return {
    raw,
    extendedFeatures: (raw & 1) !== 0,
    preBootDmaProtection: (raw & 2) !== 0,
    guestVirtualAddressSize: (raw >>> 5) & 0x7,
    physicalAddressSize: (raw >>> 8) & 0x7f,
    virtualAddressSize: (raw >>> 15) & 0x7f,
  };
}

function readHardwareUnit(
  { view }: AcpiTable,
  { offset, type, length }: TableBlock,
  headerLength: number,
  findings: TableFindings,
): IvrsHardwareUnit | undefined {
  if (length < headerLength) {
    findings.add(offset, `IVHD of type ${hex(type)} has ${length} bytes, its header needs ${headerLength}`);
    return undefined;
  }
  return {
    offset,
    type,
    flags: view.getUint8(offset + 1),
    length,
    deviceId: view.getUint16(offset + 4, true),
    capabilityOffset: view.getUint16(offset + 6, true),
    baseAddress: view.getBigUint64(offset + 8, true),
    segment: view.getUint16(offset + 16, true),
    info: view.getUint16(offset + 18, true),
    features: view.getUint32(offset + 20, true),
    ...(type === 0x10
      ? {}
      : {
          extendedFeatures: view.getBigUint64(offset + 24, true),
          extendedFeatures2: view.getBigUint64(offset + 32, true),
        }),
    entries: readIvrsDeviceEntries(view, offset + headerLength, offset + length, findings),
  };
}

function readMemoryDefinition(
  view: DataView,
  { offset, length }: TableBlock,
  type: 0x20 | 0x21 | 0x22,
  findings: TableFindings,
): IvrsMemoryDefinition | undefined {
  if (length < IVMD_LENGTH) {
    findings.add(offset, `IVMD of type ${hex(type)} has ${length} bytes, it needs ${IVMD_LENGTH}`);
    return undefined;
  }
  const definition: IvrsMemoryDefinition = {
    offset,
    type,
    flags: view.getUint8(offset + 1),
    deviceId: view.getUint16(offset + 4, true),
    auxiliary: view.getUint16(offset + 6, true),
    // Older editions of the specification have reserved zeroes here, which is the same as segment 0.
    segment: view.getUint16(offset + 8, true),
    start: view.getBigUint64(offset + 16, true),
    length: view.getBigUint64(offset + 24, true),
  };
  if (type === 0x22 && definition.auxiliary < definition.deviceId) {
    findings.add(offset, "IVMD of type 22h names a range of devices whose end lies before its start");
  }
  if (definition.length === 0n) {
    findings.add(offset, "IVMD names a memory range of no length; Linux takes it for a demand all the same");
  }
  return definition;
}
