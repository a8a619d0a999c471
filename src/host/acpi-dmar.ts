import {
  type AcpiTable,
  type AcpiTableHeader,
  createTableFindings,
  hex,
  openAcpiTable,
  readAscii,
  type TableBlock,
  type TableFinding,
  type TableFindings,
  walkBlocks,
} from "./acpi-table.ts";

/** Intel's DMA Remapping Reporting table, as the VT-d specification lays it out. */
export interface DmarTable {
  readonly header: AcpiTableHeader;
  readonly checksumValid: boolean;
  /** In bits; the table holds one less. */
  readonly hostAddressWidth: number;
  readonly flags: number;
  readonly interruptRemapping: boolean;
  readonly x2apicOptOut: boolean;
  /** The firmware asks the OS to protect itself against DMA (kernel DMA protection). */
  readonly dmaProtectionOptIn: boolean;
  readonly structures: readonly DmarStructure[];
}

export type DmarStructure =
  | DmarHardwareUnit
  | DmarReservedMemory
  | DmarScopedUnit
  | DmarAffinity
  | DmarAcpiDevice;

/** DRHD: one IOMMU and the devices behind it. */
export interface DmarHardwareUnit {
  readonly kind: "DRHD";
  readonly offset: number;
  readonly flags: number;
  /** It serves all devices of its segment that no other unit names. */
  readonly includeAll: boolean;
  readonly segment: number;
  readonly baseAddress: bigint;
  readonly scopes: readonly DmarScope[];
}

/** RMRR: memory that the named devices are said to need mapped 1:1. */
export interface DmarReservedMemory {
  readonly kind: "RMRR";
  readonly offset: number;
  readonly segment: number;
  readonly start: bigint;
  /** Inclusive. */
  readonly end: bigint;
  readonly scopes: readonly DmarScope[];
}

/** ATSR (root ports with address translation services), SATC and SIDP (devices with special needs of them). */
export interface DmarScopedUnit {
  readonly kind: "ATSR" | "SATC" | "SIDP";
  readonly offset: number;
  /** Not in SIDP, where it is 0. */
  readonly flags: number;
  readonly segment: number;
  readonly scopes: readonly DmarScope[];
}

/** RHSA: which NUMA node an IOMMU belongs to. */
export interface DmarAffinity {
  readonly kind: "RHSA";
  readonly offset: number;
  readonly baseAddress: bigint;
  readonly proximityDomain: number;
}

/** ANDD: a device that ACPI describes and that is not on PCI. */
export interface DmarAcpiDevice {
  readonly kind: "ANDD";
  readonly offset: number;
  readonly deviceNumber: number;
  readonly objectName: string;
}

export type DmarScopeKind = "endpoint" | "bridge" | "ioapic" | "hpet" | "acpi" | "unknown";

/** Names a device by the way to it: a bus, then device and function numbers hop by hop. */
export interface DmarScope {
  readonly offset: number;
  readonly type: number;
  readonly kind: DmarScopeKind;
  readonly enumerationId: number;
  readonly startBus: number;
  readonly path: readonly DmarHop[];
}

export interface DmarHop {
  readonly device: number;
  readonly function: number;
}

/** What came of decoding: the table as far as it is sound, and everything that is not. */
export interface DmarDecoding {
  /** Undefined when the bytes are no such table at all. */
  readonly table: DmarTable | undefined;
  readonly findings: readonly TableFinding[];
}

const FIXED_LENGTH = 48;
const STRUCTURE_HEADER_LENGTH = 4;
const SCOPE_HEADER_LENGTH = 6;
/** By structure type: how many bytes come before the device scopes or the end. */
const FIXED_PARTS = [
  { kind: "DRHD", length: 16 },
  { kind: "RMRR", length: 24 },
  { kind: "ATSR", length: 8 },
  { kind: "RHSA", length: 20 },
  { kind: "ANDD", length: 8 },
  { kind: "SATC", length: 8 },
  { kind: "SIDP", length: 8 },
] as const;
const SCOPE_KINDS: readonly DmarScopeKind[] = ["unknown", "endpoint", "bridge", "ioapic", "hpet", "acpi"];

/** Decodes a DMAR. Never throws; bytes that make no sense become findings. */
export function decodeDmar(bytes: Uint8Array): DmarDecoding {
  const findings = createTableFindings();
  const table = openAcpiTable(bytes, "DMAR", FIXED_LENGTH, findings);
  if (table === undefined) return { table: undefined, findings: findings.list };
  const structures: DmarStructure[] = [];
  for (const block of walkBlocks(table, FIXED_LENGTH, STRUCTURE_HEADER_LENGTH, blockHeader, findings)) {
    const structure = readStructure(table, block, findings);
    if (structure !== undefined) structures.push(structure);
  }
  const flags = table.view.getUint8(37);
  return {
    table: {
      header: table.header,
      checksumValid: table.checksumValid,
      hostAddressWidth: table.view.getUint8(36) + 1,
      flags,
      interruptRemapping: (flags & 1) !== 0,
      x2apicOptOut: (flags & 2) !== 0,
      dmaProtectionOptIn: (flags & 4) !== 0,
      structures,
    },
    findings: findings.list,
  };
}

function blockHeader(view: DataView, offset: number): { type: number; length: number } {
  return { type: view.getUint16(offset, true), length: view.getUint16(offset + 2, true) };
}

function readStructure(
  { view }: AcpiTable,
  { offset, type, length }: TableBlock,
  findings: TableFindings,
): DmarStructure | undefined {
  const part = FIXED_PARTS[type];
  if (part === undefined) {
    findings.add(offset, `structure of unknown type ${hex(type)}, ${length} bytes`);
    return undefined;
  }
  if (length < part.length) {
    findings.add(offset, `${part.kind} has ${length} bytes, it needs ${part.length}`);
    return undefined;
  }
  const scopes = () => readScopes(view, offset + part.length, offset + length, findings);
  switch (part.kind) {
    case "DRHD": {
      const flags = view.getUint8(offset + 4);
      return {
        kind: part.kind,
        offset,
        flags,
        includeAll: (flags & 1) !== 0,
        segment: view.getUint16(offset + 6, true),
        baseAddress: view.getBigUint64(offset + 8, true),
        scopes: scopes(),
      };
    }
    case "RMRR": {
      const start = view.getBigUint64(offset + 8, true);
      const end = view.getBigUint64(offset + 16, true);
      if (end <= start) findings.add(offset, "RMRR names a memory range whose end lies before its start");
      return {
        kind: part.kind,
        offset,
        segment: view.getUint16(offset + 6, true),
        start,
        end,
        scopes: scopes(),
      };
    }
    case "RHSA":
      return {
        kind: part.kind,
        offset,
        baseAddress: view.getBigUint64(offset + 8, true),
        proximityDomain: view.getUint32(offset + 16, true),
      };
    case "ANDD":
      return {
        kind: part.kind,
        offset,
        deviceNumber: view.getUint8(offset + 7),
        objectName: readAscii(view, offset + 8, length - 8),
      };
    default:
      return {
        kind: part.kind,
        offset,
        flags: part.kind === "SIDP" ? 0 : view.getUint8(offset + 4),
        segment: view.getUint16(offset + 6, true),
        scopes: scopes(),
      };
  }
}

function readScopes(
  view: DataView,
  start: number,
  end: number,
  findings: TableFindings,
): readonly DmarScope[] {
  const scopes: DmarScope[] = [];
  for (let offset = start; offset < end; ) {
    const length = end - offset < SCOPE_HEADER_LENGTH ? 0 : view.getUint8(offset + 1);
    if (length < SCOPE_HEADER_LENGTH || length > end - offset) {
      findings.add(offset, "device scope of an impossible length; the rest of the structure is not read");
      break;
    }
    const type = view.getUint8(offset);
    const kind = SCOPE_KINDS[type] ?? "unknown";
    if (kind === "unknown")
      findings.add(offset, `device scope of unknown type ${hex(type)}, ${length} bytes`);
    const path: DmarHop[] = [];
    for (let hop = offset + SCOPE_HEADER_LENGTH; hop + 1 < offset + length; hop += 2) {
      path.push({ device: view.getUint8(hop), function: view.getUint8(hop + 1) });
    }
    if (path.length === 0) findings.add(offset, "device scope without a path to a device");
    scopes.push({
      offset,
      type,
      kind,
      enumerationId: view.getUint8(offset + 4),
      startBus: view.getUint8(offset + 5),
      path,
    });
    offset += length;
  }
  return scopes;
}
