import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { createHostPaths } from "../../src/host-paths.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import { installedVersion } from "../../src/proxmox/installed-package.ts";
import { parsePciMappings } from "../../src/proxmox/pci-mappings.ts";
import { isProxmoxHost, processExists, readProxmoxVms, runningQemu } from "../../src/proxmox/read-vms.ts";
import { directoryOfTask, parseTaskEnd, parseUpid } from "../../src/proxmox/task.ts";
import { definitionOf, parseVmConfig } from "../../src/proxmox/vm-config.ts";
import { createProxmoxNode } from "../helpers/proxmox-host.ts";
import { temporaryDirectory } from "../sources/observed.ts";

const PRESENT = [
  "0000:01:00.0",
  "0000:01:00.1",
  "0000:02:00.0",
  "0000:03:10.0",
  "0000:03:10.2",
  "0001:01:00.0",
];

function nodeWith(context: Parameters<typeof temporaryDirectory>[0], configurations: Record<number, string>) {
  const paths = createHostPaths(temporaryDirectory(context));
  const node = createProxmoxNode(paths);
  for (const address of PRESENT) mkdirSync(paths.at(`/sys/bus/pci/devices/${address}`), { recursive: true });
  for (const [vmid, text] of Object.entries(configurations)) node.configure(Number(vmid), text);
  return { paths, node };
}

function definitions(paths: Parameters<typeof readProxmoxVms>[0]): readonly VmDefinition[] {
  const vms = readProxmoxVms(paths);
  assert.equal(vms.state, "read");
  return vms.state === "read" ? vms.value.map(({ definition }) => definition) : [];
}

const devicesOf = (definition: VmDefinition | undefined) => definition?.hostDevices.map(({ bdf }) => bdf);

test("changes that wait are what the next start gets, and not what the running VM has", (context) => {
  const { paths } = nodeWith(context, {
    101: [
      "hostpci0: 0000:01:00.0",
      "hostpci1: 0000:02:00.0",
      "name: win11",
      "[PENDING]",
      "delete: hostpci0,!net1",
      "hostpci2: 0000:03:00.0",
      "name: renamed",
      "[before-update]",
      "hostpci3: 0000:04:00.0",
    ].join("\n"),
  });
  const vms = readProxmoxVms(paths);
  assert.equal(vms.state, "read");
  const [vm] = vms.state === "read" ? vms.value : [];
  assert.deepEqual(devicesOf(vm?.running), ["0000:01:00.0", "0000:02:00.0"]);
  assert.deepEqual(devicesOf(vm?.definition), ["0000:02:00.0", "0000:03:00.0"]);
  assert.equal(vm?.definition.name, "101 (win11)");
});

test("a VM's configuration gives its definition, without what its snapshots say", (context) => {
  const { paths } = nodeWith(context, {
    101: [
      "#A description%3A with a colon",
      "bios: ovmf",
      "hostpci0: 0000:01:00,pcie=1,romfile=gpu.rom,x-vga=1",
      "hostpci1: host=02:00.0,rombar=0,driver=keep",
      "hugepages: 1024",
      "machine: pc-q35-9.0,viommu=intel",
      "memory: current=16384",
      "name: win11",
      "onboot: 1",
      "smbios1: uuid=C65C8D4E-0B5C-4D6C-8F1E-3C2A6E2B9F10,manufacturer=x",
      "",
      "[before-update]",
      "hostpci2: 0001:01:00.0",
      "name: old",
    ].join("\n"),
  });
  assert.deepEqual(definitions(paths), [
    {
      name: "101 (win11)",
      uuid: "101/c65c8d4e-0b5c-4d6c-8f1e-3c2a6e2b9f10",
      machine: "pc-q35-9.0",
      firmware: "uefi",
      memoryKiB: 16_384 * 1024,
      hugepages: true,
      autostart: true,
      manager: "proxmox",
      hostDevices: [
        { bdf: "0000:01:00.0", managed: true, multifunction: true, rom: "gpu.rom" },
        { bdf: "0000:01:00.1", managed: true },
        { bdf: "0000:02:00.0", managed: false, rom: "off" },
      ],
    },
  ]);
});

test("what a configuration leaves out is Proxmox's default, and what cannot be read of it is left out", (context) => {
  const { paths } = nodeWith(context, { 7: "hostpci0:\nmemory: a lot\nnonsense\nhostpci1: gpu,,=,\n" });
  assert.deepEqual(definitions(paths), [
    {
      name: "7",
      uuid: "7",
      machine: "pc",
      firmware: "bios",
      memoryKiB: 512 * 1024,
      hugepages: false,
      autostart: false,
      manager: "proxmox",
      hostDevices: [],
    },
  ]);
});

test("a device setting that Proxmox cannot read is passed over, as Proxmox starts the VM without it", (context) => {
  const unreadable = [
    "0000:01:00,pcie=1,x-vga=1;0000:02:00",
    "0000:01:00,pcie=maybe",
    "0000:01:00,0000:02:00",
    "host=0000:01:00,host=0000:02:00",
    "gpu",
    "0000:1:0.0",
    "0000:01:00,=1",
  ];
  for (const value of unreadable) {
    const { paths } = nodeWith(context, {
      7: `machine: q35\nhostpci0: ${value}\nhostpci1: 0000:02:00.0,,later=1\n`,
    });
    const [vm] = definitions(paths);
    assert.deepEqual(devicesOf(vm), ["0000:02:00.0"], value);
    assert.equal(vm?.refusal, undefined, value);
  }
});

test("devices are in the order of their numbers, whole devices where no function is given, and each once", (context) => {
  const { paths } = nodeWith(context, {
    101: "hostpci10: 0001:01:00\nhostpci2: 0000:02:00.0;0000:03:10\nhostpci3: 02:00.0\nhostpci16: 01:00.0\n",
    102: "hostpci0: 0000:09:00\nhostpci1: 0000:01:00.0,mdev=nvidia-63\n",
    103: "args: -cpu host -device vfio-pci,id=gpu,host=01:00.0 -device virtio-rng-pci\n",
  });
  const [first, second, third] = definitions(paths);
  assert.deepEqual(devicesOf(first), ["0000:02:00.0", "0000:03:10.0", "0000:03:10.2", "0001:01:00.0"]);
  assert.deepEqual(devicesOf(second), ["0000:09:00.0"]);
  assert.deepEqual(third?.hostDevices, [{ bdf: "0000:01:00.0", managed: false }]);
});

test("a mapping stands for the devices of this node, the one that the VM holds or else the first that is free", (context) => {
  const { paths, node } = nodeWith(context, {
    101: "hostpci0: mapping=nic,pcie=1\n",
    102: "hostpci0: mapping=nic\nhostpci1: mapping=nic\n",
    103: "hostpci0: mapping=gpu\n",
    104: "hostpci0: mapping=unknown\n",
  });
  node.mapping(
    [
      "nic",
      "\tdescription ports of the NIC",
      "\tmap id=8086:1520,iommugroup=20,node=pve,path=0000:03:10.0",
      "\tmap id=8086:1520,node=other,path=0000:44:00.0",
      "\tmap id=8086:1520,iommugroup=21,node=pve,path=0000:03:10.2",
      "",
      "gpu",
      "\tmap id=10de:2805,node=pve,path=0000:01:00;0000:02:00.0",
      "\tmdev 0",
    ].join("\n"),
  );
  const all = () => definitions(paths).map(devicesOf);
  const gpu = ["0000:01:00.0", "0000:01:00.1", "0000:02:00.0"];
  assert.deepEqual(all(), [["0000:03:10.0"], ["0000:03:10.0", "0000:03:10.2"], gpu, []]);
  writeFileSync(paths.at("/run/qemu-server/pci-id-reservations"), "0000:03:10.2 101 pid:77\nnonsense\n");
  assert.deepEqual(all().slice(0, 2), [["0000:03:10.2"], ["0000:03:10.0", "0000:03:10.2"]]);
});

test("templates are no VMs, and VMs come in the order of their numbers", (context) => {
  const { paths } = nodeWith(context, { 1000: "", 102: "template: 1\n", 101: "", 20: "template: 0\n" });
  writeFileSync(paths.at("/etc/pve/qemu-server/notes.txt"), "name: x\n");
  assert.deepEqual(
    definitions(paths).map(({ name }) => name),
    ["20", "101", "1000"],
  );
});

test("a host is Proxmox's also while its cluster file system is not mounted, and its VMs are unknown then, not gone", (context) => {
  const elsewhere = createHostPaths(temporaryDirectory(context));
  assert.equal(isProxmoxHost(elsewhere), false);
  mkdirSync(elsewhere.at("/etc/pve"), { recursive: true });
  assert.equal(isProxmoxHost(elsewhere), true);
  assert.deepEqual(readProxmoxVms(elsewhere), {
    state: "unreadable",
    why: "/etc/pve/qemu-server is not there: pve-cluster does not run",
  });
});

test("a VM runs while the process of its pid file is there", (context) => {
  const { paths, node } = nodeWith(context, { 101: "" });
  assert.equal(runningQemu(paths, "101"), undefined);
  node.runs(101, process.pid, 1_700_000_000_000);
  assert.deepEqual(runningQemu(paths, "101"), { pid: process.pid, since: 1_700_000_000_000 });
  assert.equal(
    runningQemu(paths, "101", () => false),
    undefined,
  );
  assert.equal(processExists(2 ** 22 + 1), false);
  writeFileSync(paths.at("/run/qemu-server/101.pid"), "-1\n");
  assert.equal(runningQemu(paths, "101"), undefined);
});

test("a task's name tells process, time, kind and VM; a token's and a long uptime's too", () => {
  assert.deepEqual(parseUpid("UPID:pve:00002BF8:0002E7BB:6B0B60AB:qmstart:101:root@pam:"), {
    upid: "UPID:pve:00002BF8:0002E7BB:6B0B60AB:qmstart:101:root@pam:",
    pid: 0x2bf8,
    startedAt: 0x6b0b60ab * 1000,
    kind: "qmstart",
    id: "101",
  });
  assert.equal(parseUpid("UPID:pve-2:00002BF8:1FFFFFFFF:6B0B60AB:vzdump::api@pve!backup:")?.kind, "vzdump");
  for (const name of ["", "UPID:pve:2BF8:0002E7BB:6B0B60AB:qmstart:101:root@pam:", "active", "../index"])
    assert.equal(parseUpid(name), undefined);
});

test("names of tasks are read as Proxmox reads them", () => {
  const { tasks, others } = JSON.parse(
    readFileSync(new URL("../fixtures/proxmox/upids.json", import.meta.url), "utf8"),
  ) as {
    readonly tasks: readonly Readonly<
      Record<"upid" | "file" | "type" | "id", string> & Record<"pid" | "starttime", number>
    >[];
    readonly others: readonly { readonly upid: string; readonly is: boolean }[];
  };
  for (const { upid, file, pid, starttime, type, id } of tasks) {
    assert.deepEqual(parseUpid(upid), { upid, pid, startedAt: starttime * 1000, kind: type, id });
    assert.equal(join("/var/log/pve/tasks", directoryOfTask(upid) ?? "", upid), file);
  }
  for (const { upid, is } of others) assert.equal(parseUpid(upid) !== undefined, is, upid);
});

test("a task ends well with warnings, and nothing but the word at the line's beginning is an end", () => {
  assert.deepEqual(parseTaskEnd("TASK OK"), { failed: false, line: "TASK OK" });
  assert.equal(parseTaskEnd("TASK WARNINGS: 3")?.failed, false);
  assert.equal(parseTaskEnd("TASK ERROR: start failed")?.failed, true);
  for (const line of ["", " TASK OK", "TASK OKAY", "hook said TASK ERROR: x"])
    assert.equal(parseTaskEnd(line), undefined);
});

test("the version of QEMU is the package's, wherever in dpkg's list it stands", (context) => {
  const paths = createHostPaths(temporaryDirectory(context, "var/lib/dpkg"));
  const other = (index: number) =>
    `Package: other-${index}\nVersion: 1.${index}\nDepends: pve-qemu-kvm (>= 3)\n\n`;
  const qemu = "Package: pve-qemu-kvm\nStatus: install ok installed\nVersion: 9.0.2-4\n\n";
  assert.equal(installedVersion(paths, "pve-qemu-kvm"), undefined);
  for (const before of [0, 1, 900, 1000, 5000]) {
    const list = (count: number) => Array.from({ length: count }, (_, index) => other(index)).join("");
    for (const after of [0, 3000]) {
      writeFileSync(paths.at("/var/lib/dpkg/status"), `${list(before)}${qemu}${list(after)}`);
      assert.equal(installedVersion(paths, "pve-qemu-kvm"), "9.0.2-4");
      assert.equal(installedVersion(paths, "pve-qemu"), undefined);
    }
  }
  const padding = "x".repeat(64 * 1024 - "Package: a\nTag: \n\nPackage: pve-q".length);
  writeFileSync(paths.at("/var/lib/dpkg/status"), `Package: a\nTag: ${padding}\n\n${qemu}`);
  assert.equal(installedVersion(paths, "pve-qemu-kvm"), "9.0.2-4");
});

test("whatever stands in a configuration, a mapping or a directory, a VM's devices are addresses, each once", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "hostpci0: ",
      "hostpci15: ",
      "mapping=",
      "host=",
      "args: -device vfio-pci,host=",
      "nic",
      "[x]",
    ),
    fc.constantFrom(
      "\n",
      ",",
      ";",
      "=",
      ":",
      "0000:01:00",
      "0000:01:00.0",
      "99:99.9",
      "mdev=x",
      "map node=pve,path=",
    ),
    fc.string({ maxLength: 8 }),
  );
  const text = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(text, text, (configuration, mapping) => {
      const node = {
        present: [],
        mappings: parsePciMappings(mapping, "pve"),
        reservedBy: new Map(),
        identityOf: () => undefined,
        mediatedTypes: () => undefined,
      };
      const { hostDevices } = definitionOf("1", parseVmConfig(configuration).next, node);
      const addresses = hostDevices.map(({ bdf }) => bdf);
      assert.equal(new Set(addresses).size, addresses.length);
      for (const address of addresses)
        assert.match(address, /^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/);
      parseUpid(configuration);
    }),
    { numRuns: 500 },
  );
});
