import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { type DmarScope, decodeDmar } from "../../src/host/acpi-dmar.ts";
import { decodeIvrs } from "../../src/host/acpi-ivrs.ts";
import type { AcpiTableHeader } from "../../src/host/acpi-table.ts";
import {
  acpiTable,
  ascii,
  deviceEntry,
  dmarInfo,
  dmarStructure,
  ivhd,
  ivmd,
  ivrsInfo,
  rmrr,
  scope,
  u16,
  u32,
  u64,
} from "../helpers/acpi-tables.ts";
import { needsPrograms } from "../helpers/needs.ts";
import { recordingPath, temporaryDirectory } from "../helpers/recorded-tree.ts";

const IASL = "/usr/bin/iasl";
const skip = needsPrograms(IASL);
const directory = temporaryDirectory();
after(() => directory.remove());

/** Values by the offset at which they stand in the table. */
type Fields = ReadonlyMap<number, bigint | string>;

/**
 * What iasl makes of a table: lines like `[034h 0052   1]   Flags : 00`. Reserved bytes, paddings and the path of a
 * device scope's single bytes are compared as iasl groups them, or not at all.
 */
function iaslFields(name: string, bytes: Uint8Array): Fields {
  const path = `${directory.path}/${name.replace(/\W/g, "-")}`;
  writeFileSync(`${path}.dat`, bytes);
  execFileSync(IASL, ["-d", `${path}.dat`], { stdio: "ignore" });
  const fields = new Map<number, bigint | string>();
  for (const line of readFileSync(`${path}.dsl`, "latin1").split("\n")) {
    const [, offset, field, text] = /^\[[0-9A-F]+h (\d+) +\d+\] +(.*?) : (.*)$/.exec(line) ?? [];
    if (offset === undefined || field === undefined || text === undefined) continue;
    if (/^Reserved/.test(field)) continue;
    const quoted = /^"(.*?)"/.exec(text)?.[1];
    const digits = /^[0-9A-F]+(?:,[0-9A-F]+)?/.exec(text)?.[0].replace(",", "");
    if (quoted !== undefined) fields.set(Number(offset), quoted.trimEnd());
    else if (digits !== undefined) fields.set(Number(offset), BigInt(`0x${digits}`));
  }
  return fields;
}

function headerFields(header: AcpiTableHeader): [number, bigint | number | string][] {
  return [
    [0, header.signature],
    [4, header.length],
    [8, header.revision],
    [9, header.checksum],
    [10, header.oemId],
    [16, header.oemTableId],
    [24, header.oemRevision],
    [28, header.creatorId],
    [32, header.creatorRevision],
  ];
}

function asFields(list: readonly (readonly [number, bigint | number | string])[]): Fields {
  return new Map(list.map(([offset, value]) => [offset, typeof value === "number" ? BigInt(value) : value]));
}

/** Our decoding, laid out as iasl does. The length of a block is told by where the next one begins. */
function ivrsFields(bytes: Uint8Array): Fields {
  const { table, findings } = decodeIvrs(bytes);
  assert.ok(table !== undefined);
  assert.deepEqual(findings, []);
  const list: [number, bigint | number | string][] = [...headerFields(table.header), [36, table.info.raw]];
  for (const unit of table.hardwareUnits) {
    const at = unit.offset;
    list.push(
      [at, unit.type],
      [at + 1, unit.flags],
      [at + 2, unit.length],
      [at + 4, unit.deviceId],
      [at + 6, unit.capabilityOffset],
      [at + 8, unit.baseAddress],
      [at + 16, unit.segment],
      [at + 18, unit.info],
      [at + 20, unit.features],
    );
    if (unit.extendedFeatures !== undefined) list.push([at + 24, unit.extendedFeatures]);
    for (const entry of unit.entries) {
      list.push(
        [entry.offset, entry.type],
        [entry.offset + 1, entry.deviceId],
        [entry.offset + 3, entry.data],
      );
      if (entry.kind === "special") {
        list.push(
          [entry.offset + 4, entry.handle],
          [entry.offset + 5, entry.sourceDeviceId],
          [entry.offset + 7, entry.variety],
        );
      } else if ("sourceDeviceId" in entry) list.push([entry.offset + 5, entry.sourceDeviceId]);
      else if ("extended" in entry) list.push([entry.offset + 4, entry.extended]);
    }
  }
  for (const { offset: at, ...definition } of table.memoryDefinitions) {
    list.push(
      [at, definition.type],
      [at + 1, definition.flags],
      [at + 2, 32],
      [at + 4, definition.deviceId],
      [at + 6, definition.auxiliary],
      [at + 16, definition.start],
      [at + 24, definition.length],
    );
  }
  return asFields(list);
}

const STRUCTURE_TYPES = ["DRHD", "RMRR", "ATSR", "RHSA", "ANDD", "SATC", "SIDP"];

function dmarFields(bytes: Uint8Array): Fields {
  const { table, findings } = decodeDmar(bytes);
  assert.ok(table !== undefined);
  assert.deepEqual(findings, []);
  const list: [number, bigint | number | string][] = [
    ...headerFields(table.header),
    [36, table.hostAddressWidth - 1],
    [37, table.flags],
  ];
  for (const [index, structure] of table.structures.entries()) {
    const at = structure.offset;
    const end = table.structures[index + 1]?.offset ?? table.header.length;
    list.push([at, STRUCTURE_TYPES.indexOf(structure.kind)], [at + 2, end - at]);
    switch (structure.kind) {
      case "DRHD":
        list.push([at + 4, structure.flags], [at + 6, structure.segment], [at + 8, structure.baseAddress]);
        break;
      case "RMRR":
        list.push([at + 6, structure.segment], [at + 8, structure.start], [at + 16, structure.end]);
        break;
      case "RHSA":
        list.push([at + 8, structure.baseAddress], [at + 16, structure.proximityDomain]);
        break;
      case "ANDD":
        list.push([at + 7, structure.deviceNumber], [at + 8, structure.objectName]);
        break;
      default:
        list.push([at + 4, structure.flags], [at + 6, structure.segment]);
    }
    if ("scopes" in structure) for (const scope of structure.scopes) list.push(...scopeFields(scope));
  }
  return asFields(list);
}

function scopeFields({ offset: at, type, enumerationId, startBus, path }: DmarScope): [number, number][] {
  return [
    [at, type],
    [at + 1, 6 + 2 * path.length],
    [at + 4, enumerationId],
    [at + 5, startBus],
    // iasl shows device and function of a hop as one pair.
    ...path.map((hop, index): [number, number] => [at + 6 + 2 * index, hop.device * 256 + hop.function]),
  ];
}

function agree(name: string, bytes: Uint8Array, ours: Fields): void {
  const theirs = iaslFields(name, bytes);
  assert.ok(theirs.size > 9, `${name}: iasl shows fields`);
  const order = (fields: Fields) => [...fields].sort(([a], [b]) => a - b);
  assert.deepEqual(order(ours), order(theirs), name);
}

for (const recording of ["good-amd", "ivmd-amd"]) {
  test(`the IVRS of ${recording} reads as iasl reads it, field by field`, { skip }, () => {
    const bytes = readFileSync(recordingPath(recording, "snap-before", "acpi", "IVRS"));
    agree(recording, bytes, ivrsFields(bytes));
  });
}

for (const recording of ["good-intel", "rmrr-intel", "intremap-off", "iommu-off"]) {
  test(`the DMAR of ${recording} reads as iasl reads it, field by field`, { skip }, () => {
    const bytes = readFileSync(recordingPath(recording, "snap-before", "acpi", "DMAR"));
    agree(recording, bytes, dmarFields(bytes));
  });
}

test("an IVRS with everything that iasl knows reads the same", { skip }, () => {
  const bytes = acpiTable(
    "IVRS",
    ivrsInfo(0x00203043),
    ivhd(0x10, {
      entries: [
        deviceEntry(0x03, 0x0008),
        deviceEntry(0x04, 0xfffe),
        [0x43, ...u16(0xff00), 0, 0, ...u16(0x00a5), 0],
        deviceEntry(0x04, 0xffff),
        [0x42, ...u16(0x0100), 0, 0, ...u16(0x00a5), 0],
        [0x46, ...u16(0x0011), 0, ...u32(0x80000000)],
        [0x48, ...u16(0), 0xd7, 0x21, ...u16(0x00a0), 1],
        [0x48, ...u16(0), 0, 0, ...u16(0x00a0), 2],
      ],
    }),
    ivhd(0x11, { entries: [deviceEntry(0x02, 0x0108, 0xd7)] }),
    ivmd(0x20, 0x01, { start: 0xa5a32000, length: 0x1000 }),
    ivmd(0x21, 0x07, { deviceId: 0x0060, start: 0x7d900000, length: 0x100000 }),
    ivmd(0x22, 0x08, { deviceId: 0, auxiliary: 0x0fff, start: 0xffff_ffff_0000_0000n, length: 0x1000 }),
  );
  agree("ivrs-all", bytes, ivrsFields(bytes));
});

test("a DMAR with everything that iasl knows reads the same", { skip }, () => {
  const bytes = acpiTable(
    "DMAR",
    dmarInfo(46, 0x07),
    dmarStructure(
      0,
      [1],
      [0],
      u16(1),
      u64(0xd37fc000),
      scope(3, 0xf0, [[0x1f, 7]], 8),
      scope(4, 0, [[0x0f, 0]]),
    ),
    rmrr(
      [0x5e30d000, 0xffff_ffff_ffff_ffffn],
      [
        scope(1, 0, [[0x14, 0]]),
        scope(2, 0, [
          [0x1c, 4],
          [0, 1],
        ]),
      ],
      3,
    ),
    dmarStructure(2, [1], [0], u16(2), scope(2, 0, [[0x01, 0]])),
    dmarStructure(3, u32(0), u64(0xd37fc000), u32(5)),
    dmarStructure(4, [0, 0, 0], [2], ascii("\\_SB.PCI0.I2C0", 16)),
  );
  agree("dmar-all", bytes, dmarFields(bytes));
});
