import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { diffSnapshots } from "../../src/facts/diff-snapshots.ts";
import { collectFacts } from "../../src/facts/facts-of-host.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { FACT_GROUPS, type Snapshot } from "../../src/model/fact.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { read } from "../../src/model/reading.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { createHostTree } from "../helpers/host-tree.ts";
import { bdf, buildRecordedTree, syntheticDevice, temporaryDirectory } from "../helpers/recorded-tree.ts";

function snapshotOfRecording(context: TestContext, ...recording: readonly string[]): Snapshot {
  const directory = temporaryDirectory();
  context.after(directory.remove);
  return makeSnapshot(
    collectFacts({ paths: buildRecordedTree(directory.path, ...recording), definitions: read([]) }),
  );
}

test("a BIOS update and the way back change firmware, tables and regions, and nothing else", (context) => {
  const [first, second, third] = ["boot1-good-start-amd", "boot2-ivmd-amd", "boot3-good-start-amd"].map(
    (boot) => snapshotOfRecording(context, "bios-update", boot, "snap-before"),
  );
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const update = diffSnapshots(first, second);
  assert.deepEqual(
    update.map(({ group, sentence }) => `${group}: ${sentence.replace(/[0-9a-f]{16}/g, "…")}`),
    [
      "firmware: BIOS E7E49AMSI.1A63 (2026-02-10) → E7E49AMSI.1A95 (2026-06-18)",
      "firmware-tables: IVRS now contains a 1:1 demand: IVMD type 22h, flags 07h (unity, read, write), devices 0000:01:00.0-0000:01:00.1, memory 0x7fff0000-0x7fff7fff",
      "iommu: IOMMU group of graphics (VGA) 1234:1111 (0000:01:00.0) gained a direct region 0x7fff0000-0x7fff7fff",
    ],
  );
  assert.deepEqual(
    update[0]?.also?.map(({ key }) => key),
    ["firmware.bios.date", "firmware-tables.IVRS.oem-revision", "firmware-tables.IVRS.sha256"],
  );
  const back = diffSnapshots(second, third);
  assert.deepEqual(
    back.map(({ key, before: from, after: to }) => [key, to, from]),
    update.map(({ key, before: from, after: to }) => [key, from, to]),
  );
  assert.equal(third.id, first.id);
});

const WINDOWS: VmDefinition = {
  name: vmName("Windows 11"),
  uuid: "8c4731f1-a528-8444-bb25-10ff8d967cc3",
  machine: "pc-q35-9.2",
  firmware: "uefi",
  memoryKiB: 16 * 1024 * 1024,
  hugepages: false,
  hostDevices: ["0000:01:00.0", "0000:01:00.1"].map((address) => ({ bdf: bdf(address), managed: true })),
};

const SEED_FILES: Readonly<Record<string, string>> = {
  "/proc/cmdline":
    "pcie_acs_override=downstream,multifunction amd_iommu=on iommu.passthrough=1 vfio-pci.ids=10de:2805,10de:22bd video=efifb:off\n",
  "/proc/sys/kernel/osrelease": "6.12.54-Unraid\n",
  "/etc/unraid-version": 'version="7.2.3"\n',
  "/boot/limine.conf":
    "/Unraid OS\n    protocol: linux\n    kernel_path: boot():/bzimage\n    module_path: boot():/bzroot\n    cmdline: pcie_acs_override=downstream,multifunction amd_iommu=on iommu.passthrough=1 vfio-pci.ids=10de:2805,10de:22bd video=efifb:off\n    comment: Unraid OS\n",
  "/boot/syslinux/syslinux.cfg":
    "default menu.c32\nlabel Unraid OS\n  menu default\n  kernel /bzimage\n  append amd_iommu=on vfio-pci.ids=10de:2805,10de:22bd initrd=/bzroot\n",
  "/boot/config/vfio-pci.cfg": "BIND=0000:01:00.0|10de:2805 0000:01:00.1|10de:22bd\n",
};

function seedHost(context: TestContext, changed: Readonly<Record<string, string>> = {}, bus = "01") {
  const directory = temporaryDirectory();
  context.after(directory.remove);
  const gpu = { subsystem: "1462:5174", driver: "vfio-pci", group: 14 };
  return buildHostTree(directory.path, {
    devices: [
      syntheticDevice({ ...gpu, bdf: `0000:${bus}:00.0`, id: "10de:2805", classCode: "030000" }),
      syntheticDevice({ ...gpu, bdf: `0000:${bus}:00.1`, id: "10de:22bd", classCode: "040300" }),
    ],
    groups: [
      {
        id: 14,
        type: "identity",
        members: [`0000:${bus}:00.0`, `0000:${bus}:00.1`].map(bdf),
        reservedRegions:
          "0x000000007fff0000 0x000000007fff0fff direct\n0x00000000fee00000 0x00000000feefffff msi\n",
      },
    ],
    dmi: new Map([
      ["bios_version", "E7E49AMSI.1A7D"],
      ["bios_date", "01/07/2026"],
      ["board_name", "MPG X870E CARBON WIFI (MS-7E49)"],
    ]),
    files: { ...SEED_FILES, ...changed },
  });
}

test("the host that this project began with is told as it was", (context) => {
  const facts = collectFacts({ paths: seedHost(context), definitions: read([WINDOWS]) });
  const told = new Map(
    facts.map(({ key, value }) => [key, value.state === "value" ? value.value : value.state]),
  );
  for (const [key, value] of [
    ["firmware.bios.version", "E7E49AMSI.1A7D"],
    ["firmware.bios.date", "01/07/2026"],
    ["boot-loader./boot/limine.conf.in-effect", "yes"],
    ["boot-loader./boot/syslinux/syslinux.cfg.in-effect", "no, another boot loader runs"],
    ["vfio-setup.device.0000:01:00.0", "bound by vfio-pci.cfg and by vfio-pci.ids"],
    ["vfio-setup.device.0000:01:00.1", "bound by vfio-pci.cfg and by vfio-pci.ids"],
    ["iommu.group.10de:2805/1462:5174.type", "identity"],
    ["iommu.group.10de:2805/1462:5174.direct", ["0x7fff0000-0x7fff0fff"]],
    // The VM manages it, so its driver of the moment is no fact.
    ["pci.10de:2805/1462:5174.driver", "unknown"],
    ["kernel.parameter.vfio-pci%2eids", "10de:2805,10de:22bd"],
    ["vm.Windows 11.machine", "pc-q35-9.2"],
    ["software.os.version", "7.2.3"],
  ] as const) {
    assert.deepEqual(told.get(key), value, key);
  }
});

test("what the person changed on that host is what the difference says", (context) => {
  const before = makeSnapshot(collectFacts({ paths: seedHost(context), definitions: read([WINDOWS]) }));
  const after = makeSnapshot(
    collectFacts({
      paths: seedHost(context, { "/boot/config/vfio-pci.cfg": "\n" }),
      definitions: read([{ ...WINDOWS, machine: "pc-i440fx-9.2", uuid: "other" }]),
    }),
  );
  assert.deepEqual(
    diffSnapshots(before, after).map(({ sentence }) => sentence),
    [
      "BIND in vfio-pci.cfg: 0000:01:00.0|10de:2805, 0000:01:00.1|10de:22bd → none",
      "VFIO binding of 0000:01:00.0: bound by vfio-pci.cfg and by vfio-pci.ids → bound by vfio-pci.ids",
      "VFIO binding of 0000:01:00.1: bound by vfio-pci.cfg and by vfio-pci.ids → bound by vfio-pci.ids",
      "VM 'Windows 11' was made anew, under another UUID",
      "VM 'Windows 11', machine: pc-q35-9.2 → pc-i440fx-9.2",
    ],
  );
});

test("a card that got another bus moved, and its group is still its group", (context) => {
  const before = makeSnapshot(collectFacts({ paths: seedHost(context), definitions: read([WINDOWS]) }));
  const after = makeSnapshot(
    collectFacts({ paths: seedHost(context, {}, "03"), definitions: read([WINDOWS]) }),
  );
  const changes = diffSnapshots(before, after);
  assert.deepEqual(
    changes.filter(({ group }) => group === "pci" || group === "iommu").map(({ sentence }) => sentence),
    [
      "Graphics (VGA) 10de:2805 moved 0000:01:00.0 → 0000:03:00.0",
      "Audio device 10de:22bd moved 0000:01:00.1 → 0000:03:00.1",
    ],
  );
  assert.ok(changes.some(({ key }) => key === "vfio-setup.unmatched"));
});

test("a tree with nothing in it is unknown in every group and changes nothing", (context) => {
  const empty = collectFacts({ paths: createHostTree(context).paths });
  assert.deepEqual(new Set(empty.map(({ value }) => value.state)), new Set(["unknown"]));
  assert.deepEqual(new Set(empty.map(({ group }) => group)), new Set(FACT_GROUPS));
  const seed = collectFacts({ paths: seedHost(context), definitions: read([WINDOWS]) });
  assert.deepEqual(diffSnapshots(makeSnapshot(seed), makeSnapshot(empty)), []);
});

test("the machine that runs the tests has no two facts of one key", () => {
  const facts = collectFacts({ paths: createHostPaths("/") });
  assert.equal(new Set(facts.map(({ key }) => key)).size, facts.length);
});
