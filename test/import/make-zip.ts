import { crc32, deflateRawSync } from "node:zlib";

/** A file to be packed; strings are UTF-8. */
export interface ZipFile {
  readonly name: string;
  readonly content: string | Buffer;
  /** Changes to the headers, for archives that lie. */
  readonly lie?: {
    readonly size?: number;
    readonly compressedSize?: number;
    readonly flags?: number;
    readonly method?: number;
    /** The listing points to the data of the first file. */
    readonly dataOfFirst?: boolean;
  };
}

/** Packs files as Info-ZIP's `zip` does: local headers with sizes, then the list. */
export function makeZip(files: readonly ZipFile[]): Buffer {
  const parts: Buffer[] = [];
  const list: Buffer[] = [];
  let offset = 0;
  for (const { name, content, lie } of files) {
    const bytes = Buffer.from(content as string);
    const packed = deflateRawSync(bytes);
    const nameBytes = Buffer.from(name);
    const fields = {
      flags: lie?.flags ?? 0x0800,
      method: lie?.method ?? 8,
      checksum: crc32(bytes),
      compressedSize: lie?.compressedSize ?? packed.length,
      size: lie?.size ?? bytes.length,
    };
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(20, 4);
    writeCommon(local, 6, fields, nameBytes.length);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(0x031e, 4);
    central.writeUInt16LE(20, 6);
    writeCommon(central, 8, fields, nameBytes.length);
    central.writeUInt32LE(lie?.dataOfFirst === true ? 0 : offset, 42);
    parts.push(local, nameBytes, packed);
    list.push(central, nameBytes);
    offset += local.length + nameBytes.length + packed.length;
  }
  const listing = Buffer.concat(list);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, listing, end]);
}

function writeCommon(
  header: Buffer,
  at: number,
  fields: { flags: number; method: number; checksum: number; compressedSize: number; size: number },
  nameLength: number,
): void {
  header.writeUInt16LE(fields.flags, at);
  header.writeUInt16LE(fields.method, at + 2);
  header.writeUInt32LE(fields.checksum, at + 8);
  header.writeUInt32LE(fields.compressedSize, at + 12);
  header.writeUInt32LE(fields.size, at + 16);
  header.writeUInt16LE(nameLength, at + 20);
}
