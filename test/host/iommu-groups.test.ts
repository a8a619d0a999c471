import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { after, test } from "node:test";
import { IOMMU } from "../../src/facts/kinds/iommu.ts";
import { IOMMU_GROUPS } from "../../src/facts/kinds/iommu-groups.ts";
import type { HostReading } from "../../src/host/host-reading.ts";
import { parseReservedRegions, readIommuGroups, readIommuUnits } from "../../src/host/iommu-groups.ts";
import { readPciDevices } from "../../src/host/pci-devices.ts";
import { read, unreadable } from "../../src/model/reading.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { factsFrom } from "../helpers/facts.ts";
import { bdf, buildRecordedTree, syntheticDevice, temporaryDirectory } from "../helpers/recorded-tree.ts";

const directory = temporaryDirectory();
after(() => directory.remove());

const iommuFacts = (known: Partial<HostReading>) => factsFrom(known, IOMMU, IOMMU_GROUPS);

test("regions are read to the last bit, with the kernel's wrapped range of a demand without length", () => {
  assert.deepEqual(
    parseReservedRegions(
      "0x0000000000000000 0xffffffffffffffff direct\n" +
        "0x00000000fee00000 0x00000000feefffff msi\n" +
        "0x0000000000000000 0x0000000000ffffff direct-relaxable\n" +
        "0x000000fd00000000 0x000000ffffffffff reserved\n",
    ),
    [
      { start: 0n, end: 0xffffffffffffffffn, kind: "direct" },
      { start: 0xfee00000n, end: 0xfeefffffn, kind: "msi" },
      { start: 0n, end: 0xffffffn, kind: "direct-relaxable" },
      { start: 0xfd00000000n, end: 0xffffffffffn, kind: "reserved" },
    ],
  );
});

test("lines of another shape are left out", () => {
  assert.deepEqual(parseReservedRegions("\n0x1 0x2\n0x1 0x2 translated\n0x1 0x2 direct 3\nnonsense\n"), []);
});

test("groups come in the order of their numbers with sorted members", () => {
  const paths = buildHostTree(`${directory.path}/order`, {
    groups: [10, 2, 1].map((id) => ({
      id,
      type: "DMA",
      members: [bdf(`0${id % 10}:00.1`), bdf(`0${id % 10}:00.0`)],
      reservedRegions: "",
    })),
  });
  const groups = readIommuGroups(paths);
  assert.ok(groups.state === "read");
  assert.deepEqual([...groups.value.keys()], [1, 2, 10]);
  assert.deepEqual(groups.value.get(2)?.members, ["0000:02:00.0", "0000:02:00.1"]);
});

test("a group whose regions may not be read is not a group without regions", {
  skip: process.getuid?.() === 0,
}, () => {
  const paths = buildHostTree(`${directory.path}/secret`, {
    groups: [{ id: 1, type: "DMA", members: [bdf("01:00.0")], reservedRegions: "" }],
  });
  chmodSync(paths.at("/sys/kernel/iommu_groups/1/reserved_regions"), 0);
  assert.deepEqual(readIommuGroups(paths), unreadable("IOMMU group 1: needs root"));
});

test("IOMMU units are those of the recording", () => {
  assert.deepEqual(
    readIommuUnits(buildRecordedTree(`${directory.path}/amd`, "good-amd", "snap-before")),
    read(["ivhd0"]),
  );
  assert.deepEqual(
    readIommuUnits(buildRecordedTree(`${directory.path}/off`, "iommu-off", "snap-before")),
    read([]),
  );
});

test("a card more moves the numbers of the groups, and the facts of the others stay the same", () => {
  const facts = (name: string, first: number, extra: boolean) => {
    const gpu = syntheticDevice({
      bdf: `0000:0${first}:00.0`,
      id: "10de:2805",
      classCode: "030000",
      group: first,
    });
    const nic = syntheticDevice({ bdf: "0000:01:00.0", id: "8086:10d3", classCode: "020000", group: 1 });
    const paths = buildHostTree(`${directory.path}/${name}`, {
      devices: extra ? [nic, gpu] : [gpu],
      groups: [
        ...(extra ? [{ id: 1, type: "DMA", members: [nic.bdf], reservedRegions: "" }] : []),
        { id: first, type: "DMA", members: [gpu.bdf], reservedRegions: "0x1000 0x1fff direct\n" },
      ],
    });
    return iommuFacts({
      groups: readIommuGroups(paths),
      devices: readPciDevices(paths),
      units: readIommuUnits(paths),
      interruptRemapping: read(true),
    });
  };
  const before = facts("without", 1, false);
  const after = facts("with", 2, true);
  const gpuFacts = (list: typeof before) => list.filter(({ key }) => key.includes("10de:2805"));
  assert.equal(gpuFacts(before).length, 3);
  assert.deepEqual(gpuFacts(after), gpuFacts(before));
  assert.ok(after.some(({ key }) => key.includes("8086:10d3")));
});

test("what cannot be read is one unknown fact that speaks for all below it", () => {
  const secret = unreadable("needs root");
  const facts = iommuFacts({ groups: secret, devices: secret, units: secret, interruptRemapping: secret });
  assert.deepEqual(
    facts.map(({ key, value }) => [key, value.state]),
    [
      ["iommu.units", "unknown"],
      ["iommu.interrupt-remapping", "unknown"],
      ["iommu.default-domain", "unknown"],
      ["iommu.tlb-invalidation", "unknown"],
      ["iommu.group", "unknown"],
    ],
  );
});

test("what the kernel said at boot about domains is a fact", () => {
  const facts = iommuFacts({
    groups: read(new Map()),
    devices: read(new Map()),
    units: read([]),
    interruptRemapping: read(false),
    kernelLines: read([
      "iommu: Default domain type: Passthrough (set via kernel command line)",
      "iommu: DMA domain TLB invalidation policy: lazy mode",
    ]),
  });
  assert.deepEqual(Object.fromEntries(facts.map(({ key, value }) => [key, value])), {
    "iommu.units": { state: "absent" },
    "iommu.interrupt-remapping": { state: "value", value: "off" },
    "iommu.default-domain": { state: "value", value: "Passthrough (set via kernel command line)" },
    "iommu.tlb-invalidation": { state: "value", value: "lazy mode" },
    "iommu.group": { state: "absent" },
  });
});
