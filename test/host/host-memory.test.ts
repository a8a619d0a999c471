import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { collectFacts } from "../../src/facts/facts-of-host.ts";
import { createHostMemory } from "../../src/host/host-memory.ts";
import { readHostState } from "../../src/host/host-state.ts";
import { readIommuGroups } from "../../src/host/iommu-groups.ts";
import { readPciDevices } from "../../src/host/pci-devices.ts";
import { createPciNames } from "../../src/host/pci-names.ts";
import { read, valueOr } from "../../src/model/reading.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { bdf, buildRecordedTree, syntheticDevice, temporaryDirectory } from "../helpers/recorded-tree.ts";

const directory = temporaryDirectory();
after(() => directory.remove());

const DEVICE = "/sys/bus/pci/devices/0000:01:00.0";
const GROUP = "/sys/kernel/iommu_groups/8";

test("whatever changes while the host runs, a look with a memory sees what one without sees", () => {
  const paths = buildRecordedTree(`${directory.path}/changing`, "rmrr-intel", "snap-before");
  const memory = createHostMemory();
  const pciNames = createPciNames(paths);
  const file = (path: string, content: string) => writeFileSync(paths.at(path), content);
  const uevent = (driver: string) =>
    `${driver}PCI_CLASS=20000\nPCI_ID=8086:10D3\nPCI_SUBSYS_ID=8086:0000\nPCI_SLOT_NAME=0000:01:00.0\n`;
  /** As the kernel keeps it: every change of driver or BARs shows in it. */
  const overview = (driver: string, bar = "fe8a0000") =>
    file(
      "/proc/bus/pci/devices",
      `0100\t808610d3\t0\t        ${bar}\t               0\t${driver}\n0101\t808610d3\t0\t        fe8c0000\te1000e\n`,
    );
  mkdirSync(paths.at("/proc/bus/pci"), { recursive: true });
  overview("e1000e");
  const rename = (from: string, to: string) => renameSync(paths.at(from), paths.at(to));
  const steps: readonly (readonly [string, () => void])[] = [
    ["nothing", () => {}],
    ["still nothing", () => {}],
    [
      "its driver is unbound",
      () => {
        file(`${DEVICE}/uevent`, uevent(""));
        overview("");
      },
    ],
    [
      "vfio-pci binds it",
      () => {
        file(`${DEVICE}/uevent`, uevent("DRIVER=vfio-pci\n"));
        overview("vfio-pci");
      },
    ],
    ["an override is written", () => file(`${DEVICE}/driver_override`, "vfio-pci\n")],
    [
      "a BAR grows",
      () => {
        file(`${DEVICE}/resource`, "0x4000000000 0x43ffffffff 0x14220c\n");
        overview("vfio-pci", "4000000000");
      },
    ],
    ["its reset methods are chosen", () => file(`${DEVICE}/reset_method`, "flr\n")],
    [
      "it changes its group",
      () => {
        rmSync(paths.at(`${DEVICE}/iommu_group`));
        symlinkSync("../../../kernel/iommu_groups/9", paths.at(`${DEVICE}/iommu_group`));
      },
    ],
    ["it leaves all groups", () => rmSync(paths.at(`${DEVICE}/iommu_group`))],
    ["its group becomes another type", () => file(`${GROUP}/type`, "identity\n")],
    ["its group loses a region", () => file(`${GROUP}/reserved_regions`, "0xfee00000 0xfeefffff msi\n")],
    [
      "its group loses a member",
      () => rmSync(paths.at(`${GROUP}/devices/0000:01:00.1`), { recursive: true }),
    ],
    ["it is removed", () => rename(DEVICE, "/sys/removed")],
    [
      "another one is found in its place",
      () => {
        mkdirSync(paths.at(DEVICE));
        file(`${DEVICE}/uevent`, uevent("DRIVER=e1000e\n"));
        file(`${DEVICE}/d3cold_allowed`, "1\n");
      },
    ],
    [
      "a parameter of a module",
      () => {
        mkdirSync(paths.at("/sys/module/vfio_pci/parameters"), { recursive: true });
        file("/sys/module/vfio_pci/parameters/disable_vga", "Y\n");
      },
    ],
    [
      "a loader's file",
      () => {
        mkdirSync(paths.at("/boot/syslinux"), { recursive: true });
        file("/boot/syslinux/syslinux.cfg", "default a\nlabel a\n  kernel /bzimage\n  append quiet\n");
      },
    ],
  ];
  for (const [name, change] of steps) {
    change();
    assert.deepEqual(
      collectFacts({ paths, pciNames, memory, vms: read([]) }),
      collectFacts({ paths, pciNames, vms: read([]) }),
      name,
    );
    const state = (from: typeof memory | undefined) => {
      const host = readHostState({ paths, pciNames, vms: read([]), ...(from && { memory: from }) });
      // Read when it is asked for.
      return { ...host, linksNow: host.linksNow?.(bdf("01:00.0")) };
    };
    assert.deepEqual(state(memory), state(undefined), name);
  }
});

test("what did not change is not worked out again", () => {
  const paths = buildRecordedTree(`${directory.path}/unchanged`, "rmrr-intel", "snap-before");
  const memory = createHostMemory();
  const look = () => ({
    devices: valueOr(readPciDevices(paths, undefined, memory.pci), new Map()),
    groups: valueOr(readIommuGroups(paths, memory.iommu), new Map()),
  });
  const [first, second] = [look(), look()];
  assert.ok(first.devices.size > 10 && first.groups.size > 8);
  for (const [address, device] of first.devices) assert.equal(second.devices.get(address), device, address);
  for (const [id, group] of first.groups) assert.equal(second.groups.get(id), group, String(id));
});

test("an address that several segments have is not known from the overview", () => {
  const at = (segment: string, driver: string) =>
    syntheticDevice({ bdf: `${segment}:01:00.0`, id: "10de:2805", classCode: "030000", driver });
  const paths = buildHostTree(`${directory.path}/segments`, {
    devices: [at("0000", "nvidia"), at("0001", "nvidia")],
    files: { "/proc/bus/pci/devices": "0100\t10de2805\t0\tnvidia\n0100\t10de2805\t0\tnvidia\n" },
  });
  const { pci } = createHostMemory();
  readPciDevices(paths, undefined, pci);
  const { attributes } = at("0000", "vfio-pci");
  writeFileSync(paths.at(`${DEVICE}/uevent`), attributes.get("uevent") ?? "");
  const found = valueOr(readPciDevices(paths, undefined, pci), new Map());
  assert.equal(found.get(bdf("01:00.0"))?.driver, "vfio-pci");
});

test("a memory keeps nothing of a function that is gone", () => {
  const device = syntheticDevice({ bdf: "0000:01:00.0", id: "10de:2805", classCode: "030000" });
  const paths = buildHostTree(`${directory.path}/gone`, { devices: [device] });
  const { pci } = createHostMemory();
  readPciDevices(paths, undefined, pci);
  assert.deepEqual([...pci.keys()], [bdf("01:00.0")]);
  rmSync(paths.at(DEVICE), { recursive: true });
  readPciDevices(paths, undefined, pci);
  assert.deepEqual([...pci.keys()], []);
});

test("what could not be read yet is tried again, and what cannot change is read once", () => {
  const memory = createHostMemory();
  const answers = [{ state: "unreadable", why: "needs root" } as const, read("A63"), read("A95")];
  const ask = () => memory.onceABoot("BIOS", () => answers.shift() ?? assert.fail("asked once too often"));
  assert.deepEqual(
    [ask(), ask(), ask()].map((answer) => valueOr(answer, "?")),
    ["?", "A63", "A63"],
  );
});
