/** Magic numbers of what people pack logs with, and how it is unpacked; gzip and zip are read as they are. */
const PACKED: readonly (readonly [magic: string, what: string])[] = [
  ["fd377a585a00", "xz (unpack it with 'xz -dk')"],
  ["28b52ffd", "zstd (unpack it with 'zstd -dk')"],
  ["425a68", "bzip2 (unpack it with 'bzip2 -dk')"],
  ["04224d18", "lz4 (unpack it with 'lz4 -dk')"],
  ["377abcaf271c", "7-Zip (unpack it with '7z x')"],
];

/** What a file is packed with that is not unpacked here, and what to do about it; undefined for everything else. */
export function packedWith(head: Buffer): string | undefined {
  const digits = head.toString("hex", 0, 8);
  return PACKED.find(([magic]) => digits.startsWith(magic))?.[1];
}

/** Whether bytes are packed with gzip. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Whether bytes are a ZIP archive, or begin like one. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}
