/** The header that all ACPI tables begin with. Texts are ASCII, other bytes shown as dots. */
export interface AcpiTableHeader {
  readonly signature: string;
  readonly length: number;
  readonly revision: number;
  readonly checksum: number;
  readonly oemId: string;
  readonly oemTableId: string;
  readonly oemRevision: number;
  readonly creatorId: string;
  readonly creatorRevision: number;
}

/** Something in a table that is not as it should be, and where. */
export interface TableFinding {
  /** Bytes from the start of the table. */
  readonly offset: number;
  readonly text: string;
}

/** Collects findings up to a bound: a table full of garbage shall not become a list as long as itself. */
export interface TableFindings {
  readonly list: readonly TableFinding[];
  add(offset: number, text: string): void;
}

/** One block or structure inside a table; it lies wholly within the table's bounds. */
export interface TableBlock {
  readonly offset: number;
  readonly type: number;
  readonly length: number;
}

/** An ACPI table whose bounds are known and safe to read between. */
export interface AcpiTable {
  readonly header: AcpiTableHeader;
  /** Little-endian view of the whole table. */
  readonly view: DataView;
  /** First byte after the table; never beyond the bytes that are there. */
  readonly end: number;
  readonly checksumValid: boolean;
}

export const ACPI_HEADER_LENGTH = 36;
const FINDINGS_LIMIT = 50;

/** An empty list of findings. */
export function createTableFindings(): TableFindings {
  const list: TableFinding[] = [];
  return {
    list,
    add(offset, text) {
      if (list.length < FINDINGS_LIMIT) list.push({ offset, text });
      else if (list.length === FINDINGS_LIMIT) list.push({ offset, text: "more findings were left out" });
    },
  };
}

/**
 * Reads the header of the table `signature` and settles its bounds: the smaller of what the header claims and
 * what is there. `fixedLength` is the length of the table's own fixed part, header included. Undefined, with a
 * finding, when not even that is there.
 */
export function openAcpiTable(
  bytes: Uint8Array,
  signature: string,
  fixedLength: number,
  findings: TableFindings,
): AcpiTable | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < fixedLength) {
    findings.add(0, `the table has ${bytes.length} bytes, its fixed part alone needs ${fixedLength}`);
    return undefined;
  }
  const header = readHeader(view);
  if (header.signature !== signature) {
    findings.add(0, `the table is signed ${header.signature}, not ${signature}`);
    return undefined;
  }
  let end = header.length;
  if (header.length < fixedLength) {
    findings.add(4, `the header claims ${header.length} bytes, the fixed part alone needs ${fixedLength}`);
    return undefined;
  }
  if (header.length > bytes.length) {
    findings.add(4, `the header claims ${header.length} bytes, only ${bytes.length} are there`);
    end = bytes.length;
  } else if (header.length < bytes.length) {
    findings.add(header.length, `${bytes.length - header.length} bytes follow the end of the table`);
  }
  let sum = 0;
  for (let offset = 0; offset < end; offset++) sum += view.getUint8(offset);
  const checksumValid = end === header.length && (sum & 0xff) === 0;
  if (!checksumValid) findings.add(9, "the checksum is wrong");
  return { header, view, end, checksumValid };
}

function readHeader(view: DataView): AcpiTableHeader {
  return {
    signature: readAscii(view, 0, 4),
    length: view.getUint32(4, true),
    revision: view.getUint8(8),
    checksum: view.getUint8(9),
    oemId: readAscii(view, 10, 6),
    oemTableId: readAscii(view, 16, 8),
    oemRevision: view.getUint32(24, true),
    creatorId: readAscii(view, 28, 4),
    creatorRevision: view.getUint32(32, true),
  };
}

/**
 * Walks the blocks between `start` and the end of the table. `lengthAt` reads a block's length; one that is
 * shorter than `minimum` or overruns the table ends the walk with a finding, so that every step goes forward.
 */
export function* walkBlocks(
  table: AcpiTable,
  start: number,
  minimum: number,
  headerOf: (view: DataView, offset: number) => { readonly type: number; readonly length: number },
  findings: TableFindings,
): Generator<TableBlock> {
  for (let offset = start; offset < table.end; ) {
    if (table.end - offset < minimum) {
      findings.add(offset, `${table.end - offset} bytes at the end are too few for another block`);
      return;
    }
    const { type, length } = headerOf(table.view, offset);
    if (length < minimum) {
      findings.add(offset, `block of type ${hex(type)} claims a length of ${length}; the rest is not read`);
      return;
    }
    if (length > table.end - offset) {
      findings.add(
        offset,
        `block of type ${hex(type)} claims ${length} bytes, ${table.end - offset} are left; the rest is not read`,
      );
      return;
    }
    yield { offset, type, length };
    offset += length;
  }
}

/** Text of `length` bytes up to the first NUL; what is not printable ASCII becomes a dot. Must lie within bounds. */
export function readAscii(view: DataView, offset: number, length: number): string {
  let text = "";
  for (let index = 0; index < length; index++) {
    const byte = view.getUint8(offset + index);
    if (byte === 0) break;
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".";
  }
  return text.trimEnd();
}

/** Two hexadecimal digits or more and an `h`, as the specifications of these tables write bytes. */
export function hex(value: number): string {
  return `${value.toString(16).padStart(2, "0")}h`;
}
