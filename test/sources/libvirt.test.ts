import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { VirtualClock } from "../../src/clock.ts";
import { createVirtualClock } from "../../src/clock.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { bootId, vmName } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import type { LibvirtSource } from "../../src/sources/libvirt.ts";
import { createLibvirtSource } from "../../src/sources/libvirt.ts";
import type { FakeLibvirtd, FakeVm } from "../libvirt/fake-libvirtd.ts";
import { fakeVm, startFakeLibvirtd } from "../libvirt/fake-libvirtd.ts";

const hostile = '$(reboot)<b>\n"x"';
let root: string;
let socket: string;
let clock: VirtualClock;
let daemon: FakeLibvirtd | undefined;
let source: LibvirtSource;
let seen: Observation[];
let watchers: (() => void)[];

function createSource(run = "run-1"): LibvirtSource {
  return createLibvirtSource({
    paths: createHostPaths(root),
    clock,
    bootId: bootId("boot-1"),
    run,
    random: () => 0.5,
    timeLimit: 60_000,
  });
}

function sink(observation: Observation): void {
  seen.push(observation);
  for (const watcher of [...watchers]) watcher();
}

/** Resolves once `condition` holds; it is looked at after each observation. */
function until(condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (condition()) resolve();
    };
    watchers.push(look);
    look();
  });
}

/** Kinds of what was seen, with the words that matter. */
function story(): string[] {
  return seen.map((one) => {
    if (one.kind === "vm-lifecycle") return `${one.vm}: ${one.event} ${one.detail}`;
    if (one.kind === "vm-state") return `${one.vm} is ${one.state.state} (${one.state.reason})`;
    if (one.kind === "vm-inventory") return `${one.vms.length} VMs`;
    return one.kind === "connection" ? one.state : one.kind;
  });
}

async function startDaemon(): Promise<FakeLibvirtd> {
  mkdirSync(join(root, "run/libvirt"), { recursive: true });
  daemon = await startFakeLibvirtd(socket);
  daemon.vms.set("Windows 11", fakeVm("Windows 11", 1));
  return daemon;
}

/** Lets real sockets and file events catch up while virtual time stands still, then lets time go on. */
async function passTimeUntil(condition: () => boolean, step: number): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.moveTo(clock.now() + step);
  }
}

describe("libvirt source", () => {
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "vw-"));
    mkdirSync(join(root, "run"));
    socket = join(root, "run/libvirt/libvirt-sock");
    clock = createVirtualClock(1_000_000);
    seen = [];
    watchers = [];
    source = createSource();
  });
  afterEach(async () => {
    await source.stop();
    await daemon?.stop();
    daemon = undefined;
    rmSync(root, { recursive: true });
  });

  it("begins with the connection and all VMs, their definition and state", async () => {
    const { vms } = await startDaemon();
    vms.set(hostile, { ...fakeVm(hostile, 2), state: [5, 6], autostart: true });
    await source.start(sink, new Map());
    assert.deepEqual(story(), ["connected", "2 VMs"]);
    const inventory = seen[1];
    assert.ok(inventory?.kind === "vm-inventory");
    assert.deepEqual(
      inventory.vms.map((vm) => [vm.definition.name, vm.state, vm.definition.autostart]),
      [
        ["Windows 11", { state: "shutoff", reason: "unknown" }, false],
        [hostile, { state: "shutoff", reason: "failed" }, true],
      ],
    );
    assert.deepEqual(inventory.vms[0]?.definition.hostDevices, [{ bdf: "0000:01:00.0", managed: true }]);
    const { state, seen: count } = source.health();
    assert.deepEqual(state, { state: "live", detail: `libvirt 11.3.0 on ${socket}` });
    assert.equal(count, 2);
  });

  it("tells a good start with its definition, and the state after the end", async () => {
    const { lifecycle, vms } = await startDaemon();
    await source.start(sink, new Map());
    lifecycle("Windows 11", 4, 0);
    lifecycle("Windows 11", 2, 0);
    await until(() => seen.length === 4);
    vms.set("Windows 11", { ...fakeVm("Windows 11", 1), state: [5, 2] });
    lifecycle("Windows 11", 5, 1);
    await until(() => seen.at(-1)?.kind === "vm-state");
    assert.deepEqual(story().slice(2), [
      "Windows 11: resumed unpaused",
      "Windows 11: started booted",
      "Windows 11: stopped destroyed",
      "Windows 11 is shutoff (destroyed)",
    ]);
    const started = seen[3];
    assert.ok(started?.kind === "vm-lifecycle");
    assert.equal(started.definition?.machine, "q35");
  });

  it("tells what a running VM has and what its next start gets, at each change of either", async () => {
    const { event, lifecycle, vms } = await startDaemon();
    const vm: FakeVm = { ...fakeVm("Windows 11", 1), state: [1, 1] };
    vms.set("Windows 11", vm);
    await source.start(sink, new Map());
    const devices = (definition: VmDefinition | undefined) => definition?.hostDevices.map(({ bdf }) => bdf);
    const inventory = seen[1];
    assert.ok(inventory?.kind === "vm-inventory");
    assert.deepEqual(devices(inventory.vms[0]?.running), ["0000:01:00.0"]);
    vm.inactiveXml = fakeVm("Windows 11", 2).xml;
    lifecycle("Windows 11", 0, 1);
    await until(() => seen.length === 3);
    assert.ok(seen[2]?.kind === "vm-lifecycle");
    assert.deepEqual([seen[2].detail, devices(seen[2].definition)], ["updated", ["0000:02:00.0"]]);
    assert.equal(seen[2].uuid, "01010101-0101-0101-0101-010101010101");
    vm.xml = fakeVm("Windows 11", 3).xml;
    event(354, (out) => out.string("Windows 11").fixedOpaque(Buffer.alloc(16, 1)).int(1).string("hostdev0"));
    await until(() => seen.length === 4);
    assert.ok(seen[3]?.kind === "vm-device");
    assert.deepEqual([seen[3].change, devices(seen[3].running)], ["added", ["0000:03:00.0"]]);
    lifecycle("Windows 11", 2, 0);
    await until(() => seen.length === 5);
    assert.ok(seen[4]?.kind === "vm-lifecycle");
    assert.deepEqual(
      [devices(seen[4].running), devices(seen[4].definition)],
      [["0000:03:00.0"], ["0000:02:00.0"]],
    );
  });

  it("does without the events that an older libvirt does not have", async () => {
    const { answers } = await startDaemon();
    answers.set(316, (payload) => (payload.readInt32BE(0) > 15 ? { error: 8 } : Buffer.alloc(4)));
    await source.start(sink, new Map());
    assert.deepEqual(story(), ["connected", "1 VMs"]);
  });

  it("asks why after a control-error, which alone says nothing", async () => {
    const { event, vms } = await startDaemon();
    await source.start(sink, new Map());
    vms.set("Windows 11", { ...fakeVm("Windows 11", 1), state: [5, 6] });
    event(325, (out) => out.string("Windows 11").fixedOpaque(Buffer.alloc(16, 1)).int(-1));
    await until(() => seen.length === 4);
    assert.deepEqual(story().slice(2), ["vm-control-error", "Windows 11 is shutoff (failed)"]);
  });

  it("asks for a state on demand, and again until a start has come to its end", async () => {
    const { vms, calls } = await startDaemon();
    await source.start(sink, new Map());
    vms.set("Windows 11", { ...fakeVm("Windows 11", 1), state: [3, 11] });
    source.askState(vmName("Windows 11"));
    const asked = () => calls.filter((procedure) => procedure === 212).length;
    await passTimeUntil(() => asked() === 4, 250);
    assert.deepEqual(story(), ["connected", "1 VMs"]);
    vms.set("Windows 11", { ...fakeVm("Windows 11", 1), state: [5, 6] });
    await passTimeUntil(() => seen.length === 3, 250);
    assert.equal(story()[2], "Windows 11 is shutoff (failed)");
  });

  it("is not put out by a question about a VM that does not exist", async () => {
    await startDaemon();
    await source.start(sink, new Map());
    source.askState(vmName("nobody"));
    source.askState(vmName("Windows 11"));
    await until(() => seen.length === 3);
    assert.equal(story()[2], "Windows 11 is shutoff (unknown)");
    assert.equal(source.health().skipped, 0);
  });

  it("tells of a new definition", async () => {
    const { lifecycle, vms } = await startDaemon();
    await source.start(sink, new Map());
    vms.set("Linux", fakeVm("Linux", 9));
    lifecycle("Linux", 0, 0);
    await until(() => seen.length === 3);
    const defined = seen[2];
    assert.ok(defined?.kind === "vm-lifecycle");
    assert.deepEqual(defined.definition?.hostDevices, [{ bdf: "0000:09:00.0", managed: true }]);
  });

  it("leaves out, and counts, a VM whose XML cannot be read", async () => {
    const { vms } = await startDaemon();
    vms.set("broken", { ...fakeVm("broken", 3), xml: "<domain><name>broken" });
    await source.start(sink, new Map());
    assert.deepEqual(story(), ["connected", "1 VMs"]);
    assert.equal(source.health().skipped, 1);
  });

  it("says that libvirt is not there, and connects when it comes", async () => {
    await source.start(sink, new Map());
    const { state } = source.health();
    assert.ok(state.state === "waiting");
    assert.match(state.why, /not running or not installed/);
    assert.match(state.remedy, /start libvirtd/);
    await startDaemon();
    await passTimeUntil(() => seen.length === 2, 100);
    assert.deepEqual(story(), ["connected", "1 VMs"]);
  });

  it("notices a socket that appears without waiting for the next try", async () => {
    mkdirSync(join(root, "run/libvirt"));
    await source.start(sink, new Map());
    await startDaemon();
    // Virtual time stands still: only the file event can have told.
    await until(() => seen.length === 2);
    assert.equal(clock.now(), 1_000_000);
  });

  it("lists everything anew after libvirt was restarted", async () => {
    const first = await startDaemon();
    await source.start(sink, new Map());
    await first.stop();
    await until(() => story().includes("lost"));
    assert.equal(source.health().state.state, "waiting");
    const second = await startDaemon();
    second.vms.set("Windows 11", { ...fakeVm("Windows 11", 1), state: [1, 1] });
    await passTimeUntil(() => seen.length === 5, 100);
    second.lifecycle("Windows 11", 5, 5);
    await until(() => seen.length === 7);
    assert.deepEqual(story(), [
      "connected",
      "1 VMs",
      "lost",
      "connected",
      "1 VMs",
      "Windows 11: stopped failed",
      "Windows 11 is running (booted)",
    ]);
  });

  it("gives every observation an identity of its own, over connections and runs", async () => {
    const { hangUp } = await startDaemon();
    await source.start(sink, new Map());
    hangUp();
    await passTimeUntil(() => seen.length === 5, 100);
    await source.stop();
    source = createSource("run-2");
    await source.start(sink, new Map());
    assert.equal(seen.length, 7);
    assert.equal(new Set(seen.map((one) => one.identity)).size, 7);
    assert.ok(seen.every((one) => one.identity.startsWith("boot-1:") && one.bootId === "boot-1"));
  });

  it("goes on after a malformed frame with a new connection", async () => {
    const { raw } = await startDaemon();
    await source.start(sink, new Map());
    raw(Buffer.from("ffffffff", "hex"));
    await passTimeUntil(() => seen.length === 5, 100);
    assert.deepEqual(story(), ["connected", "1 VMs", "lost", "connected", "1 VMs"]);
    assert.ok(seen[2]?.kind === "connection" && /not its protocol/.test(seen[2].detail));
  });

  it("asks a libvirt that breaks off again and again ever less often", async () => {
    const { answers, calls } = await startDaemon();
    answers.set(273, () => "hang up");
    await source.start(sink, new Map());
    const tries = () => calls.filter((procedure) => procedure === 273).length;
    const pauses: number[] = [];
    let last = clock.now();
    for (let round = 2; round <= 9; round += 1) {
      await passTimeUntil(() => tries() === round, 50);
      pauses.push(clock.now() - last);
      last = clock.now();
    }
    assert.ok((pauses[6] ?? 0) > 10 * (pauses[0] ?? 0), pauses.join(" "));
    assert.ok(
      pauses.every((pause) => pause <= 31_000),
      pauses.join(" "),
    );
    assert.deepEqual(seen, []);
  });

  it("does not hold up the start for a libvirt that says nothing", async () => {
    const { answers, until: daemonUntil, calls } = await startDaemon();
    answers.set(66, () => "silence");
    const starting = source.start(sink, new Map());
    await daemonUntil(() => calls.includes(66));
    clock.moveTo(clock.now() + 3000);
    await starting;
    const { state } = source.health();
    assert.ok(state.state === "waiting");
    assert.match(state.why, /not answered/);
    await source.stop();
    assert.equal(source.health().state.state, "stopped");
  });

  it("uses the read-only socket, or virtqemud's, where libvirtd's own is not there", async () => {
    for (const name of ["virtqemud-sock", "libvirt-sock-ro"]) {
      socket = join(root, "run/libvirt", name);
      const { stop } = await startDaemon();
      source = createSource();
      await source.start(sink, new Map());
      assert.deepEqual(source.health().state, { state: "live", detail: `libvirt 11.3.0 on ${socket}` });
      await source.stop();
      await stop();
    }
  });

  it("says what is in the way: nobody listens, no permission, no answer in libvirt's language", async () => {
    mkdirSync(join(root, "run/libvirt"));
    const why = async () => {
      source = createSource();
      await source.start(sink, new Map());
      const { state } = source.health();
      await source.stop();
      return state.state === "waiting" ? `${state.why} / ${state.remedy}` : assert.fail(state.state);
    };
    writeFileSync(socket, "");
    assert.match(await why(), /nobody listens on .*libvirt-sock/);
    rmSync(socket);
    const server = createServer((client) => client.resume().end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    assert.match(await why(), /cannot be used: .*not its protocol/);
    chmodSync(socket, 0);
    // No socket is closed to root.
    const isRoot = process.getuid?.() === 0;
    if (isRoot) process.seteuid?.(65534);
    try {
      assert.match(await why(), /no permission to use .*libvirt-sock .*needs root, or .*group libvirt/);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
    await new Promise((resolve) => server.close(resolve));
  });

  it("is quiet once it has been stopped", async () => {
    const { lifecycle, until: daemonUntil, connections } = await startDaemon();
    await source.start(sink, new Map());
    await source.stop();
    await daemonUntil(() => connections() === 0);
    lifecycle("Windows 11", 2, 0);
    source.askState(vmName("Windows 11"));
    clock.moveTo(clock.now() + 100_000);
    assert.equal(seen.length, 2);
  });
});
