/** What the bytes cannot mean; thrown by a reader and turned into a value by `decodeXdr`. */
class MalformedXdr extends Error {}

/** Reads XDR (RFC 4506) values one after the other; throws inside `decodeXdr` where the bytes do not hold one. */
export interface XdrReader {
  int(): number;
  unsigned(): number;
  unsignedHyper(): bigint;
  /** Opaque data of a length that both sides know, e.g. 16 for a UUID. */
  fixedOpaque(length: number): Buffer;
  /** Text of at most `largest` bytes; bytes that are no UTF-8 become U+FFFD. */
  string(largest: number): string;
  /** An optional value: absent, or what `item` reads. */
  optional<T>(item: () => T): T | undefined;
  /** A variable-length array of at most `largest` items. */
  array<T>(largest: number, item: () => T): T[];
}

export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string };

/**
 * Decodes `bytes` with `shape`. Every length is checked against its limit and against what is really there before
 * anything is allocated. Bytes after the last value are left alone, as libvirt itself does.
 */
export function decodeXdr<T>(bytes: Buffer, shape: (reader: XdrReader) => T): Decoded<T> {
  try {
    return { ok: true, value: shape(createXdrReader(bytes)) };
  } catch (error) {
    if (error instanceof MalformedXdr) return { ok: false, why: error.message };
    throw error;
  }
}

function createXdrReader(bytes: Buffer): XdrReader {
  let position = 0;

  const take = (length: number): number => {
    const start = position;
    if (length > bytes.length - start) {
      throw new MalformedXdr(`${length} bytes wanted at offset ${start}, ${bytes.length - start} are there`);
    }
    position += length;
    return start;
  };
  const opaque = (length: number): Buffer => {
    const start = take(length);
    take(paddingOf(length));
    return bytes.subarray(start, start + length);
  };
  const count = (largest: number, what: string): number => {
    const length = bytes.readUInt32BE(take(4));
    if (length > largest) throw new MalformedXdr(`${what} of ${length}, at most ${largest} are allowed`);
    return length;
  };

  return {
    int: () => bytes.readInt32BE(take(4)),
    unsigned: () => bytes.readUInt32BE(take(4)),
    unsignedHyper: () => bytes.readBigUInt64BE(take(8)),
    fixedOpaque: opaque,
    string: (largest) => opaque(count(largest, "string")).toString("utf8"),
    optional(item) {
      const present = bytes.readUInt32BE(take(4));
      if (present > 1) throw new MalformedXdr(`an optional value is marked ${present} instead of 0 or 1`);
      return present === 1 ? item() : undefined;
    },
    array(largest, item) {
      const length = count(largest, "array");
      const items = [];
      for (let index = 0; index < length; index += 1) items.push(item());
      return items;
    },
  };
}

/** Writes XDR values one after the other. */
export interface XdrWriter {
  int(value: number): XdrWriter;
  unsigned(value: number): XdrWriter;
  unsignedHyper(value: bigint): XdrWriter;
  fixedOpaque(value: Uint8Array): XdrWriter;
  string(value: string): XdrWriter;
  /** Writes absence, or presence and what `item` writes. */
  optional<T>(value: T | undefined, item: (value: T) => void): XdrWriter;
  array<T>(values: readonly T[], item: (value: T) => void): XdrWriter;
  bytes(): Buffer;
}

/** Makes an empty writer. */
export function createXdrWriter(): XdrWriter {
  const parts: Buffer[] = [];
  const fixedOpaque = (value: Uint8Array): void => {
    parts.push(Buffer.from(value), Buffer.alloc(paddingOf(value.length)));
  };
  const writer: XdrWriter = {
    int(value) {
      const part = Buffer.alloc(4);
      part.writeInt32BE(value);
      parts.push(part);
      return writer;
    },
    unsigned(value) {
      const part = Buffer.alloc(4);
      part.writeUInt32BE(value);
      parts.push(part);
      return writer;
    },
    unsignedHyper(value) {
      const part = Buffer.alloc(8);
      part.writeBigUInt64BE(value);
      parts.push(part);
      return writer;
    },
    fixedOpaque(value) {
      fixedOpaque(value);
      return writer;
    },
    string(value) {
      const text = Buffer.from(value, "utf8");
      writer.unsigned(text.length);
      fixedOpaque(text);
      return writer;
    },
    optional(value, item) {
      writer.unsigned(value === undefined ? 0 : 1);
      if (value !== undefined) item(value);
      return writer;
    },
    array(values, item) {
      writer.unsigned(values.length);
      for (const value of values) item(value);
      return writer;
    },
    bytes: () => Buffer.concat(parts),
  };
  return writer;
}

/** XDR fills every item up to a multiple of four bytes. */
function paddingOf(length: number): number {
  return (4 - (length % 4)) % 4;
}
