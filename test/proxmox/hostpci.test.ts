import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { boundAtStart } from "../../src/diagnosis/group-checks.ts";
import { checkHostState } from "../../src/diagnosis/state-checks.ts";
import { readHostState } from "../../src/host/host-state.ts";
import type { HostPaths } from "../../src/host-paths.ts";
import { type Bdf, parseBdf, vmName } from "../../src/model/identifiers.ts";
import { read } from "../../src/model/reading.ts";
import type { VmDefinition, VmState } from "../../src/model/virtual-machine.ts";
import { takenFromHost } from "../../src/preflight/taken-from-host.ts";
import { readProxmoxVms } from "../../src/proxmox/read-vms.ts";
import { createHostTree } from "../helpers/host-tree.ts";
import { createProxmoxNode, type ProxmoxNode } from "../helpers/proxmox-host.ts";

interface NodeDevice {
  readonly bdf: string;
  readonly id: string;
  readonly subsystem: string;
  readonly class: string;
  readonly driver?: string;
  readonly group?: number;
  readonly mdev?: Readonly<Record<string, number>>;
}

interface Case {
  readonly name: string;
  readonly config: readonly string[];
  /** What Proxmox chose. */
  readonly devices?: Readonly<Record<string, readonly string[]>>;
  /** What it said instead of running QEMU. */
  readonly refused?: string;
  /** What was bound to vfio-pci then and had not been. */
  readonly bound?: readonly string[];
}

/** Recorded from Proxmox's own code: see the README beside it. */
const RECORDED = JSON.parse(
  readFileSync(new URL("../fixtures/proxmox/hostpci.json", import.meta.url), "utf8"),
) as { readonly node: readonly NodeDevice[]; readonly mapping: string; readonly cases: readonly Case[] };

function makeNode(context: TestContext): { readonly paths: HostPaths; readonly node: ProxmoxNode } {
  const { paths, write, link } = createHostTree(context, { "/dev/vfio/vfio": "" });
  for (const { bdf, id, subsystem, class: classCode, driver, group, mdev } of RECORDED.node) {
    const place = `/sys/bus/pci/devices/${bdf}`;
    const [vendor, device] = id.split(":");
    const [subVendor, subDevice] = subsystem.split(":");
    const numbers = {
      vendor,
      device,
      class: classCode,
      subsystem_vendor: subVendor,
      subsystem_device: subDevice,
    };
    for (const [name, number] of Object.entries(numbers)) write(`${place}/${name}`, `0x${number}\n`);
    const uevent = { PCI_CLASS: classCode, PCI_ID: id.toUpperCase(), PCI_SUBSYS_ID: subsystem.toUpperCase() };
    const lines = Object.entries({ ...uevent, ...(driver !== undefined && { DRIVER: driver }) });
    write(`${place}/uevent`, lines.map(([name, value]) => `${name}=${value}\n`).join(""));
    if (driver !== undefined) link(`${place}/driver`, `../../drivers/${driver}`);
    for (const [type, left] of Object.entries(mdev ?? {}))
      write(`${place}/mdev_supported_types/${type}/available_instances`, `${left}\n`);
    if (group === undefined) continue;
    mkdirSync(paths.at(`/sys/kernel/iommu_groups/${group}/devices`), { recursive: true });
    link(`${place}/iommu_group`, `../../../../kernel/iommu_groups/${group}`);
    link(`/sys/kernel/iommu_groups/${group}/devices/${bdf}`, `../../../../bus/pci/devices/${bdf}`);
  }
  const node = createProxmoxNode(paths);
  node.mapping(RECORDED.mapping);
  return { paths, node };
}

function vmWith({ paths, node }: ReturnType<typeof makeNode>, config: readonly string[]): VmDefinition {
  node.configure(101, config.join("\n"));
  const vms = readProxmoxVms(paths);
  const [vm] = vms.state === "read" ? vms.value : [];
  assert.ok(vm !== undefined);
  return vm.definition;
}

/** What the kernel holds a group against whoever wants a part of it: a host driver, but that of a port. */
function hostHolds(group: number | undefined, bound: readonly string[]): boolean {
  return RECORDED.node.some(
    (device) =>
      device.group === group &&
      device.driver !== undefined &&
      !["vfio-pci", "pcieport"].includes(device.driver) &&
      !bound.includes(device.bdf),
  );
}

/** Devices of a VM that gets none by mediation. */
function wholeDevices({ config, devices = {} }: Case): readonly string[] {
  const mediated = config.flatMap((line) => /^(hostpci\d+): .*mdev=/.exec(line)?.[1] ?? []);
  return Object.entries(devices).flatMap(([key, ids]) => (mediated.includes(key) ? [] : ids));
}

const groupOf = (bdf: string) => RECORDED.node.find((device) => device.bdf === bdf)?.group;
const hasDriver = (bdf: string) => RECORDED.node.some((device) => device.bdf === bdf && device.driver);

test("mapped functions, groups and options have the outcome that they have in Proxmox", (context) => {
  const made = makeNode(context);
  for (const recorded of RECORDED.cases) {
    const { name, config, refused, bound = [] } = recorded;
    const vm = vmWith(made, config);
    const host = readHostState({ paths: made.paths });
    const said: readonly string[] = checkHostState(vm, host).map(({ signature }) => signature);
    const chosen = wholeDevices(recorded);
    if (refused === undefined) {
      assert.deepEqual(
        vm.hostDevices.map(({ bdf }) => bdf),
        chosen,
        name,
      );
      assert.equal(vm.refusal, undefined, name);
      const taken = boundAtStart(vm, host).filter(({ driver }) => driver !== "vfio-pci");
      assert.deepEqual(
        taken.map(({ bdf }) => bdf),
        bound.filter(hasDriver),
        name,
      );
    } else if (refused.startsWith("no PCI device found"))
      assert.ok(vm.refusal?.why === refused || said.includes("state.device-absent"), name);
    else if (refused.startsWith("Cannot open iommu_group"))
      assert.ok(said.includes("state.device-without-group"), name);
    else assert.equal(vm.refusal?.why, refused, name);
    // The kernel's part: no host driver may be left in the group, vfio takes no port, and each device needs a group.
    const isHeld = chosen.some((bdf) => hostHolds(groupOf(bdf), bound));
    const isTaken = chosen.every((bdf) => groupOf(bdf) !== undefined && bdf !== "0000:00:01.1");
    assert.equal(said.length === 0, refused === undefined && !isHeld && isTaken, `${name}: ${said.join()}`);
  }
});

test("what the host loses with the group is said, but not the other functions of the VM's own card", (context) => {
  const made = makeNode(context);
  const lost = (...config: string[]) => {
    const vm = vmWith(made, config);
    return takenFromHost(vm, readHostState({ paths: made.paths })).map(({ sentence }) => sentence);
  };
  assert.deepEqual(lost("hostpci0: 01:00.0"), []);
  assert.deepEqual(lost("name: nas", "hostpci0: 00:1f.3"), [
    "Starting '101 (nas)' takes 0000:00:1f.0 (lpc_ich), 0000:00:1f.2 (ahci) from the host: Proxmox binds all of IOMMU group 17 to vfio-pci.",
  ]);
  assert.deepEqual(lost("hostpci0: 03:00"), []);
  assert.deepEqual(lost("hostpci0: 00:1f.3,driver=keep"), []);
});

test("a group of which another VM that runs has a part cannot be had, whatever Proxmox binds", (context) => {
  const made = makeNode(context);
  const vm = vmWith(made, ["hostpci0: 01:00.0"]);
  const audio = { bdf: parseBdf("01:00.1") as Bdf, managed: true };
  const other: VmDefinition = { ...vm, name: vmName("102"), hostDevices: [audio] };
  const hostWith = (state: VmState) => ({
    ...readHostState({ paths: made.paths }),
    vms: read([{ definition: other, state }]),
  });
  const running = hostWith({ state: "running", reason: "QEMU runs" });
  const [cause] = checkHostState(vm, running);
  assert.deepEqual([cause?.signature, cause?.certainty], ["state.group-in-use-by-vm", "certain"]);
  assert.match(cause?.sentence ?? "", /'102' has 0000:01:00\.1 of IOMMU group 14/);
  const both = { ...vm, hostDevices: [...vm.hostDevices, audio] };
  assert.deepEqual(
    checkHostState(both, running).map(({ signature }) => signature),
    ["state.in-use-by-vm"],
  );
  assert.deepEqual(checkHostState(vm, hostWith({ state: "shutoff", reason: "QEMU does not run" })), []);
});

test("nothing stops a VM here that has moved to another node", (context) => {
  const made = makeNode(context);
  const host = readHostState({ paths: made.paths });
  for (const config of ["hostpci0: 0a:00.0", "hostpci0: mapping=nowhere"]) {
    const vm = vmWith(made, [config]);
    assert.equal(checkHostState(vm, host).length, 1);
    assert.deepEqual(checkHostState({ ...vm, movedTo: "pve2" }, host), []);
  }
});
