import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { FIRMWARE_TABLES } from "../../src/facts/kinds/firmware-tables.ts";
import { decodeDmar } from "../../src/host/acpi-dmar.ts";
import { decodeIvrs } from "../../src/host/acpi-ivrs.ts";
import { dmarDemands, ivrsDemands } from "../../src/host/firmware-demands.ts";
import { foundTable } from "../../src/host/firmware-tables.ts";
import { createPciTopology } from "../../src/host/pci-topology.ts";
import { absent, read } from "../../src/model/reading.ts";
import {
  acpiHidEntry,
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
  withChecksum,
} from "../helpers/acpi-tables.ts";
import { factsFrom } from "../helpers/facts.ts";
import { recordedHost, recordingPath } from "../helpers/recorded-tree.ts";

const rounds = Number(process.env.VFIO_WATCH_FUZZ ?? 20_000);

const SEEDS: readonly Uint8Array[] = [
  readFileSync(recordingPath("ivmd-amd", "snap-before", "acpi", "IVRS")),
  readFileSync(recordingPath("rmrr-intel", "snap-before", "acpi", "DMAR")),
  acpiTable(
    "IVRS",
    ivrsInfo(0x00203043),
    ivhd(0x40, {
      entries: [
        deviceEntry(0x03, 0x0008),
        deviceEntry(0x04, 0xfffe),
        [0x43, ...u16(0xff00), 0, 0, ...u16(0x00a5), 0],
        deviceEntry(0x04, 0xffff),
        [0x46, ...u16(0x0011), 0, ...u32(0x80000000)],
        [0x48, ...u16(0), 0xd7, 0x21, ...u16(0x00a0), 1],
        acpiHidEntry(0x0060, "MSFT0201", "\\_SB.MHSP"),
      ],
    }),
    ivmd(0x20, 0x01, { start: 0xa5a32000, length: 0x1000 }),
    ivmd(0x22, 0x08, { deviceId: 0, auxiliary: 0x0fff, start: 0, length: 0 }),
  ),
  acpiTable(
    "DMAR",
    dmarInfo(46, 0x07),
    dmarStructure(0, [1], [0], u16(0), u64(0xd37fc000), scope(3, 0xf0, [[0x1f, 7]], 8)),
    rmrr([0x1000, 0x1fff], [scope(1, 0, [[0x14, 0]]), scope(2, 0, [[0x02, 0]])]),
    dmarStructure(2, [1], [0], u16(2), scope(2, 0, [[0x01, 0]])),
    dmarStructure(3, u32(0), u64(0xd37fc000), u32(5)),
    dmarStructure(4, [0, 0, 0], [2], ascii("\\_SB.PCI0.I2C0", 16)),
    dmarStructure(5, [1], [0], u16(0), scope(1, 0, [[0x02, 0]])),
  ),
];

/** Small, seeded (mulberry32): the same tables in every run. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Bytes changed, cut, doubled, inserted or joined with another table; in half of the cases with a right header. */
function mutate(random: (below: number) => number): Uint8Array {
  const pick = () => SEEDS[random(SEEDS.length)] ?? new Uint8Array();
  let bytes = Buffer.from(pick());
  for (let count = 1 + random(6); count > 0 && bytes.length > 0; count--) {
    const at = random(bytes.length);
    switch (random(8)) {
      case 0:
      case 1:
        bytes[at] = random(256);
        break;
      case 2:
        bytes[at] = [0, 1, 0x7f, 0x80, 0xf0, 0xff][random(6)] ?? 0;
        break;
      case 3:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 4:
        bytes = bytes.subarray(0, at);
        break;
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(pick()).subarray(random(64))]);
        break;
      case 6:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.alloc(random(40), random(256)),
          bytes.subarray(at),
        ]);
        break;
      default:
        // Lengths of blocks are where endless loops come from.
        if (at > 48) bytes.fill(random(2) === 0 ? 0 : 0xff, at, Math.min(at + 2, bytes.length));
    }
  }
  if (random(2) === 0 && bytes.length >= 36) {
    bytes.writeUInt32LE(bytes.length, 4);
    return withChecksum(bytes);
  }
  return bytes;
}

function heapUsed(): number {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
  return process.memoryUsage().heapUsed;
}

test(`${rounds} mutated tables: no throw, no more output than input, no memory kept`, () => {
  const host = recordedHost(recordingPath("rmrr-intel", "snap-before"));
  assert.ok(host.devices.state === "read");
  const topology = createPciTopology(host.devices.value);
  const random = createRandom(0x5eed);
  const seen = { sound: 0, odd: 0, refused: 0, demands: 0 };
  let settled = 0;
  for (let round = 0; round < rounds; round++) {
    if (round === Math.min(2000, rounds >> 1)) settled = heapUsed();
    const bytes = mutate(random);
    const ivrs = decodeIvrs(bytes);
    const dmar = decodeDmar(bytes);
    // What makes an entry takes at least four bytes, what makes a finding at least one.
    const parts =
      (ivrs.table?.memoryDefinitions.length ?? 0) +
      (ivrs.table?.hardwareUnits ?? []).reduce((sum, { entries }) => sum + 1 + entries.length, 0) +
      (dmar.table?.structures ?? []).reduce(
        (sum, part) => sum + 1 + ("scopes" in part ? part.scopes.length : 0),
        0,
      );
    assert.ok(parts * 4 <= bytes.length, "more entries than the bytes can hold");
    assert.ok(ivrs.findings.length <= 51 && dmar.findings.length <= 51);
    for (const { offset } of [...ivrs.findings, ...dmar.findings])
      assert.ok(offset <= Math.max(9, bytes.length));
    const tables = read({
      ivrs: read(foundTable(bytes, decodeIvrs)),
      dmar: read(foundTable(bytes, decodeDmar)),
      names: absent,
    });
    const facts = factsFrom({ tables }, FIRMWARE_TABLES);
    assert.ok(facts.length <= 130 + parts);
    const demands = [
      ...(ivrs.table === undefined ? [] : ivrsDemands(ivrs.table, topology)),
      ...(dmar.table === undefined ? [] : dmarDemands(dmar.table, topology)),
    ];
    for (const demand of demands) assert.ok(demand.devices.length <= topology.devices.size);
    seen.demands += demands.length;
    if (ivrs.table === undefined && dmar.table === undefined) seen.refused += 1;
    else if (ivrs.table?.checksumValid || dmar.table?.checksumValid) seen.sound += 1;
    else seen.odd += 1;
  }
  assert.ok(heapUsed() - settled < 4 * 2 ** 20, "memory grew");
  // The mutations reach all the ways through the decoders.
  for (const [kind, count] of Object.entries(seen)) assert.ok(count > rounds / 100, `${kind}: ${count}`);
});
