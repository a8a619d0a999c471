import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, test } from "node:test";
import { PCI } from "../../src/facts/kinds/pci.ts";
import type { HostReading } from "../../src/host/host-reading.ts";
import { type PciFunction, parsePciUevent, readPciDevices } from "../../src/host/pci-devices.ts";
import { identifyPciDevices } from "../../src/host/pci-identity.ts";
import { createPciNames, findPciNames } from "../../src/host/pci-names.ts";
import { describeBar, largestResize, parsePciResource } from "../../src/host/pci-resources.ts";
import { absent, unreadable } from "../../src/model/reading.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { factsFrom, shownValues } from "../helpers/facts.ts";
import {
  bdf,
  buildRecordedTree,
  type SyntheticDevice,
  syntheticDevice,
  temporaryDirectory,
} from "../helpers/recorded-tree.ts";

const directory = temporaryDirectory();
after(() => directory.remove());

let trees = 0;
function treeOf(...devices: readonly SyntheticDevice[]) {
  trees += 1;
  return buildHostTree(`${directory.path}/${trees}`, { devices: devices.map(syntheticDevice) });
}

function functionsOf(...devices: readonly SyntheticDevice[]): readonly PciFunction[] {
  const found = readPciDevices(treeOf(...devices));
  assert.ok(found.state === "read");
  return [...found.value.values()];
}

const asRecord = shownValues;
const pciFacts = (devices: HostReading["devices"]) => factsFrom({ devices }, PCI);

const UNUSED = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
const GPU: SyntheticDevice = {
  bdf: "0000:01:00.0",
  id: "10de:2805",
  subsystem: "1462:5174",
  classCode: "030000",
  driver: "vfio-pci",
  group: 14,
  attributes: {
    boot_vga: "1\n",
    reset_method: "flr bus\n",
    d3cold_allowed: "1\n",
    driver_override: "vfio-pci\n",
    power_state: "D3hot\n",
    current_link_speed: "2.5 GT/s PCIe\n",
    resource:
      "0x00000000fb000000 0x00000000fbffffff 0x0000000000040200\n" +
      "0x000000f800000000 0x000000fbffffffff 0x000000000014220c\n" +
      UNUSED +
      "0x000000fc00000000 0x000000fc01ffffff 0x000000000014220c\n" +
      UNUSED +
      "0x000000000000f000 0x000000000000f07f 0x0000000000040101\n" +
      "0x00000000fc000000 0x00000000fc07ffff 0x0000000000046200\n" +
      UNUSED.repeat(6),
    resource1_resize: "0000000000007fc0\n",
  },
};
const SOUND: SyntheticDevice = {
  bdf: "0000:01:00.1",
  id: "10de:22bd",
  subsystem: "1462:5174",
  classCode: "040300",
  group: 14,
};

test("a function is read with all that a VM's owner may ask about it", () => {
  const [gpu, sound] = functionsOf(SOUND, GPU);
  assert.deepEqual(gpu, {
    bdf: "0000:01:00.0",
    vendorId: "10de",
    deviceId: "2805",
    subsystemVendorId: "1462",
    subsystemDeviceId: "5174",
    classCode: "030000",
    driver: "vfio-pci",
    driverOverride: "vfio-pci",
    iommuGroup: 14,
    bootVga: true,
    bars: [
      { kind: "memory", start: 0xfb000000, size: 16 * 2 ** 20, prefetchable: false },
      { kind: "memory", start: 0xf800000000, size: 16 * 2 ** 30, prefetchable: true },
      { kind: "memory", start: 0xfc00000000, size: 32 * 2 ** 20, prefetchable: true },
      { kind: "io", start: 0xf000, size: 128, prefetchable: false },
    ],
    largestBarSize: 16 * 2 ** 30,
    resetMethods: ["flr", "bus"],
    d3coldAllowed: true,
  });
  assert.deepEqual(sound, {
    bdf: "0000:01:00.1",
    vendorId: "10de",
    deviceId: "22bd",
    subsystemVendorId: "1462",
    subsystemDeviceId: "5174",
    classCode: "040300",
    iommuGroup: 14,
    resetMethods: [],
  });
});

test("facts name the device, not the place, and leave out what comes and goes", () => {
  const found = readPciDevices(treeOf(GPU, SOUND));
  assert.deepEqual(asRecord(pciFacts(found)), {
    "pci.10de:2805/1462:5174.address": "0000:01:00.0",
    "pci.10de:2805/1462:5174.class": "030000 graphics (VGA)",
    "pci.10de:2805/1462:5174.driver": "vfio-pci",
    "pci.10de:2805/1462:5174.driver-override": "vfio-pci",
    "pci.10de:2805/1462:5174.group": "14",
    "pci.10de:2805/1462:5174.boot-vga": "yes",
    "pci.10de:2805/1462:5174.bars":
      "16 MiB, 16 GiB prefetchable above 4 GB, 32 MiB prefetchable above 4 GB, 128 B I/O",
    "pci.10de:2805/1462:5174.resizable-bar": "in effect, 16 GiB",
    "pci.10de:2805/1462:5174.reset-methods": "flr, bus",
    "pci.10de:2805/1462:5174.d3cold-allowed": "yes",
    "pci.10de:22bd/1462:5174.address": "0000:01:00.1",
    "pci.10de:22bd/1462:5174.class": "040300 audio device",
    "pci.10de:22bd/1462:5174.driver": "(absent)",
    "pci.10de:22bd/1462:5174.driver-override": "(absent)",
    "pci.10de:22bd/1462:5174.group": "14",
    "pci.10de:22bd/1462:5174.bars": "(unknown)",
    "pci.10de:22bd/1462:5174.reset-methods": "(absent)",
  });
});

test("a device that moves to another bus changes its address and nothing else", () => {
  const before = asRecord(pciFacts(readPciDevices(treeOf(GPU, SOUND))));
  const after = asRecord(
    pciFacts(readPciDevices(treeOf({ ...GPU, bdf: "0000:03:00.0" }, { ...SOUND, bdf: "0000:03:00.1" }))),
  );
  assert.deepEqual(Object.keys(after), Object.keys(before));
  assert.deepEqual(
    Object.keys(after).filter((key) => after[key] !== before[key]),
    ["pci.10de:2805/1462:5174.address", "pci.10de:22bd/1462:5174.address"],
  );
});

test("equal devices are counted in the order of their addresses", () => {
  const functions = functionsOf(
    { ...SOUND, bdf: "0000:0a:00.0" },
    { ...SOUND, bdf: "0000:02:00.0" },
    { ...SOUND, bdf: "0000:02:00.1", subsystem: "1043:8888" },
  );
  assert.deepEqual(Object.fromEntries(identifyPciDevices(functions)), {
    "0000:02:00.0": "10de:22bd/1462:5174",
    "0000:02:00.1": "10de:22bd/1043:8888",
    "0000:0a:00.0": "10de:22bd/1462:5174#2",
  });
});

test("whether a resizable BAR is in effect is told from the kernel's sizes, or from more than 256 MiB", () => {
  const resizable = (size: string, attributes: Record<string, string>) =>
    asRecord(
      pciFacts(
        readPciDevices(
          treeOf({
            ...GPU,
            attributes: { resource: `0x000000f800000000 ${size} 0x000000000014220c\n`, ...attributes },
          }),
        ),
      ),
    )["pci.10de:2805/1462:5174.resizable-bar"];
  assert.equal(resizable("0x000000f80fffffff", {}), "not in effect, 256 MiB");
  assert.equal(resizable("0x000000fbffffffff", {}), "in effect, 16 GiB");
  assert.equal(
    resizable("0x000000f80fffffff", { resource0_resize: "0000000000007fc0" }),
    "not in effect, 256 MiB",
  );
});

test("resource lines and masks of another shape are left out", () => {
  assert.deepEqual(parsePciResource("nonsense\n0x1 0x0 0x200\n0x1 0x2\n"), []);
  assert.equal(largestResize("0x10"), undefined);
  assert.equal(largestResize("0000000000000000"), undefined);
  assert.equal(largestResize("0000000000000100"), 256 * 2 ** 20);
  assert.equal(describeBar({ kind: "memory", start: 0, size: 1536, prefetchable: false }), "1536 B");
});

test("an uevent without the ids of a PCI function is refused", () => {
  assert.equal(parsePciUevent(""), undefined);
  assert.equal(parsePciUevent("PCI_ID=10DE:2805\n"), undefined);
  assert.equal(parsePciUevent("PCI_CLASS=30000\nPCI_ID=10DE\n"), undefined);
  assert.equal(parsePciUevent("PCI_CLASS=30000\nPCI_ID=10DE:2805\n")?.classCode, "030000");
  assert.equal(parsePciUevent("PCI_CLASS=600\nPCI_ID=8086:29C0\n")?.classCode, "000600");
});

test("a device that cannot be read makes the list unreadable, one that is gone is left out", () => {
  const paths = treeOf(GPU, SOUND);
  mkdirSync(paths.at("/sys/bus/pci/devices/0000:05:00.0"));
  const found = readPciDevices(paths);
  assert.ok(found.state === "read" && found.value.size === 2);
  mkdirSync(paths.at("/sys/bus/pci/devices/0000:06:00.0/uevent"), { recursive: true });
  assert.deepEqual(readPciDevices(paths), unreadable("0000:06:00.0: is a directory, not a file"));
  assert.deepEqual(asRecord(pciFacts(readPciDevices(paths))), { pci: "(unknown)" });
  assert.deepEqual(readPciDevices(buildHostTree(`${directory.path}/none`, {})), absent);
});

const DATABASE = `#\n# List of PCI ID's
10de  NVIDIA Corporation
\t2805  AD106 [GeForce RTX 4060 Ti 16GB]
\t\t1462 5174  Some card
\t22bd  AD106M High Definition Audio Controller
1462  Micro-Star International Co., Ltd. [MSI]
\t2805  Not this one
C 03  Display controller
\t00  VGA compatible controller
`;

test("names come from pci.ids, of vendor and device together", () => {
  const database = Buffer.from(DATABASE);
  assert.deepEqual(
    [...findPciNames(database, ["10de:2805", "10de:ffff", "1462:5174", "ffff:2805"])],
    [["10de:2805", "NVIDIA Corporation AD106 [GeForce RTX 4060 Ti 16GB]"]],
  );
  const paths = buildHostTree(`${directory.path}/names`, {
    devices: [GPU, SOUND].map(syntheticDevice),
    files: { "/usr/share/misc/pci.ids": DATABASE },
  });
  const found = readPciDevices(paths, createPciNames(paths));
  assert.ok(found.state === "read");
  assert.equal(found.value.get(bdf("01:00.0"))?.name, "NVIDIA Corporation AD106 [GeForce RTX 4060 Ti 16GB]");
  assert.equal(
    asRecord(pciFacts(found))["pci.10de:22bd/1462:5174.name"],
    found.value.get(bdf("01:00.1"))?.name,
  );
});

test("comments and empty lines between devices, as pci.ids has them, hide none of them", () => {
  const database = Buffer.from(
    "10de  NVIDIA\n# made for others\n\t0020  NV4\n\t\t1043 0200  Some card\n\n# not sure\n\t2805  AD106\n1462  MSI\n",
  );
  assert.deepEqual(
    [...findPciNames(database, ["10de:2805", "10de:0020", "1462:2805"]).values()],
    ["NVIDIA NV4", "NVIDIA AD106"],
  );
});

test("a hostile pci.ids cannot put control characters or novels into names", () => {
  const database = Buffer.from(`10de  Bad\u001b[31m\u0007${"x".repeat(5000)}\n\t2805  Card\r\n`);
  const name = findPciNames(database, ["10de:2805"]).get("10de:2805") ?? "";
  assert.ok(name.length < 260 && name.startsWith("Bad [31m xxx") && name.endsWith(" Card"));
});

test("the recorded machine's devices are all there, the IOMMU's own outside of any group", () => {
  const found = readPciDevices(buildRecordedTree(`${directory.path}/amd`, "ivmd-amd", "snap-before"));
  assert.ok(found.state === "read");
  assert.equal(found.value.size, 15);
  assert.equal(found.value.get(bdf("00:01.0"))?.iommuGroup, undefined);
  assert.equal(found.value.get(bdf("00:02.0"))?.secondaryBus, 1);
  assert.deepEqual(
    found.value.get(bdf("01:00.0"))?.bars?.map(({ size }) => size),
    [16 * 2 ** 20, 4096],
  );
});
