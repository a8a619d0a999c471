import { hex, readAscii, type TableFindings } from "./acpi-table.ts";

/** One device entry of an IVHD. `data` is the entry's settings byte. */
export type IvrsDeviceEntry =
  | IvrsPlainEntry
  | IvrsAliasEntry
  | IvrsExtendedEntry
  | IvrsSpecialEntry
  | IvrsAcpiEntry;

interface EntryBase {
  readonly offset: number;
  readonly type: number;
  readonly deviceId: number;
  readonly data: number;
}

/** 01h all devices, 02h one, 03h start and 04h end of a range, 00h padding; and types that nobody knows. */
export interface IvrsPlainEntry extends EntryBase {
  readonly kind: "padding" | "all" | "select" | "range-start" | "range-end" | "unknown";
}

/** 42h and 43h: the device uses another one's requester id. */
export interface IvrsAliasEntry extends EntryBase {
  readonly kind: "alias-select" | "alias-range-start";
  readonly sourceDeviceId: number;
}

/** 46h and 47h. */
export interface IvrsExtendedEntry extends EntryBase {
  readonly kind: "extended-select" | "extended-range-start";
  readonly extended: number;
}

/** 48h: an interrupt controller or timer and the requester id that it uses. */
export interface IvrsSpecialEntry extends EntryBase {
  readonly kind: "special";
  readonly handle: number;
  readonly sourceDeviceId: number;
  /** 1 I/O APIC, 2 HPET. */
  readonly variety: number;
}

/** F0h: a device that ACPI describes and that is not on PCI; it uses `deviceId` as its requester id. */
export interface IvrsAcpiEntry extends EntryBase {
  readonly kind: "acpi";
  readonly hardwareId: string;
  readonly compatibleId: string;
  /** 0 none, 1 integer, 2 text. */
  readonly uidFormat: number;
  /** The text, or the integer in decimal. */
  readonly uid?: string;
}

const ACPI_ENTRY = 0xf0;
const ACPI_ENTRY_LENGTH = 22;

const PLAIN: ReadonlyMap<number, IvrsPlainEntry["kind"]> = new Map([
  [0x00, "padding"],
  [0x01, "all"],
  [0x02, "select"],
  [0x03, "range-start"],
  [0x04, "range-end"],
]);

/** Reads the device entries between two offsets that lie within the view. */
export function readIvrsDeviceEntries(
  view: DataView,
  start: number,
  end: number,
  findings: TableFindings,
): readonly IvrsDeviceEntry[] {
  const entries: IvrsDeviceEntry[] = [];
  let openRange: number | undefined;
  for (let offset = start; offset < end; ) {
    const type = view.getUint8(offset);
    const length = entryLength(view, offset, end, type);
    if (length === undefined || length > end - offset) {
      findings.add(
        offset,
        length === undefined
          ? `device entry of type ${hex(type)} has no known length; the rest of the block is not read`
          : `device entry of type ${hex(type)} needs ${length} bytes, ${end - offset} are left in its block`,
      );
      break;
    }
    const entry = readEntry(view, offset, type, length);
    if (entry.kind === "unknown")
      findings.add(offset, `device entry of unknown type ${hex(type)}, ${length} bytes`);
    if (entry.kind.endsWith("range-start")) {
      if (openRange !== undefined) findings.add(openRange, "range of devices without an end");
      openRange = offset;
    } else if (entry.kind === "range-end") {
      if (openRange === undefined) findings.add(offset, "end of a range of devices that did not start");
      openRange = undefined;
    }
    entries.push(entry);
    offset += length;
  }
  if (openRange !== undefined) findings.add(openRange, "range of devices without an end");
  return entries;
}

/** The two upper bits of a type tell the length, except for the one entry of variable length. */
function entryLength(view: DataView, offset: number, end: number, type: number): number | undefined {
  if (type < 0x80) return 4 << (type >> 6);
  if (type !== ACPI_ENTRY) return undefined;
  return end - offset < ACPI_ENTRY_LENGTH
    ? ACPI_ENTRY_LENGTH
    : ACPI_ENTRY_LENGTH + view.getUint8(offset + 21);
}

function readEntry(view: DataView, offset: number, type: number, length: number): IvrsDeviceEntry {
  const base = {
    offset,
    type,
    deviceId: view.getUint16(offset + 1, true),
    data: view.getUint8(offset + 3),
  };
  switch (type) {
    case 0x42:
    case 0x43:
      return {
        ...base,
        kind: type === 0x42 ? "alias-select" : "alias-range-start",
        sourceDeviceId: view.getUint16(offset + 5, true),
      };
    case 0x46:
    case 0x47:
      return {
        ...base,
        kind: type === 0x46 ? "extended-select" : "extended-range-start",
        extended: view.getUint32(offset + 4, true),
      };
    case 0x48:
      return {
        ...base,
        kind: "special",
        handle: view.getUint8(offset + 4),
        sourceDeviceId: view.getUint16(offset + 5, true),
        variety: view.getUint8(offset + 7),
      };
    case ACPI_ENTRY: {
      const uidFormat = view.getUint8(offset + 20);
      const uid = readUid(view, offset + ACPI_ENTRY_LENGTH, length - ACPI_ENTRY_LENGTH, uidFormat);
      return {
        ...base,
        kind: "acpi",
        hardwareId: readAscii(view, offset + 4, 8),
        compatibleId: readAscii(view, offset + 12, 8),
        uidFormat,
        ...(uid === undefined ? {} : { uid }),
      };
    }
    default:
      return { ...base, kind: PLAIN.get(type) ?? "unknown" };
  }
}

function readUid(view: DataView, offset: number, length: number, format: number): string | undefined {
  if (format === 2) return readAscii(view, offset, length);
  if (format === 1 && length === 8) return view.getBigUint64(offset, true).toString();
  return undefined;
}

/**
 * The highest requester id that the entries mention; 0xffff for an entry that stands for all devices. Undefined
 * without entries.
 */
export function highestDeviceId(entries: readonly IvrsDeviceEntry[]): number | undefined {
  let highest: number | undefined;
  for (const entry of entries) {
    if (entry.kind === "padding" || entry.kind === "unknown" || entry.kind === "special") continue;
    const id = entry.kind === "all" ? 0xffff : entry.deviceId;
    if (highest === undefined || id > highest) highest = id;
  }
  return highest;
}
