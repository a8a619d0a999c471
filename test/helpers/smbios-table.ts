/** A structure of an SMBIOS table with its strings. */
export function smbiosStructure(type: number, length: number, strings: readonly string[]): Uint8Array {
  const fixed = Buffer.alloc(length);
  fixed.writeUInt8(type, 0);
  fixed.writeUInt8(length, 1);
  const ends = strings.length === 0 ? "\0\0" : `${strings.join("\0")}\0\0`;
  return Buffer.concat([fixed, Buffer.from(ends, "latin1")]);
}

/** The table as sysfs shows it in /sys/firmware/dmi/tables/DMI. */
export function smbiosTable(structures: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(structures);
}
