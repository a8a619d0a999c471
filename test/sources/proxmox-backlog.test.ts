import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BEGINS, bench, FAILED, REFUSED, statesOf, told, WIN11 } from "./proxmox-bench.ts";

describe("Proxmox's tasks", () => {
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
