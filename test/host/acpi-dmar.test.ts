import assert from "node:assert/strict";
import { test } from "node:test";
import { type DmarTable, decodeDmar } from "../../src/host/acpi-dmar.ts";
import {
  acpiTable,
  ascii,
  dmarInfo,
  dmarStructure,
  rmrr,
  scope,
  u16,
  u32,
  u64,
} from "../helpers/acpi-tables.ts";

function decoded(bytes: Uint8Array): DmarTable {
  const { table } = decodeDmar(bytes);
  assert.ok(table !== undefined);
  return table;
}

function findingsOf(bytes: Uint8Array): readonly string[] {
  return decodeDmar(bytes).findings.map(({ text }) => text);
}

const SERVER = acpiTable(
  "DMAR",
  dmarInfo(46, 0x07),
  dmarStructure(0, [0], [0], u16(1), u64(0xd37fc000), scope(3, 0x00, [[0x05, 4]], 8)),
  dmarStructure(0, [1], [0], u16(0), u64(0xc7ffc000)),
  rmrr(
    [0x5e30d000, 0x5e31cfff],
    [
      scope(1, 0, [[0x14, 0]]),
      scope(2, 0, [
        [0x1c, 4],
        [0, 1],
      ]),
    ],
  ),
  dmarStructure(2, [1], [0], u16(0)),
  dmarStructure(3, u32(0), u64(0xd37fc000), u32(1)),
  dmarStructure(4, [0, 0, 0], [2], ascii("\\_SB.PCI0.I2C0", 16)),
  dmarStructure(5, [1], [0], u16(0), scope(1, 0, [[0x02, 0]])),
  dmarStructure(6, [0, 0], u16(0), scope(5, 0, [[0x0f, 0]], 2)),
);

test("header fields and flags", () => {
  const table = decoded(SERVER);
  assert.equal(table.hostAddressWidth, 46);
  assert.equal(table.interruptRemapping, true);
  assert.equal(table.x2apicOptOut, true);
  assert.equal(table.dmaProtectionOptIn, true);
  assert.equal(table.header.oemTableId, "FIRMWARE");
  assert.deepEqual(decodeDmar(SERVER).findings, []);
});

test("every kind of structure is read in full", () => {
  const plain = decoded(SERVER).structures.map(({ offset: _offset, ...structure }) =>
    "scopes" in structure
      ? {
          ...structure,
          scopes: structure.scopes.map(({ kind, enumerationId, startBus, path }) => [
            kind,
            enumerationId,
            startBus,
            path.map((hop) => [hop.device, hop.function]),
          ]),
        }
      : structure,
  );
  assert.deepEqual(plain, [
    {
      kind: "DRHD",
      flags: 0,
      includeAll: false,
      segment: 1,
      baseAddress: 0xd37fc000n,
      scopes: [["ioapic", 8, 0, [[5, 4]]]],
    },
    { kind: "DRHD", flags: 1, includeAll: true, segment: 0, baseAddress: 0xc7ffc000n, scopes: [] },
    {
      kind: "RMRR",
      segment: 0,
      start: 0x5e30d000n,
      end: 0x5e31cfffn,
      scopes: [
        ["endpoint", 0, 0, [[0x14, 0]]],
        [
          "bridge",
          0,
          0,
          [
            [0x1c, 4],
            [0, 1],
          ],
        ],
      ],
    },
    { kind: "ATSR", flags: 1, segment: 0, scopes: [] },
    { kind: "RHSA", baseAddress: 0xd37fc000n, proximityDomain: 1 },
    { kind: "ANDD", deviceNumber: 2, objectName: "\\_SB.PCI0.I2C0" },
    { kind: "SATC", flags: 1, segment: 0, scopes: [["endpoint", 0, 0, [[2, 0]]]] },
    { kind: "SIDP", flags: 0, segment: 0, scopes: [["acpi", 2, 0, [[0x0f, 0]]]] },
  ]);
});

test("structures and scopes of impossible lengths give findings and end only what they are in", () => {
  const badScope = rmrr([0x1000, 0x1fff], [[1, 0, 0, 0, 0, 0, 2, 0]]);
  const tooShort = dmarStructure(1, u16(0), u16(0));
  const good = rmrr([0x3000, 0x3fff], [scope(1, 0, [[2, 0]])]);
  const bytes = acpiTable("DMAR", dmarInfo(39, 1), badScope, tooShort, good);
  assert.deepEqual(
    decoded(bytes).structures.map((structure) => structure.kind === "RMRR" && structure.start),
    [0x1000n, 0x3000n],
  );
  assert.equal(findingsOf(bytes).length, 2);

  const endless = acpiTable("DMAR", dmarInfo(39, 1), [0, 0, 0, 0], good);
  assert.deepEqual(decoded(endless).structures, []);
  assert.equal(findingsOf(endless).length, 1);
});

test("unknown structures, unknown scopes, empty paths and reversed memory are findings", () => {
  const bytes = acpiTable(
    "DMAR",
    dmarInfo(39, 1),
    dmarStructure(0x77, u32(0)),
    rmrr([0x2000, 0x1fff], [scope(9, 0, [[2, 0]]), scope(1, 0, [])]),
  );
  assert.equal(findingsOf(bytes).length, 4);
});

test("half a hop at the end of a scope belongs to no path", () => {
  const bytes = acpiTable("DMAR", dmarInfo(39, 1), rmrr([0x1000, 0x1fff], [[1, 9, 0, 0, 0, 0, 2, 0, 7]]));
  const [structure] = decoded(bytes).structures;
  assert.ok(structure?.kind === "RMRR");
  assert.deepEqual(structure.scopes[0]?.path, [{ device: 2, function: 0 }]);
});
