import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { indexFacts, truthsOf } from "../../src/answer/host-truths.ts";
import { collectFacts } from "../../src/facts/facts-of-host.ts";
import { createHostMemory } from "../../src/host/host-memory.ts";
import { readHostState } from "../../src/host/host-state.ts";
import type { FactValue } from "../../src/model/fact.ts";
import { parseBdf, vmName } from "../../src/model/identifiers.ts";
import { createHostTree, type HostTree } from "../helpers/host-tree.ts";

const PORT = "/sys/bus/pci/devices/0000:00:01.1";
const CARD = "/sys/bus/pci/devices/0000:03:00.0";
const KEY = "pci.1002:744c/1849:5315";
/** BAR 0 of 256 MiB at 0xd0000000. */
const RESOURCE = "0x00000000d0000000 0x00000000dfffffff 0x000000000014220c\n";

/** A classic configuration space of a port that trains its link up to a speed (1: 2.5 GT/s, 4: 16), and behind it ACS with this control register as the second extended capability. */
function configSpace(control: number | undefined, speed = 4): Buffer {
  const space = Buffer.alloc(0x300);
  // Power management first, then PCI Express of the second version with its Link Control 2.
  space.writeUInt8(0x50, 0x34);
  space.writeUInt16LE(0x5801, 0x50);
  space.writeUInt32LE(0x0042_0010, 0x58);
  space.writeUInt8(speed, 0x88);
  space.writeUInt32LE(control === undefined ? 0x00010001 : 0x14810001, 0x100);
  if (control !== undefined) {
    space.writeUInt32LE(0x0001000d, 0x148);
    space.writeUInt16LE(control, 0x14e);
  }
  return space;
}

function host(
  context: TestContext,
  driver: string,
  files: Readonly<Record<string, string | Buffer>> = {},
): HostTree {
  return createHostTree(context, {
    [`${PORT}/uevent`]: "PCI_CLASS=60400\nPCI_ID=1022:14DB\nPCI_SUBSYS_ID=1022:1453\n",
    [`${PORT}/secondary_bus_number`]: "3\n",
    [`${PORT}/subordinate_bus_number`]: "3\n",
    [`${PORT}/config`]: configSpace(0b10_1101),
    [`${CARD}/uevent`]: `DRIVER=${driver}\nPCI_CLASS=30000\nPCI_ID=1002:744C\nPCI_SUBSYS_ID=1849:5315\n`,
    [`${CARD}/resource`]: RESOURCE,
    [`${CARD}/max_link_width`]: "16\n",
    [`${CARD}/max_link_speed`]: "16.0 GT/s PCIe\n",
    [`${CARD}/current_link_width`]: "8\n",
    ...files,
  });
}

function factsIn({ paths }: HostTree, memory = createHostMemory()): ReadonlyMap<string, FactValue> {
  return new Map(collectFacts({ paths, memory }).map(({ key, value }) => [key, value]));
}
const said = (facts: ReadonlyMap<string, FactValue>, key: string) => {
  const value = facts.get(key);
  return value?.state === "value" ? value.value : value?.state;
};

describe("who else has a GPU's memory window", () => {
  const IOMEM = [
    "d0000000-dfffffff : PCI Bus 0000:03",
    "  d0000000-dfffffff : 0000:03:00.0",
    "    d0000000-d02fffff : BOOTFB",
    "      d0000000-d02fffff : simpledrm",
    "e0000000-e00fffff : efifb",
    "",
  ].join("\n");

  test("is named by /proc/iomem, also to the advice", (context) => {
    const tree = host(context, "vfio-pci", { "/proc/iomem": IOMEM });
    const facts = collectFacts({ paths: tree.paths });
    assert.deepEqual(said(factsIn(tree), `${KEY}.window-users`), ["BOOTFB", "simpledrm"]);
    const bdf = parseBdf("0000:03:00.0");
    assert.ok(bdf !== undefined);
    const truths = truthsOf(indexFacts({ id: "now", facts }), vmName("any"), [bdf]);
    assert.deepEqual(truths.windowUsers, ["BOOTFB", "simpledrm"]);
  });

  test("is neither VFIO nor the host's own driver, and nobody where nothing else is inside", (context) => {
    const own = IOMEM.replaceAll(/BOOTFB|simpledrm/g, "amdgpu");
    assert.equal(
      said(factsIn(host(context, "amdgpu", { "/proc/iomem": own })), `${KEY}.window-users`),
      "absent",
    );
    const vfio = IOMEM.replaceAll(/BOOTFB|simpledrm/g, "vfio-pci");
    assert.equal(
      said(factsIn(host(context, "vfio-pci", { "/proc/iomem": vfio })), `${KEY}.window-users`),
      "absent",
    );
  });

  test("is not known to others than root, who are shown noughts", (context) => {
    const hidden = IOMEM.replaceAll(/[0-9a-f]{8}-[0-9a-f]{8}/g, "00000000-00000000");
    assert.deepEqual(
      factsIn(host(context, "vfio-pci", { "/proc/iomem": hidden })).get(`${KEY}.window-users`),
      {
        state: "unknown",
        why: "needs root",
      },
    );
  });
});

describe("a GPU's own BIOS", () => {
  test("is what amdgpu or NVIDIA's driver shows", (context) => {
    const amd = host(context, "amdgpu", { [`${CARD}/vbios_version`]: "113-D7020100-102\n" });
    assert.equal(said(factsIn(amd), `${KEY}.video-bios`), "113-D7020100-102");
    const nvidia = host(context, "nvidia", {
      "/proc/driver/nvidia/gpus/0000:03:00.0/information":
        "Model: \t\t NVIDIA GeForce RTX 4060 Ti\nIRQ:   \t\t 120\nVideo BIOS: \t 95.06.2f.00.9d\nBus Type: \t PCIe\n",
    });
    assert.equal(said(factsIn(nvidia), `${KEY}.video-bios`), "95.06.2f.00.9d");
  });

  test("is not asked of a card that sleeps, and not told of one that a VM has", (context) => {
    const sleeping = host(context, "amdgpu", {
      [`${CARD}/vbios_version`]: "113-D7020100-102\n",
      [`${CARD}/power/runtime_status`]: "suspended\n",
    });
    assert.equal(said(factsIn(sleeping), `${KEY}.video-bios`), "unknown");
    assert.equal(factsIn(host(context, "vfio-pci")).has(`${KEY}.video-bios`), false);
  });
});

describe("the ports above a device", () => {
  test("are told with what they have switched on of ACS, once a boot", (context) => {
    const tree = host(context, "vfio-pci");
    const memory = createHostMemory();
    assert.deepEqual(said(factsIn(tree, memory), `${KEY}.acs-of-path`), ["SV RR CR EC"]);
    tree.write(`${PORT}/config`, configSpace(0));
    assert.deepEqual(said(factsIn(tree, memory), `${KEY}.acs-of-path`), ["SV RR CR EC"]);
    assert.deepEqual(said(factsIn(tree), `${KEY}.acs-of-path`), ["off"]);
  });

  test("may have none of it, and are neither woken nor read without root", (context) => {
    const tree = host(context, "vfio-pci", { [`${PORT}/config`]: configSpace(undefined) });
    assert.deepEqual(said(factsIn(tree), `${KEY}.acs-of-path`), ["none"]);
    tree.write(`${PORT}/config`, configSpace(1).subarray(0, 64));
    assert.deepEqual(factsIn(tree).get(`${KEY}.acs-of-path`), {
      state: "unknown",
      why: "0000:00:01.1: needs root",
    });
    tree.write(`${PORT}/config`, configSpace(1));
    tree.write(`${PORT}/power/runtime_status`, "suspended\n");
    tree.write(`${PORT}/pci_bus/0000:03/cpuaffinity`, "1\n");
    assert.equal(said(factsIn(tree), `${KEY}.acs-of-path`), "unknown");
  });
});

describe("the link", () => {
  const now = (tree: HostTree, device: string) => {
    const bdf = parseBdf(device);
    return bdf === undefined ? [] : (readHostState({ paths: tree.paths }).linksNow?.(bdf) ?? []);
  };
  const PORT_LINK = { [`${PORT}/max_link_width`]: "16\n", [`${PORT}/max_link_speed`]: "32.0 GT/s PCIe\n" };

  test("is known by what the device and the port above it could at most", (context) => {
    const facts = factsIn(host(context, "vfio-pci", PORT_LINK));
    assert.equal(said(facts, `${KEY}.link-at-most`), "x16, 16.0 GT/s PCIe");
    assert.equal(said(facts, `${KEY}.port-link-at-most`), "x16, 32.0 GT/s PCIe");
    assert.equal(factsIn(host(context, "vfio-pci")).has(`${KEY}.port-link-at-most`), false);
  });

  test("runs at a failure with what device and port say then, and nothing is woken for it", (context) => {
    const tree = host(context, "vfio-pci", {
      ...PORT_LINK,
      [`${CARD}/current_link_speed`]: "2.5 GT/s PCIe\n",
      [`${PORT}/current_link_width`]: "8\n",
      [`${PORT}/current_link_speed`]: "2.5 GT/s PCIe\n",
    });
    assert.deepEqual(now(tree, "0000:03:00.0"), [
      `${CARD}: the link runs with x8, 2.5 GT/s PCIe (at most x16, 16.0 GT/s PCIe)`,
      `${PORT}: the link runs with x8, 2.5 GT/s PCIe (at most x16, 32.0 GT/s PCIe)`,
    ]);
    tree.write(`${CARD}/current_link_width`, "63\n");
    tree.write(`${CARD}/current_link_speed`, "Unknown\n");
    tree.write(`${PORT}/current_link_width`, "0\n");
    assert.deepEqual(now(tree, "0000:03:00.0"), [
      `${CARD}: the link does not answer (at most x16, 16.0 GT/s PCIe)`,
      `${PORT}: the link is down (at most x16, 32.0 GT/s PCIe)`,
    ]);
    // A function that is gone leaves the port that it hung on.
    assert.deepEqual(now(tree, "0000:03:00.7"), now(tree, "0000:03:00.0").slice(1));
    tree.write(`${PORT}/power/runtime_status`, "suspended\n");
    tree.write(`${PORT}/pci_bus/0000:03/cpuaffinity`, "1\n");
    assert.deepEqual(now(tree, "0000:03:00.7"), []);
  });
});

describe("a sleeping function's registers", () => {
  test("are not read, and read when it is awake; a bridge's bus is known by its directory", (context) => {
    const tree = host(context, "amdgpu", {
      [`${CARD}/power/runtime_status`]: "suspended\n",
      [`${PORT}/power/runtime_status`]: "suspended\n",
      [`${PORT}/secondary_bus_number`]: "255\n",
      [`${PORT}/pci_bus/0000:03/cpuaffinity`]: "1\n",
    });
    const memory = createHostMemory();
    const asleep = factsIn(tree, memory);
    assert.equal(asleep.has(`${KEY}.link-at-most`), false);
    // Not "absent", as it would be were the card on a root bus.
    assert.equal(said(asleep, `${KEY}.acs-of-path`), "unknown");
    tree.write(`${CARD}/power/runtime_status`, "active\n");
    assert.equal(said(factsIn(tree, memory), `${KEY}.link-at-most`), "x16, 16.0 GT/s PCIe");
    assert.equal(said(factsIn(tree, memory), `${KEY}.link-width`), "x8");
    // What it once said is kept, and it is not asked again.
    tree.write(`${CARD}/max_link_speed`, "Unknown\n");
    tree.write(`${CARD}/power/runtime_status`, "suspended\n");
    assert.equal(said(factsIn(tree, memory), `${KEY}.link-at-most`), "x16, 16.0 GT/s PCIe");
    assert.equal(said(factsIn(tree, memory), `${KEY}.link-width`), "unknown");
  });
});

describe("memory encryption", () => {
  const flags = (words: string) => ({ "/proc/cpuinfo": `processor\t: 0\nflags\t\t: fpu ${words} svm\n` });

  test("is in use where the firmware allows it and the kernel was told to", (context) => {
    const tree = host(context, "amdgpu", {
      ...flags("sme sev"),
      "/proc/cmdline": "quiet mem_encrypt=on\n",
      "/sys/module/kvm_amd/parameters/sev": "Y\n",
      "/sys/module/kvm_amd/parameters/sev_es": "N\n",
    });
    assert.equal(said(factsIn(tree), "kernel.memory-encryption.sme"), "on");
    assert.deepEqual(said(factsIn(tree), "kernel.memory-encryption.sev"), ["SEV"]);
    tree.write("/proc/cmdline", "quiet\n");
    assert.equal(said(factsIn(tree), "kernel.memory-encryption.sme"), "off");
  });

  test("is absent where the processor or the firmware has none", (context) => {
    const tree = host(context, "amdgpu", { ...flags(""), "/proc/cmdline": "mem_encrypt=on\n" });
    assert.equal(said(factsIn(tree), "kernel.memory-encryption.sme"), "absent");
    assert.equal(said(factsIn(tree), "kernel.memory-encryption.sev"), "absent");
  });
});

describe("the speed that a port trains its link up to", () => {
  const target = `${KEY}.port-speed-target`;

  test("is told, and read again, for a reset may have lowered it", (context) => {
    const tree = host(context, "vfio-pci");
    const memory = createHostMemory();
    assert.equal(said(factsIn(tree, memory), target), "16.0 GT/s");
    tree.write(`${PORT}/config`, configSpace(0, 1));
    assert.equal(said(factsIn(tree, memory), target), "2.5 GT/s");
  });

  test("is not known of a port that sleeps, without root, and of one that has gone", (context) => {
    const asleep = host(context, "vfio-pci", {
      [`${PORT}/power/runtime_status`]: "suspended\n",
      [`${PORT}/pci_bus/0000:03/cpuaffinity`]: "1\n",
    });
    assert.equal(said(factsIn(asleep), target), "unknown");
    const others = host(context, "vfio-pci", { [`${PORT}/config`]: configSpace(0).subarray(0, 64) });
    assert.equal(said(factsIn(others), target), "unknown");
    const gone = Buffer.alloc(0x100, 0xff);
    assert.equal(said(factsIn(host(context, "vfio-pci", { [`${PORT}/config`]: gone })), target), "unknown");
  });

  test("is absent of a port that has no such register", (context) => {
    const first = configSpace(0);
    first.writeUInt32LE(0x0041_0010, 0x58);
    assert.equal(said(factsIn(host(context, "vfio-pci", { [`${PORT}/config`]: first })), target), "absent");
  });
});
