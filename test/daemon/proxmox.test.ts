import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { test } from "node:test";
import { whatWasSaid } from "../../src/cli/what-was-said.ts";
import { changesBetween } from "../../src/facts/changes-between.ts";
import { askBlame } from "../../src/history/ask-blame.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { createProxmoxNode, type ProxmoxNode } from "../helpers/proxmox-host.ts";
import { type Boot, createWatchedHost, until } from "../helpers/watched-host.ts";

const OLD_BIOS = ["bios-update", "boot1-good-start-amd", "snap-before"];
const NEW_BIOS = ["bios-update", "boot2-ivmd-amd", "snap-before"];
const VM = "101 (win11)";
const REFUSED = `kvm: -device vfio-pci,host=0000:01:00.0,id=hostpci0,bus=ich9-pcie-port-1,addr=0x0: vfio 0000:01:00.0: failed to setup container for group 8: Failed to set group container: Invalid argument
TASK ERROR: start failed: QEMU exited with code 1
`;

function proxmoxIn(boot: Boot): ProxmoxNode {
  const node = createProxmoxNode(boot.paths);
  node.configure(101, "name: win11\nbios: ovmf\nhostpci0: 0000:01:00,pcie=1\nmachine: q35\nonboot: 1\n");
  node.configure(102, "name: nas\n");
  return node;
}

test("a start that Proxmox's new BIOS forbids is told once, with cause and change, and blamed on the BIOS", async (context) => {
  const host = createWatchedHost(context);
  const { clock, told } = host;
  const attempts = () => host.read((store) => store.attempts.list({}));

  const before = host.boot(OLD_BIOS);
  const good = proxmoxIn(before);
  const first = await host.start(before);
  assert.deepEqual(
    first.describe().map((line) => line.split(":")[0]),
    ["kernel-log", "vfio-nodes", "proxmox", "config-files"],
  );
  good.runs(101, process.pid, clock.now());
  good.task("qmstart", 101, "TASK OK\n", { startedAt: clock.now(), writtenAt: clock.now() + 2000 });
  await host.hurryUntil(() => attempts()[0]?.outcome === "started");
  good.runs(101, undefined);
  await first.stop();
  assert.deepEqual(told(), []);

  clock.skip(60_000);
  const after = host.boot(NEW_BIOS);
  const bad = proxmoxIn(after);
  const second = await host.start(after);
  await until(() => told().some(({ kind }) => kind === "will-not-start"), "nobody was warned");
  const warning = told().find(({ kind }) => kind === "will-not-start");
  assert.equal(warning?.vm, VM);

  const fail = () =>
    bad.task("qmstart", 101, REFUSED, { startedAt: clock.now(), writtenAt: clock.now() + 900 });
  fail();
  await until(() => told().some(({ kind }) => kind === "start-failed"), "the failure was not told");
  const alert = told().find(({ kind }) => kind === "start-failed");
  assert.equal(alert?.subject, `'${VM}' did not start: BIOS demands 1:1 mapping`);
  assert.equal(alert?.causeClass, "iommu-direct-mapping-required");
  assert.ok(
    alert?.changes.includes("BIOS E7E49AMSI.1A63 (2026-02-10) → E7E49AMSI.1A95 (2026-06-18)"),
    alert?.text,
  );
  assert.match(alert?.lastGood ?? "", /^Last good start: .* on BIOS E7E49AMSI\.1A63\.$/);

  await host.allDelivered();
  await second.stop();
  const third = await host.start(after);
  clock.skip(60_000);
  fail();
  await until(() => attempts().length === 3, "the second failure was not stored");
  await host.allDelivered();
  await third.stop();
  assert.deepEqual(
    attempts().map(({ vm, outcome }) => [vm, outcome]),
    [
      [VM, "failed"],
      [VM, "failed"],
      [VM, "started"],
    ],
  );
  assert.deepEqual(
    told().map(({ kind }) => kind),
    ["facts-changed", "will-not-start", "start-failed"],
  );
  const blame = host.read((store) => askBlame(store, { vm: vmName(VM) }));
  assert.deepEqual(
    blame.blame.sets[0]?.suspects.map(({ family }) => family),
    ["BIOS"],
  );
  assert.equal(blame.blame.certainty, "likely");
});

test("a VM that migrates is on the other node, and has its history again when it returns; another of its number has none", async (context) => {
  const host = createWatchedHost(context);
  const { clock } = host;
  const boot = host.boot(OLD_BIOS);
  const node = createProxmoxNode(boot.paths);
  const settings = (uuid: string) => `name: win11\nhostpci0: 0000:01:00\nsmbios1: uuid=${uuid}\n`;
  node.configure(101, settings("11111111-1111-4111-8111-111111111111"));
  const known = () => host.read((store) => store.vms.list().find(({ definition }) => definition.name === VM));
  const look = () => clock.skip(61_000);
  const sentences = () =>
    host.read((store) => {
      const [before, after] = store.snapshots.inOrder().slice(-2);
      return (changesBetween(store.snapshots, before, after) ?? []).map(({ sentence }) => sentence);
    });

  let daemon = await host.start(boot);
  node.runs(101, process.pid, clock.now());
  node.task("qmstart", 101, "TASK OK\n", { startedAt: clock.now(), writtenAt: clock.now() + 2000 });
  await host.hurryUntil(() => host.read((store) => store.attempts.list({}))[0]?.outcome === "started");
  node.runs(101, undefined);
  node.move(101, "pve", "pve2");
  look();
  await host.hurryUntil(() => known()?.definition.movedTo === "pve2");
  await host.hurryUntil(() => sentences().includes(`VM '${VM}' moved to node pve2`));
  assert.deepEqual(sentences(), [`VM '${VM}' moved to node pve2`]);
  assert.equal(known()?.goneAt, undefined);

  await daemon.stop();
  daemon = await host.start(boot);
  assert.equal(known()?.definition.movedTo, "pve2");
  node.move(101, "pve2", "pve");
  look();
  await host.hurryUntil(() => known()?.definition.movedTo === undefined);
  await host.hurryUntil(() => sentences().includes(`VM '${VM}' came back from node pve2`));
  const starts = (vm: string) => host.read((store) => store.attempts.list({ vm: vmName(vm) })).length;
  assert.equal(starts(VM), 1);

  node.configure(101, settings("22222222-2222-4222-8222-222222222222").replace("01:00", "02:00"));
  look();
  await host.hurryUntil(() => host.read((store) => store.vms.list()).length === 2);
  assert.equal(starts(VM), 0);
  const gone = host.read((store) => store.vms.list()).find(({ goneAt }) => goneAt !== undefined);
  assert.match(gone?.definition.name ?? "", /^101 \(win11\) \(until /);
  await daemon.stop();
});

test("libvirt's sources are missed on Proxmox only where libvirt is installed", async (context) => {
  const host = createWatchedHost(context);
  const boot = host.boot(OLD_BIOS);
  proxmoxIn(boot);
  mkdirSync(boot.paths.at("/etc/libvirt"));
  const daemon = await host.start(boot);
  const names = daemon.describe().map((line) => line.split(":")[0]);
  assert.deepEqual(
    ["libvirt", "domain-logs", "libvirtd-log", "proxmox"].filter((name) => !names.includes(name)),
    [],
  );
  await daemon.stop();
});

test("what Proxmox's tasks say is shown in its own words", () => {
  const base = { source: "proxmox", at: 0, exactTime: true, identity: "", vm: vmName(VM) } as const;
  assert.equal(
    whatWasSaid({ ...base, kind: "domain-log-end", reason: "failed" }),
    "the start task ended: failed",
  );
  assert.equal(
    whatWasSaid({ ...base, kind: "vm-lifecycle", event: "started", detail: "booted" }),
    "started booted",
  );
});
