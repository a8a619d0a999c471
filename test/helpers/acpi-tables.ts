/** Little-endian bytes: `u16(0x0101)` and so on; pieces are joined by `block` and `acpiTable`. */
export function little(value: number | bigint, bytes: number): readonly number[] {
  return Array.from({ length: bytes }, (_, index) => Number((BigInt(value) >> BigInt(8 * index)) & 0xffn));
}

export const u16 = (value: number) => little(value, 2);
export const u32 = (value: number) => little(value, 4);
export const u64 = (value: number | bigint) => little(value, 8);

/** ASCII, filled up with zeroes. */
export function ascii(text: string, length: number): readonly number[] {
  return [...Buffer.from(text.padEnd(length, "\0"), "latin1")];
}

/** A table with a right length and a right checksum. `fixed` is what follows the 36 bytes of the header. */
export function acpiTable(signature: string, ...parts: readonly (readonly number[])[]): Uint8Array {
  const body = parts.flat();
  const bytes = Uint8Array.from([
    ...ascii(signature, 4),
    ...u32(36 + body.length),
    2,
    0,
    ...ascii("TESTED", 6),
    ...ascii("FIRMWARE", 8),
    ...u32(1),
    ...ascii("MADE", 4),
    ...u32(7),
    ...body,
  ]);
  return withChecksum(bytes);
}

/** The same bytes with the checksum put right. */
export function withChecksum(bytes: Uint8Array): Uint8Array {
  const fixed = Uint8Array.from(bytes);
  fixed[9] = 0;
  fixed[9] = -fixed.reduce((sum, byte) => sum + byte, 0) & 0xff;
  return fixed;
}

/** The fixed part of an IVRS after its header. */
export function ivrsInfo(info: number): readonly number[] {
  return [...u32(info), ...u64(0)];
}

/** An IVHD of type 10h, 11h or 40h. */
export function ivhd(
  type: number,
  options: {
    readonly flags?: number;
    readonly deviceId?: number;
    readonly segment?: number;
    readonly features?: number;
    readonly entries: readonly (readonly number[])[];
  },
): readonly number[] {
  const entries = options.entries.flat();
  const header = type === 0x10 ? 24 : 40;
  return [
    type,
    options.flags ?? 0xb0,
    ...u16(header + entries.length),
    ...u16(options.deviceId ?? 0x0002),
    ...u16(0x40),
    ...u64(0xfd200000),
    ...u16(options.segment ?? 0),
    ...u16(0),
    ...u32(options.features ?? 0x80048f6e),
    ...(type === 0x10 ? [] : [...u64(0x246577efa2254afan), ...u64(0x10n)]),
    ...entries,
  ];
}

/** A device entry of 4 bytes. */
export function deviceEntry(type: number, deviceId: number, data = 0): readonly number[] {
  return [type, ...u16(deviceId), data];
}

/** A device entry F0h with a UID in words. */
export function acpiHidEntry(deviceId: number, hardwareId: string, uid: string): readonly number[] {
  return [
    0xf0,
    ...u16(deviceId),
    0x40,
    ...ascii(hardwareId, 8),
    ...u64(0),
    2,
    uid.length,
    ...ascii(uid, uid.length),
  ];
}

/** An IVMD. */
export function ivmd(
  type: number,
  flags: number,
  options: {
    readonly deviceId?: number;
    readonly auxiliary?: number;
    readonly segment?: number;
    readonly start: number | bigint;
    readonly length: number | bigint;
  },
): readonly number[] {
  return [
    type,
    flags,
    ...u16(32),
    ...u16(options.deviceId ?? 0),
    ...u16(options.auxiliary ?? 0),
    ...u16(options.segment ?? 0),
    ...ascii("", 6),
    ...u64(options.start),
    ...u64(options.length),
  ];
}

/** The fixed part of a DMAR after its header. */
export function dmarInfo(width: number, flags: number): readonly number[] {
  return [width - 1, flags, ...ascii("", 10)];
}

/** A DMAR structure: type and length are put in front of `body`. */
export function dmarStructure(type: number, ...body: readonly (readonly number[])[]): readonly number[] {
  const bytes = body.flat();
  return [...u16(type), ...u16(4 + bytes.length), ...bytes];
}

/** A device scope; the path as pairs of device and function. */
export function scope(
  type: number,
  startBus: number,
  path: readonly (readonly [number, number])[],
  enumerationId = 0,
): readonly number[] {
  return [type, 6 + 2 * path.length, 0, 0, enumerationId, startBus, ...path.flat()];
}

/** An RMRR. */
export function rmrr(
  range: readonly [number | bigint, number | bigint],
  scopes: readonly (readonly number[])[],
  segment = 0,
): readonly number[] {
  return dmarStructure(1, u16(0), u16(segment), u64(range[0]), u64(range[1]), ...scopes);
}
