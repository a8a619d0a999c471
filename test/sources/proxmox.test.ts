import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { createHostPaths, type HostPaths } from "../../src/host-paths.ts";
import { bootId } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import type { ResumePoints } from "../../src/model/source.ts";
import { createProxmoxSource } from "../../src/sources/proxmox.ts";
import { createProxmoxNode, type ProxmoxNode } from "../helpers/proxmox-host.ts";
import { createSkippingClock, type SkippingClock } from "../helpers/skipping-clock.ts";
import { type Observer, observe, temporaryDirectory } from "./observed.ts";

const WIN11 = "name: win11\nhostpci0: 0000:01:00.0,pcie=1\nmachine: pc-q35-9.0\n";
const REFUSED =
  "kvm: -device vfio-pci,host=0000:01:00.0,id=hostpci0: vfio 0000:01:00.0: failed to setup container for group 8";
const FAILED = "TASK ERROR: start failed: QEMU exited with code 1";

interface Bench {
  readonly paths: HostPaths;
  readonly clock: SkippingClock;
  readonly node: ProxmoxNode;
  /** Processes that are there. */
  readonly alive: Set<number>;
  /** Long enough ago for everything that follows in a test. */
  readonly t0: number;
  watch(
    resume?: ResumePoints,
    boot?: string,
  ): Promise<Observer & { readonly stop: () => Promise<void>; readonly state: () => string }>;
}

function bench(context: TestContext): Bench {
  const paths = createHostPaths(temporaryDirectory(context));
  const clock = createSkippingClock();
  const node = createProxmoxNode(paths);
  const alive = new Set<number>();
  const t0 = Math.floor(clock.now() / 1000) * 1000 - 3_600_000;
  node.configure(101, WIN11);
  return {
    ...{ paths, clock, node, alive, t0 },
    async watch(resume, boot = "boot-1") {
      const source = createProxmoxSource({
        ...{ paths, clock, bootId: bootId(boot), since: t0 - 1000 },
        isAlive: (pid) => alive.has(pid),
      });
      const observer = await observe(context, source, resume);
      const state = () => JSON.stringify(source.health().state);
      return { ...observer, state, stop: () => source.stop() };
    },
  };
}

/** Everything but inventories, short enough to compare whole sequences. */
function told(observations: readonly Observation[]): string[] {
  return observations.flatMap((observation) => {
    switch (observation.kind) {
      case "domain-log-start":
        return `${observation.vm} starts with ${observation.devices.join(" ")}`;
      case "domain-log-line":
        return observation.text;
      case "domain-log-end":
        return `${observation.vm} ${observation.reason}`;
      case "vm-lifecycle":
        return `${observation.vm} ${observation.event}, ${observation.detail}`;
      case "vm-inventory":
        return [];
      default:
        return observation.kind;
    }
  });
}

const statesOf = (observations: readonly Observation[]) =>
  observations.flatMap((observation) =>
    observation.kind === "vm-inventory"
      ? [observation.vms.map(({ definition, state }) => `${definition.name} ${state.state}`)]
      : [],
  );

const BEGINS = "101 (win11) starts with 0000:01:00.0";

describe("Proxmox's tasks", () => {
  it("of this boot are told from their beginning, those of earlier boots are not", async (context) => {
    const { node, t0, watch } = bench(context);
    node.task("qmstart", 101, `${FAILED}\n`, { startedAt: t0 - 60_000 });
    node.task("qmstart", 101, `${REFUSED}\n${FAILED}\n`, { startedAt: t0, writtenAt: t0 + 2500 });
    const { observations } = await watch();
    assert.deepEqual(told(observations), [BEGINS, REFUSED, FAILED, "101 (win11) failed"]);
    const [start, line, , end] = observations;
    assert.equal(start?.at, t0);
    assert.deepEqual([line?.at, end?.at], [t0 + 2500, t0 + 2500]);
    assert.ok(observations.every((observation) => observation.bootId === "boot-1"));
  });

  it("are told while they run, line by line, and once", async (context) => {
    const { node, clock, alive, watch } = bench(context);
    const observer = await watch();
    alive.add(5000);
    const startedAt = Math.floor(clock.now() / 1000) * 1000;
    const upid = node.task("qmstart", 101, "", { startedAt, pid: 5000 });
    await observer.until((seen) => told(seen).length === 1, "the start was told");
    node.task("qmstart", 101, `${REFUSED}\n`, { startedAt, upid });
    await observer.until((seen) => told(seen).length === 2, "the line was told");
    // The cluster's manager may have moved it to another node by then.
    node.configure(101, undefined);
    node.task("qmstart", 101, `${REFUSED}\n\n${FAILED}\n`, { startedAt, upid });
    await observer.until(
      (seen) => told(seen).length === 4 && statesOf(seen).length === 2,
      "the end was told",
    );
    assert.deepEqual(told(observer.observations), [BEGINS, REFUSED, FAILED, "101 (win11) failed"]);
    assert.deepEqual(statesOf(observer.observations), [["101 (win11) shutoff"], []]);
    assert.equal(new Set(observer.observations.map(({ identity }) => identity)).size, 6);
  });

  it("that succeed make a VM run until a task or its QEMU ends it", async (context) => {
    const { node, clock, alive, t0, watch } = bench(context);
    node.task("qmstart", 101, "WARN: old machine\nTASK WARNINGS: 1\n", {
      startedAt: t0,
      writtenAt: t0 + 3000,
    });
    node.task("qmshutdown", 101, "TASK OK\n", { startedAt: t0 + 60_000, writtenAt: t0 + 65_000 });
    node.task("qmstart", 101, "TASK OK\n", { startedAt: t0 + 90_000, writtenAt: t0 + 92_000 });
    node.runs(101, 5001, t0 + 91_000);
    alive.add(5001);
    const observer = await watch();
    const first = [
      BEGINS,
      "WARN: old machine",
      "101 (win11) started, booted",
      "101 (win11) stopped, shutdown",
      BEGINS,
      "101 (win11) started, booted",
    ];
    assert.deepEqual(told(observer.observations), first);
    assert.deepEqual(statesOf(observer.observations), [["101 (win11) running"]]);

    alive.delete(5001);
    node.runs(101, undefined);
    await observer.until((seen) => told(seen).length === 7, "the guest's own shutdown was told");
    assert.deepEqual(told(observer.observations), [...first, "101 (win11) stopped, shutdown"]);
    const stopped = observer.observations.findLast(({ kind }) => kind === "vm-lifecycle");
    assert.ok(Math.abs((stopped?.at ?? 0) - clock.now()) < 10_000);
  });

  it("are no starts when the VM runs already, whatever else is said", async (context) => {
    const { node, alive, t0, watch } = bench(context);
    node.runs(101, 5001, t0);
    alive.add(5001);
    const later = (seconds: number) => ({ startedAt: t0 + seconds * 1000 });
    node.task("qmstart", 101, "TASK ERROR: VM 101 already running\n", later(10));
    node.task("qmstart", 101, "TASK ERROR: VM is locked (backup)\n", later(20));
    node.task("qmresume", 101, "TASK OK\n", later(30));
    node.task("hastart", 101, "Requesting HA start for VM 101\nTASK OK\n", later(40));
    node.task("qmpause", 101, "TASK OK\n", later(50));
    node.task("qmstop", 101, "TASK ERROR: VM quit/powerdown failed\n", later(60));
    const { observations } = await watch();
    assert.deepEqual(told(observations), []);
    assert.deepEqual(statesOf(observations), [["101 (win11) running"]]);
  });

  it("that wait for another start of the VM are judged after it", async (context) => {
    const { node, clock, alive, watch } = bench(context);
    const observer = await watch();
    for (const pid of [5000, 5001]) alive.add(pid);
    const startedAt = Math.floor(clock.now() / 1000) * 1000;
    const first = node.task("qmstart", 101, "", { startedAt, pid: 5000 });
    await observer.until((seen) => told(seen).length === 1, "the first start was told");
    const second = node.task("qmstart", 101, "trying to acquire lock...\n", { startedAt, pid: 5001 });
    alive.add(5002);
    node.runs(101, 5002, startedAt);
    node.task("qmstart", 101, "TASK OK\n", { startedAt, upid: first });
    await observer.until((seen) => told(seen).length >= 2, "the VM was started");
    node.task("qmstart", 101, "trying to acquire lock...\n OK\nTASK ERROR: VM 101 already running\n", {
      startedAt,
      upid: second,
    });
    node.task("qmshutdown", 101, "TASK OK\n", { startedAt: startedAt + 1000 });
    await observer.until((seen) => told(seen).length === 3, "the shutdown was told");
    assert.deepEqual(told(observer.observations), [
      BEGINS,
      "101 (win11) started, booted",
      "101 (win11) stopped, shutdown",
    ]);
  });

  it("whose worker was killed failed, unless the VM runs", async (context) => {
    const { node, alive, t0, watch } = bench(context);
    node.configure(102, "name: nas\n");
    node.task("qmstart", 101, "", { startedAt: t0, pid: 5000 });
    node.task("qmstart", 102, "swtpm starts\n", { startedAt: t0 + 1000, pid: 5001 });
    node.runs(102, 6000, t0 + 1500);
    alive.add(6000);
    const { observations } = await watch();
    assert.deepEqual(told(observations), [
      BEGINS,
      "101 (win11) failed",
      "102 (nas) starts with ",
      "swtpm starts",
      "102 (nas) started, booted",
    ]);
  });

  it("are told once over restarts of the service, also those that went on meanwhile", async (context) => {
    const { node, alive, t0, watch } = bench(context);
    node.configure(102, "name: nas\n");
    alive.add(5000);
    node.task("qmstart", 102, "TASK OK\n", { startedAt: t0 });
    const upid = node.task("qmstart", 101, `${REFUSED}\n`, { startedAt: t0 + 60_000, pid: 5000 });
    node.runs(102, 6000, t0 + 500);
    alive.add(6000);
    const first = await watch();
    assert.deepEqual(told(first.observations).slice(2), [BEGINS, REFUSED]);
    await first.stop();

    alive.delete(6000);
    node.runs(102, undefined);
    node.task("qmstart", 101, `${REFUSED}\n${FAILED}\n`, { startedAt: t0 + 60_000, upid });
    const second = await watch(first.resume);
    assert.deepEqual(told(second.observations), [
      // Said once more under the same identities, because that task was not over.
      BEGINS,
      REFUSED,
      FAILED,
      "101 (win11) failed",
      "102 (nas) stopped, shutdown",
    ]);
    const identities = new Set(first.observations.map(({ identity }) => identity));
    assert.deepEqual(
      second.observations.slice(0, 3).map(({ identity }) => identities.has(identity)),
      [true, true, false],
    );
    await second.stop();
    const third = await watch(second.resume);
    assert.deepEqual(told(third.observations), []);
    const nextBoot = await watch(second.resume, "boot-2");
    assert.equal(told(nextBoot.observations).length, 7);
  });

  it("keep the name of a VM that is renamed while it runs, until it ends", async (context) => {
    const { node, alive, t0, watch } = bench(context);
    node.task("qmstart", 101, "TASK OK\n", { startedAt: t0 });
    node.runs(101, 5001, t0);
    alive.add(5001);
    const first = await watch();
    await first.stop();
    node.configure(101, WIN11.replace("win11", "gaming"));
    const second = await watch(first.resume);
    assert.deepEqual(statesOf(second.observations), [["101 (win11) running"]]);
    node.runs(101, 5001, t0 + 90_000);
    node.task("qmstop", 101, "TASK OK\n", { startedAt: t0 + 60_000 });
    node.task("qmstart", 101, "TASK OK\n", { startedAt: t0 + 90_000 });
    await second.until((seen) => told(seen).length >= 3, "both tasks were told");
    assert.deepEqual(told(second.observations), [
      "101 (win11) stopped, destroyed",
      "101 (gaming) starts with 0000:01:00.0",
      "101 (gaming) started, booted",
    ]);
  });

  it("that Proxmox's own code wrote are all understood", async (context) => {
    const { node, t0, watch } = bench(context);
    for (const vmid of [102, 103, 104, 105]) node.configure(vmid, "");
    const lines = readFileSync(join(import.meta.dirname, "../fixtures/proxmox/task-logs.jsonl"), "utf8");
    for (const [index, line] of lines.trimEnd().split("\n").entries()) {
      const { name, log } = JSON.parse(line) as { readonly name: string; readonly log: string };
      const [, , , , , kind, vmid] = name.split(":");
      node.task(kind ?? "", Number(vmid), log, { startedAt: t0 + index * 10_000 });
    }
    const { observations } = await watch();
    assert.deepEqual(told(observations), [
      BEGINS,
      "kvm: warning: host doesn't support requested feature: CPUID.01H:ECX.pni [bit 0]",
      "kvm: -device vfio-pci,host=0000:01:00.0,id=hostpci0,bus=pcie.0,addr=0x10: vfio /sys/bus/pci/devices/0000:01:00.0: no such host device: No such file or directory",
      FAILED,
      "101 (win11) failed",
      BEGINS,
      "kvm: -device vfio-pci,host=0000:01:00.0,id=hostpci0.0,bus=ich9-pcie-port-1,addr=0x0.0,multifunction=on: vfio 0000:01:00.0: failed to setup container for group 8: Failed to set group container: Invalid argument",
      FAILED,
      "101 (win11) failed",
      BEGINS,
      "101 (win11) started, booted",
      "101 (win11) stopped, shutdown",
      BEGINS,
      "WARN: machine version pc-q35-3.0 is deprecated",
      "101 (win11) started, booted",
      "101 (win11) stopped, destroyed",
      "102 starts with ",
      "trying to acquire lock...",
      " OK",
      "TASK ERROR: PCI device '0000:01:00.0' already in use by VMID '101'",
      "102 failed",
      "102 starts with ",
      "TASK ERROR: command '/bin/sleep 30' failed: got timeout",
      "102 failed",
      "103 starts with ",
      "TASK ERROR: can't unbind/bind PCI group to VFIO '0000:01:00.0'",
      "103 failed",
      "103 starts with ",
      "Resuming suspended VM",
      "103 started, booted",
      "104 starts with ",
      "trying",
      "TASK ERROR: received interrupt",
      "104 failed",
      "105 starts with ",
      "105 failed",
      "103 stopped, shutdown",
    ]);
  });

  it("wait for the VMs' configurations, which the cluster's file system brings", async (context) => {
    const { paths, node, clock, t0, watch } = bench(context);
    rmSync(paths.at("/etc/pve/qemu-server"));
    node.task("qmstart", 101, `${FAILED}\n`, { startedAt: t0 });
    const observer = await watch();
    assert.deepEqual(observer.observations, []);
    assert.match(observer.state(), /pve-cluster does not run/);
    symlinkSync("nodes/pve/qemu-server", paths.at("/etc/pve/qemu-server"));
    clock.skip(5_000);
    await observer.until((seen) => told(seen).length >= 3, "the start was told");
    assert.match(observer.state(), /1 VM, tasks in /);
  });

  it("of VMs that are gone or are templates are passed over, and hostile names and logs do no harm", async (context) => {
    const { paths, node, t0, watch } = bench(context);
    node.configure(102, "name: base\ntemplate: 1\n");
    node.configure(
      103,
      `name: ${"x".repeat(5000)}\nhostpci0: ;;,,=\nmemory: lots\n\u0000\n[snap]\nname: old\n`,
    );
    node.task("qmstart", 102, "TASK ERROR: you can't start a vm if it's a template\n", { startedAt: t0 });
    node.task("qmstart", 999, "TASK ERROR: unable to find configuration file\n", { startedAt: t0 });
    node.task("qmstart", 103, `TASK OK\n${"\u001b[2J".repeat(20_000)}\nTASK ERROR: no\n`, { startedAt: t0 });
    mkdirSync(paths.at("/var/log/pve/tasks/0"), { recursive: true });
    for (const name of ["UPID:pve:::::::", "UPID:pve:0:0:0:qmstart:101:root@pam:", "x".repeat(200)])
      writeFileSync(join(paths.at("/var/log/pve/tasks/0"), name), "TASK ERROR: no\n");
    const observer = await watch();
    const lines = told(observer.observations);
    assert.deepEqual(
      [lines[1]?.length, lines[2], lines.at(-2), lines.at(-1)?.length],
      ["103 () starts with ".length + 128, "TASK OK", "TASK ERROR: no", "103 () failed".length + 128],
    );
    assert.equal(lines[0], "gap");
    assert.ok(lines.every((line) => line.length <= 4096));
  });
});

describe("VMs of Proxmox", () => {
  it("are told anew when a configuration changes, and no more than that", async (context) => {
    const { node, watch, clock } = bench(context);
    const observer = await watch();
    node.configure(102, "name: nas\n");
    clock.skip(60_000);
    await observer.until((seen) => statesOf(seen).length === 2, "the new VM was told");
    node.configure(101, undefined);
    clock.skip(60_000);
    await observer.until((seen) => statesOf(seen).length === 3, "the deleted VM was missed");
    clock.skip(60_000);
    node.task("vzdump", 102, "TASK OK\n", { startedAt: clock.now() });
    node.task("qmstart", 102, `${FAILED}\n`, { startedAt: clock.now() });
    await observer.until((seen) => told(seen).length === 3, "the task was told");
    assert.deepEqual(statesOf(observer.observations), [
      ["101 (win11) shutoff"],
      ["101 (win11) shutoff", "102 (nas) shutoff"],
      ["102 (nas) shutoff"],
    ]);
  });

  it("run only after a while when no task was seen to start them, because QEMU may yet fail", async (context) => {
    const { node, watch, clock, alive } = bench(context);
    const observer = await watch();
    alive.add(5000);
    node.runs(101, 5000, clock.now());
    node.configure(102, "name: nas\n");
    clock.skip(59_000);
    node.task("vzdump", 101, "INFO: starting kvm to execute backup task\n", { startedAt: clock.now() });
    await observer.until((seen) => statesOf(seen).length === 2, "the VMs were looked at");
    clock.skip(61_000);
    await observer.until((seen) => statesOf(seen).length === 3, "the VM was found running");
    assert.deepEqual(
      statesOf(observer.observations).map(([first]) => first),
      ["101 (win11) shutoff", "101 (win11) shutoff", "101 (win11) running"],
    );
    assert.deepEqual(told(observer.observations), []);
  });
});
