import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import { BEGINS, bench, FAILED, REFUSED, statesOf, told } from "./proxmox-bench.ts";

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

  it("that were here are on the node that they moved to, until they are deleted there", async (context) => {
    const { node, watch, clock, alive } = bench(context);
    node.configure(102, "name: nas\nsmbios1: uuid=11111111-1111-4111-8111-111111111111\n");
    alive.add(5000);
    const t = clock.now();
    node.runs(102, 5000, t);
    node.task("qmstart", 102, "TASK OK\n", { startedAt: t });
    const observer = await watch();
    const look = async (many: number, what: string) => {
      clock.skip(60_000);
      await observer.until((seen) => statesOf(seen).length === many, what);
    };
    await observer.until((seen) => told(seen).length === 2, "it runs");
    const before = statesOf(observer.observations).length;
    node.move(102, "pve", "pve2");
    node.runs(102, undefined);
    node.task("qmigrate", 102, "TASK OK\n", { startedAt: clock.now() + 1000 });
    await observer.until((seen) => told(seen).length === 3, "it went");
    assert.equal(told(observer.observations).at(-1), "102 (nas) stopped, migrated");
    const reasons = () => {
      const inventory = observer.observations.findLast(({ kind }) => kind === "vm-inventory");
      return inventory?.kind === "vm-inventory"
        ? inventory.vms.map(({ definition, state }) => [definition.name, definition.movedTo, state.reason])
        : [];
    };
    assert.deepEqual(reasons().at(-1), ["102 (nas)", "pve2", "moved to node pve2"]);
    node.move(102, "pve2", "pve3");
    await look(before + 2, "it moved on");
    assert.deepEqual(reasons().at(-1), ["102 (nas)", "pve3", "moved to node pve3"]);
    node.move(102, "pve3", "pve");
    await look(before + 3, "it came back");
    assert.deepEqual(reasons().at(-1), ["102 (nas)", undefined, "QEMU does not run"]);
    node.move(102, "pve", "pve2");
    await look(before + 4, "it went again");
    // The number is given to another VM there: this one is nowhere.
    node.move(102, "pve2", "pve");
    node.configure(102, "name: nas\nsmbios1: uuid=22222222-2222-4222-8222-222222222222\n");
    node.move(102, "pve", "pve2");
    await look(before + 5, "it is gone");
    assert.deepEqual(
      reasons().map(([name]) => name),
      ["101 (win11)"],
    );
  });

  it("that are made templates have not moved", async (context) => {
    const { node, watch, clock } = bench(context);
    node.configure(102, "name: nas\nvmgenid: x\n");
    const observer = await watch();
    node.configure(102, "name: nas\nvmgenid: x\ntemplate: 1\n");
    clock.skip(60_000);
    await observer.until((seen) => statesOf(seen).length === 2, "it was missed");
    assert.deepEqual(statesOf(observer.observations).at(-1), ["101 (win11) shutoff"]);
  });

  it("that are given other devices with 'qm set' while they run are told with both, and as no start", async (context) => {
    const { node, watch, clock, alive } = bench(context);
    alive.add(5000);
    const t = clock.now();
    node.runs(101, 5000, t);
    node.task("qmstart", 101, "TASK OK\n", { startedAt: t });
    const observer = await watch();
    await observer.until((seen) => told(seen).length === 2, "it runs");
    const now = "name: win11\nhostpci0: 0000:01:00.0\n";
    node.configure(101, `${now}[PENDING]\nhostpci0: 0000:02:00.0\n`);
    node.task("qmconfig", 101, "update VM 101: -hostpci0 0000:02:00.0\nTASK OK\n", { startedAt: t + 5000 });
    clock.skip(60_000);
    const newest = () => {
      const inventory = observer.observations.findLast(({ kind }) => kind === "vm-inventory");
      return inventory?.kind === "vm-inventory" ? inventory.vms[0] : undefined;
    };
    const devicesOf = (definition: VmDefinition | undefined) =>
      definition?.hostDevices.map(({ bdf }) => bdf).join();
    await observer.until(() => devicesOf(newest()?.definition) === "0000:02:00.0", "the change was told");
    assert.equal(devicesOf(newest()?.running), "0000:01:00.0");
    assert.equal(told(observer.observations).length, 2);
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
