import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeIvrs, type IvrsTable } from "../../src/host/acpi-ivrs.ts";
import {
  acpiHidEntry,
  acpiTable,
  deviceEntry,
  ivhd,
  ivmd,
  ivrsInfo,
  u16,
  u32,
  withChecksum,
} from "../helpers/acpi-tables.ts";

function decoded(bytes: Uint8Array): IvrsTable {
  const { table } = decodeIvrs(bytes);
  assert.ok(table !== undefined);
  return table;
}

function findingsOf(bytes: Uint8Array): readonly string[] {
  return decodeIvrs(bytes).findings.map(({ text }) => text);
}

const LAPTOP = acpiTable(
  "IVRS",
  ivrsInfo(0x00203043),
  ivhd(0x40, {
    deviceId: 0x0002,
    entries: [
      deviceEntry(0x03, 0x0008),
      deviceEntry(0x04, 0xfffe),
      [0x43, ...u16(0xff00), 0, 0, ...u16(0x00a5), 0],
      deviceEntry(0x04, 0xffff),
      [0x46, ...u16(0x0011), 0, ...u32(0x80000000)],
      [0x48, ...u16(0), 0xd7, 0x21, ...u16(0x00a0), 1],
      [0x48, ...u16(0), 0, 0, ...u16(0x00a0), 2],
      acpiHidEntry(0x0060, "MSFT0201", "\\_SB.MHSP"),
    ],
  }),
  ivmd(0x21, 0x07, { deviceId: 0x0060, start: 0x7d900000, length: 0x100000 }),
  ivmd(0x21, 0x08, { deviceId: 0xc507, start: 0x76000000, length: 0x20000 }),
);

test("the documented bytes of a memory block mean one device, unity, read and write", () => {
  const block = Buffer.from(
    "2107200060000000" + "0000000000000000" + "0000907d00000000" + "0000100000000000",
    "hex",
  );
  const table = decoded(acpiTable("IVRS", ivrsInfo(0x00203043), [...block]));
  assert.deepEqual(table.memoryDefinitions, [
    {
      offset: 48,
      type: 0x21,
      flags: 0x07,
      deviceId: 0x0060,
      auxiliary: 0,
      segment: 0,
      start: 0x7d900000n,
      length: 0x100000n,
    },
  ]);
});

test("IVinfo tells address sizes and whether the firmware used the IOMMU before boot", () => {
  assert.deepEqual(decoded(LAPTOP).info, {
    raw: 0x00203043,
    extendedFeatures: true,
    preBootDmaProtection: true,
    guestVirtualAddressSize: 2,
    physicalAddressSize: 48,
    virtualAddressSize: 64,
  });
  assert.equal(decoded(acpiTable("IVRS", ivrsInfo(0x00203041))).info.preBootDmaProtection, false);
});

test("every kind of device entry is read in full", () => {
  const [unit] = decoded(LAPTOP).hardwareUnits;
  assert.deepEqual(
    unit?.entries.map(({ offset: _offset, type: _type, ...entry }) => entry),
    [
      { kind: "range-start", deviceId: 0x0008, data: 0 },
      { kind: "range-end", deviceId: 0xfffe, data: 0 },
      { kind: "alias-range-start", deviceId: 0xff00, data: 0, sourceDeviceId: 0x00a5 },
      { kind: "range-end", deviceId: 0xffff, data: 0 },
      { kind: "extended-select", deviceId: 0x0011, data: 0, extended: 0x80000000 },
      { kind: "special", deviceId: 0, data: 0xd7, handle: 0x21, sourceDeviceId: 0x00a0, variety: 1 },
      { kind: "special", deviceId: 0, data: 0, handle: 0, sourceDeviceId: 0x00a0, variety: 2 },
      {
        kind: "acpi",
        deviceId: 0x0060,
        data: 0x40,
        hardwareId: "MSFT0201",
        compatibleId: "",
        uidFormat: 2,
        uid: "\\_SB.MHSP",
      },
    ],
  );
  assert.equal(unit?.extendedFeatures, 0x246577efa2254afan);
  assert.equal(unit?.extendedFeatures2, 0x10n);
  assert.deepEqual(decodeIvrs(LAPTOP).findings, []);
});

test("a block of type 10h has no images of extended features", () => {
  const [unit] = decoded(
    acpiTable("IVRS", ivrsInfo(1), ivhd(0x10, { features: 0x44, entries: [deviceEntry(0x01, 0)] })),
  ).hardwareUnits;
  assert.equal(unit?.features, 0x44);
  assert.equal(unit !== undefined && "extendedFeatures" in unit, false);
  assert.deepEqual(
    unit?.entries.map(({ kind }) => kind),
    ["all"],
  );
});

test("a wrong checksum, a wrong length and a foreign table are told apart", () => {
  const damaged = Uint8Array.from(LAPTOP);
  damaged[40] = 1;
  assert.deepEqual(findingsOf(damaged), ["the checksum is wrong"]);
  assert.equal(decoded(damaged).checksumValid, false);
  assert.equal(decoded(damaged).memoryDefinitions.length, 2);

  const cut = LAPTOP.slice(0, LAPTOP.length - 8);
  assert.equal(decoded(cut).memoryDefinitions.length, 1);
  assert.match(findingsOf(cut).join("\n"), /claims \d+ bytes, only \d+ are there/);

  assert.equal(decodeIvrs(acpiTable("DMAR", ivrsInfo(0))).table, undefined);
  assert.equal(decodeIvrs(new Uint8Array(0)).table, undefined);
  assert.equal(decodeIvrs(LAPTOP.slice(0, 47)).table, undefined);
});

test("a block that leads nowhere or out of the table ends the reading with a finding", () => {
  const zero = acpiTable("IVRS", ivrsInfo(0), [0x21, 0, 0, 0], ivmd(0x20, 1, { start: 0, length: 1 }));
  assert.deepEqual(decoded(zero).memoryDefinitions, []);
  assert.match(findingsOf(zero).join(), /length of 0/);

  const overrun = acpiTable("IVRS", ivrsInfo(0), [0x21, 0, 0xff, 0xff, 0, 0, 0, 0]);
  assert.match(findingsOf(overrun).join(), /claims 65535 bytes, 8 are left/);

  const short = acpiTable(
    "IVRS",
    ivrsInfo(0),
    [0x21, 7, ...u16(8), 0, 0, 0, 0],
    ivmd(0x20, 1, { start: 0, length: 1 }),
  );
  assert.equal(decoded(short).memoryDefinitions.length, 1);
  assert.match(findingsOf(short).join(), /IVMD of type 21h has 8 bytes/);
});

test("a device entry without a known length or beyond its block ends the block, not the table", () => {
  for (const entry of [
    [0x81, 0, 0, 0],
    [0x42, 0, 0, 0],
    acpiHidEntry(0x60, "MSFT0201", "long").slice(0, 24),
  ]) {
    const bytes = acpiTable(
      "IVRS",
      ivrsInfo(0),
      ivhd(0x11, { entries: [deviceEntry(0x02, 8), entry] }),
      ivmd(0x20, 1, { start: 0x1000, length: 0x1000 }),
    );
    const table = decoded(bytes);
    assert.deepEqual(
      table.hardwareUnits[0]?.entries.map(({ kind }) => kind),
      ["select"],
    );
    assert.equal(table.memoryDefinitions.length, 1);
    assert.equal(findingsOf(bytes).length, 1);
  }
});

test("ranges that do not close, memory of no length and reversed ranges are findings", () => {
  const bytes = acpiTable(
    "IVRS",
    ivrsInfo(0),
    ivhd(0x10, { entries: [deviceEntry(0x04, 1), deviceEntry(0x03, 8)] }),
    ivmd(0x21, 1, { deviceId: 0x60, start: 0, length: 0 }),
    ivmd(0x22, 1, { deviceId: 0x200, auxiliary: 0x100, start: 0x1000, length: 0x1000 }),
  );
  assert.equal(findingsOf(bytes).length, 4);
  assert.equal(decoded(bytes).memoryDefinitions.length, 2);
});

test("a table full of nonsense gives a bounded number of findings", () => {
  const bytes = acpiTable(
    "IVRS",
    ivrsInfo(0),
    Array.from({ length: 4 * 10_000 }, (_, index) => (index % 4 === 0 ? 0x99 : index % 4 === 2 ? 4 : 0)),
  );
  const { findings } = decodeIvrs(bytes);
  assert.ok(findings.length > 10 && findings.length < 100);
});

test("texts in a table cannot carry control characters", () => {
  const bytes = Uint8Array.from(LAPTOP);
  bytes.set([0x1b, 0x5b, 0x33, 0x31, 0x6d, 0x0a], 10);
  assert.equal(decoded(withChecksum(bytes)).header.oemId, ".[31m.");
});
