import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeDmar } from "../../src/host/acpi-dmar.ts";
import { decodeIvrs } from "../../src/host/acpi-ivrs.ts";
import {
  dmarDemands,
  ivrsDemands,
  readFirmwareDemands,
  type TableDemand,
} from "../../src/host/firmware-demands.ts";
import { type FirmwareTables, foundTable } from "../../src/host/firmware-tables.ts";
import { type PciFunctions, pciFunctionOf, withNames } from "../../src/host/pci-devices.ts";
import { createPciTopology } from "../../src/host/pci-topology.ts";
import { absent, read, unreadable } from "../../src/model/reading.ts";
import {
  acpiHidEntry,
  acpiTable,
  deviceEntry,
  dmarInfo,
  ivhd,
  ivmd,
  ivrsInfo,
  rmrr,
  scope,
} from "../helpers/acpi-tables.ts";
import { bdf, type SyntheticDevice, syntheticDevice } from "../helpers/recorded-tree.ts";

function machine(...devices: readonly SyntheticDevice[]): PciFunctions {
  return withNames(
    devices.map((device) => {
      const { attributes } = syntheticDevice(device);
      const made = pciFunctionOf(bdf(device.bdf), (name) => attributes.get(name));
      assert.ok(made.state === "read");
      return made.value;
    }),
    undefined,
  );
}

/** A desktop: the IOMMU, a GPU with its sound behind a root port, an NVMe disk behind another, USB on the chipset. */
const DESKTOP = machine(
  { bdf: "0000:00:00.0", id: "1022:14d8", classCode: "060000" },
  { bdf: "0000:00:00.2", id: "1022:14d9", classCode: "080600" },
  { bdf: "0000:00:01.1", id: "1022:14db", classCode: "060400", buses: [1, 1] },
  { bdf: "0000:00:02.1", id: "1022:14db", classCode: "060400", buses: [2, 4] },
  { bdf: "0000:01:00.0", id: "10de:2805", classCode: "030000" },
  { bdf: "0000:01:00.1", id: "10de:22bd", classCode: "040300" },
  { bdf: "0000:02:00.0", id: "1022:43f4", classCode: "060400", buses: [3, 4] },
  { bdf: "0000:03:08.0", id: "1022:43f5", classCode: "060400", buses: [4, 4] },
  { bdf: "0000:04:00.0", id: "144d:a80c", classCode: "010802" },
  { bdf: "0000:00:14.0", id: "8086:7a60", classCode: "0c0330" },
);
const TOPOLOGY = createPciTopology(DESKTOP);

function onAmd(...blocks: readonly (readonly number[])[]): readonly TableDemand[] {
  const { table } = decodeIvrs(acpiTable("IVRS", ivrsInfo(0x43), ...blocks));
  assert.ok(table !== undefined);
  return ivrsDemands(table, TOPOLOGY);
}

function onIntel(...structures: readonly (readonly number[])[]): readonly TableDemand[] {
  const { table } = decodeDmar(acpiTable("DMAR", dmarInfo(39, 1), ...structures));
  assert.ok(table !== undefined);
  return dmarDemands(table, TOPOLOGY);
}

const on = (address: string, demands: readonly TableDemand[]) =>
  demands.filter(({ devices }) => devices.includes(bdf(address)));
const brief = (demands: readonly TableDemand[]) =>
  demands.map(({ strength, devices, coverage }) => [strength, coverage, ...devices]);

test("the blanket entry of the headline boards covers nearly everything, hard, exclusion or not", () => {
  const [demand, ...others] = onAmd(
    ivmd(0x22, 0x08, { deviceId: 0, auxiliary: 0x0fff, start: 0xa5a32000, length: 0x1000 }),
  );
  assert.deepEqual(others, []);
  assert.equal(
    demand?.description,
    "IVMD type 22h, flags 08h (exclusion), devices 0000:00:00.0-0000:0f:1f.7, memory 0xa5a32000-0xa5a32fff",
  );
  assert.equal(demand?.strength, "hard");
  assert.equal(demand?.coverage, "nearly-everything");
  // All but the IOMMU's own function, which is not behind itself.
  assert.equal(demand?.devices.length, DESKTOP.size - 1);
});

test("entries of sound firmware, for one device that is no discrete GPU, do not touch the GPU", () => {
  const demands = onAmd(
    ivhd(0x40, { entries: [deviceEntry(1, 0), acpiHidEntry(0x0060, "MSFT0201", "\\_SB.MHSP")] }),
    ivmd(0x21, 0x07, { deviceId: 0x0060, start: 0x7d900000, length: 0x100000 }),
    ivmd(0x21, 0x08, { deviceId: 0xc507, start: 0x76000000, length: 0x20000 }),
  );
  assert.deepEqual(brief(demands), [
    ["hard", "no-device-here"],
    ["hard", "no-device-here"],
  ]);
  assert.deepEqual(demands[0]?.acpiDevices, ["MSFT0201"]);
  assert.deepEqual(on("01:00.0", demands), []);
});

test("an entry for the GPU alone is one device's request", () => {
  const demands = onAmd(
    ivmd(0x22, 0x01, { deviceId: 0x100, auxiliary: 0x101, start: 0x1000, length: 0x1000 }),
  );
  assert.deepEqual(brief(demands), [["hard", "one-device", "0000:01:00.0", "0000:01:00.1"]]);
  assert.deepEqual(on("01:00.1", demands), demands);
});

test("an entry without unity or exclusion, in another segment or reversed demands nothing here", () => {
  assert.deepEqual(onAmd(ivmd(0x20, 0x06, { start: 0x1000, length: 0x1000 })), []);
  assert.deepEqual(
    brief(onAmd(ivmd(0x21, 0x01, { deviceId: 0x100, segment: 1, start: 0x1000, length: 0x1000 }))),
    [["hard", "no-device-here"]],
  );
  assert.deepEqual(
    brief(onAmd(ivmd(0x22, 0x01, { deviceId: 0x101, auxiliary: 0x100, start: 0x1000, length: 0x1000 }))),
    [["hard", "no-device-here"]],
  );
});

test("an entry for all devices reaches as far as the IOMMUs of its segment do", () => {
  const all = ivmd(0x20, 0x01, { start: 0x1000, length: 0x1000 });
  assert.equal(onAmd(ivhd(0x11, { entries: [deviceEntry(1, 0)] }), all)[0]?.coverage, "nearly-everything");
  const upToBusOne = ivhd(0x11, { entries: [deviceEntry(3, 0), deviceEntry(4, 0x1ff)] });
  assert.ok(!onAmd(upToBusOne, all)[0]?.devices.includes(bdf("04:00.0")));
  assert.ok(onAmd(upToBusOne, all)[0]?.devices.includes(bdf("01:00.0")));
  assert.deepEqual(onAmd(all)[0]?.devices, []);
});

test("memory of no length is a demand all the same", () => {
  const [demand] = onAmd(ivmd(0x21, 0x01, { deviceId: 0x100, start: 0, length: 0 }));
  assert.equal(demand?.memory, "memory 0x0 of no length");
  assert.deepEqual(demand?.devices, ["0000:01:00.0"]);
});

test("a table whose checksum is wrong demands nothing, because Linux does not use it", () => {
  const bytes = acpiTable("IVRS", ivrsInfo(0), ivmd(0x21, 1, { deviceId: 0x100, start: 0, length: 4096 }));
  bytes[30] = 0x55;
  const { table } = decodeIvrs(bytes);
  assert.ok(table !== undefined);
  assert.deepEqual(ivrsDemands(table, TOPOLOGY), []);
});

test("a path through bridges is followed hop by hop", () => {
  const demands = onIntel(
    rmrr(
      [0x1000, 0x1fff],
      [
        scope(1, 0, [
          [0x02, 1],
          [0x00, 0],
          [0x08, 0],
          [0x00, 0],
        ]),
      ],
    ),
  );
  assert.deepEqual(brief(demands), [["hard", "one-device", "0000:04:00.0"]]);
  assert.equal(
    demands[0]?.description,
    "RMRR segment 0, memory 0x1000-0x1fff, endpoint 00:02.1/00.0/08.0/00.0",
  );
});

test("a bridge scope covers all behind the bridge; display and USB are let go, sound is not", () => {
  assert.deepEqual(brief(onIntel(rmrr([0x1000, 0x1fff], [scope(2, 0, [[0x01, 1]])]))), [
    ["hard", "several-devices", "0000:00:01.1", "0000:01:00.1"],
    ["relaxable", "several-devices", "0000:01:00.0"],
  ]);
  assert.deepEqual(onIntel(rmrr([0x1000, 0x1fff], [scope(2, 0, [[0x02, 1]])]))[0]?.devices, [
    "0000:00:02.1",
    "0000:02:00.0",
    "0000:03:08.0",
    "0000:04:00.0",
  ]);
  assert.deepEqual(brief(onIntel(rmrr([0x1000, 0x1fff], [scope(1, 0, [[0x14, 0]])]))), [
    ["relaxable", "one-device", "0000:00:14.0"],
  ]);
});

test("one hop may start at the device's own bus, several hops only at a root bus", () => {
  assert.deepEqual(brief(onIntel(rmrr([0x1000, 0x1fff], [scope(1, 4, [[0, 0]])]))), [
    ["hard", "one-device", "0000:04:00.0"],
  ]);
  assert.deepEqual(
    brief(
      onIntel(
        rmrr(
          [0x1000, 0x1fff],
          [
            scope(1, 2, [
              [0, 0],
              [8, 0],
              [0, 0],
            ]),
          ],
        ),
      ),
    ),
    [["hard", "no-device-here"]],
  );
});

test("an endpoint scope that ends at a bridge, a path to nowhere and I/O APICs cover nothing", () => {
  for (const path of [
    scope(1, 0, [[0x02, 1]]),
    scope(1, 0, [[0x1f, 7]]),
    scope(1, 0, [[0xff, 0xff]]),
    scope(3, 0, [[0x14, 0]]),
    scope(1, 0, []),
  ]) {
    assert.deepEqual(brief(onIntel(rmrr([0x1000, 0x1fff], [path]))), [["hard", "no-device-here"]]);
  }
});

test("bridges that firmware left with impossible bus numbers do not lead in circles", () => {
  const odd = machine(
    { bdf: "0000:00:01.0", id: "1022:0001", classCode: "060400", buses: [1, 255] },
    { bdf: "0000:01:00.0", id: "1022:0002", classCode: "060400", buses: [1, 1] },
    { bdf: "0000:02:00.0", id: "1022:0003", classCode: "060400", buses: [1, 2] },
    { bdf: "0000:02:01.0", id: "1022:0004", classCode: "020000" },
  );
  const topology = createPciTopology(odd);
  const bridge = odd.get(bdf("00:01.0"));
  assert.ok(bridge !== undefined);
  for (const device of odd.keys()) topology.isBehind(device, bridge);
  assert.equal(topology.isBehind(bdf("02:01.0"), bridge), true);
});

test("what cannot be read makes the demands unknown, what is not there does not", () => {
  const tables = (part: Partial<FirmwareTables>): FirmwareTables => ({
    ivrs: absent,
    dmar: absent,
    names: read(["APIC"]),
    ...part,
  });
  const devices = read(DESKTOP);
  assert.deepEqual(readFirmwareDemands(tables({}), devices), read([]));
  assert.deepEqual(readFirmwareDemands(tables({ names: absent }), devices), absent);
  const secret = unreadable("needs root");
  assert.deepEqual(readFirmwareDemands(tables({ ivrs: secret }), devices), secret);
  assert.deepEqual(readFirmwareDemands(tables({}), secret), secret);
  const ivrs = read(
    foundTable(
      acpiTable("IVRS", ivrsInfo(0), ivmd(0x21, 1, { deviceId: 0x100, start: 4096, length: 4096 })),
      decodeIvrs,
    ),
  );
  const demands = readFirmwareDemands(tables({ ivrs }), devices);
  assert.ok(demands.state === "read" && demands.value[0]?.devices[0] === "0000:01:00.0");
});
