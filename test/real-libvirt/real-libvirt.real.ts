import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Clock } from "../../src/clock.ts";
import { systemClock } from "../../src/clock.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import type { VmName } from "../../src/model/identifiers.ts";
import { vmName } from "../../src/model/identifiers.ts";
import type { Observation } from "../../src/model/observation.ts";
import type { LibvirtSource } from "../../src/sources/libvirt.ts";
import { createLibvirtSource } from "../../src/sources/libvirt.ts";
import { sampleAttempt, withStore } from "../store/samples.ts";
import type { OwnLibvirtd } from "./own-libvirtd.ts";
import { prepareLibvirtd, whyNoLibvirtd } from "./own-libvirtd.ts";

const good = vmName('good $(reboot)<b> "x"');
const badOption = vmName("bad option");
const missingDisk = vmName("missing disk");
const missingDevice = vmName("missing device");

/** A VM of 16 MiB that boots into nothing, under emulation. */
function definitionOf(name: VmName, devices = "", more = ""): string {
  const escaped = name.replaceAll("<", "&lt;");
  return `<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
    <name>${escaped}</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='q35'>hvm</type></os>
    <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
      <controller type='usb' model='none'/><memballoon model='none'/>${devices}</devices>${more}</domain>`;
}

const definitions = new Map<VmName, string>([
  [good, definitionOf(good)],
  [
    badOption,
    definitionOf(
      badOption,
      "",
      "<qemu:commandline><qemu:arg value='-device'/><qemu:arg value='no-such-device'/></qemu:commandline>",
    ),
  ],
  [
    missingDisk,
    definitionOf(
      missingDisk,
      "<disk type='file' device='disk'><source file='/nowhere/disk.img'/><target dev='sda' bus='sata'/></disk>",
    ),
  ],
  [
    missingDevice,
    definitionOf(
      missingDevice,
      "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='0xfe' slot='0x1f' function='7'/></source></hostdev>",
    ),
  ],
]);

/** Milliseconds between keepalive messages; short, so that a hanging libvirtd is soon found out. */
const BEAT = 200;

const reason = whyNoLibvirtd();

describe("a real libvirtd", { skip: reason ?? false, timeout: 120_000 }, () => {
  let libvirtd: OwnLibvirtd;
  let source: LibvirtSource;
  const seen: Observation[] = [];
  const watchers = new Set<() => void>();
  /** Keepalive intervals that have begun. */
  let beats = 0;
  const clock: Clock = {
    now: systemClock.now,
    after(milliseconds, action) {
      if (milliseconds === BEAT) {
        beats += 1;
        look();
      }
      return systemClock.after(milliseconds, action);
    },
  };
  function look(): void {
    for (const watcher of [...watchers]) watcher();
  }
  function sink(observation: Observation): void {
    seen.push(observation);
    look();
  }

  /** Resolves with the first observation from `from` on that fits. */
  function observed(from: number, fits: (observation: Observation) => boolean): Promise<Observation> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = seen.slice(from).find(fits);
        if (found === undefined) return;
        watchers.delete(look);
        resolve(found);
      };
      watchers.add(look);
      look();
    });
  }
  const isState =
    (vm: VmName) =>
    (one: Observation): boolean =>
      one.kind === "vm-state" && one.vm === vm;
  const isInventory = (one: Observation): boolean => one.kind === "vm-inventory";

  function story(from: number): string[] {
    return seen.slice(from).map((one) => {
      if (one.kind === "vm-lifecycle") return `${one.vm}: ${one.event} ${one.detail}`;
      if (one.kind === "vm-state") return `${one.vm}: ${one.state.state} (${one.state.reason})`;
      if (one.kind === "vm-control-error") return `${one.vm}: control-error`;
      return one.kind === "connection" ? one.state : one.kind;
    });
  }
  function statesOf(inventory: Observation): Record<string, string> {
    assert.ok(inventory.kind === "vm-inventory");
    return Object.fromEntries(
      inventory.vms.map((vm) => [vm.definition.name, `${vm.state.state} (${vm.state.reason})`]),
    );
  }

  before(async () => {
    libvirtd = prepareLibvirtd();
    source = createLibvirtSource({
      paths: createHostPaths(libvirtd.root),
      clock,
      bootId: undefined,
      keepalive: { interval: BEAT, unanswered: 5 },
    });
    await source.start(sink, new Map());
  });
  after(async () => {
    await source.stop();
    await libvirtd.virsh("destroy", good);
    await libvirtd.remove();
  });

  it("is waited for, and found when it comes", async () => {
    assert.equal(source.health().state.state, "waiting");
    libvirtd.start();
    const inventory = await observed(0, isInventory);
    assert.deepEqual(statesOf(inventory), {});
    const { state } = source.health();
    assert.match(state.state === "live" ? state.detail : "", /^libvirt \d+\.\d+\.\d+ on /);
  });

  it("tells of VMs as they are defined, with their devices", async () => {
    const from = seen.length;
    for (const [vm, xml] of definitions) {
      const file = join(libvirtd.root, "vm.xml");
      writeFileSync(file, xml);
      const { code, text } = await libvirtd.virsh("define", file);
      assert.equal(code, 0, text);
      await observed(from, (one) => one.kind === "vm-lifecycle" && one.vm === vm);
    }
    assert.deepEqual(
      story(from),
      [...definitions.keys()].map((vm) => `${vm}: defined added`),
    );
    const last = seen.at(-1);
    assert.ok(last?.kind === "vm-lifecycle");
    assert.deepEqual(
      last.definition?.hostDevices.map((device) => [device.bdf, device.managed]),
      [["0000:fe:1f.7", true]],
    );
    assert.equal(last.definition?.memoryKiB, 16 * 1024);
    assert.equal(last.definition?.autostart, false);
  });

  it("tells who a VM is whatever it is called, and that it was made anew", () =>
    withStore(async (store) => {
      const [before, later] = [vmName("before"), vmName("after")];
      const card = definitions.get(missingDevice) ?? "";
      const file = join(libvirtd.root, "vm.xml");
      const follow = async (vm: VmName, ...words: readonly string[]) => {
        const from = seen.length;
        const { code, text } = await libvirtd.virsh(...words);
        assert.equal(code, 0, text);
        const one = await observed(from, (one) => one.kind === "vm-lifecycle" && one.vm === vm);
        if (one.kind === "vm-lifecycle" && one.definition !== undefined)
          store.vms.rememberOne(one.definition, one.at);
        return story(from);
      };
      const define = (name: VmName) => {
        writeFileSync(file, card.replace(`<name>${missingDevice}</name>`, `<name>${name}</name>`));
        return follow(name, "define", file);
      };
      await define(before);
      store.attempts.save(sampleAttempt({ id: "under the old name", vm: before, openedAt: 1000 }), {
        origin: "live",
      });
      assert.deepEqual(await follow(later, "domrename", before, later), [
        "before: undefined renamed",
        "after: defined renamed",
      ]);
      assert.deepEqual(
        store.attempts.list({ vm: later }).map(({ id }) => id),
        ["under the old name"],
      );
      await libvirtd.virsh("undefine", later);
      await define(later);
      assert.equal(store.attempts.list({ vm: later }).length, 1);
      const { formerNames, madeAnewAt } = store.vms.past(later);
      assert.deepEqual([formerNames, madeAnewAt.length], [[before], 1]);
      await libvirtd.virsh("undefine", later);
    }));

  it("tells of a good start and of its end", async () => {
    const from = seen.length;
    const start = await libvirtd.virsh("start", good);
    assert.equal(start.code, 0, start.text);
    await observed(from, (one) => one.kind === "vm-lifecycle" && one.event === "started");
    assert.deepEqual(story(from), [`${good}: resumed unpaused`, `${good}: started booted`]);
    await libvirtd.virsh("destroy", good);
    await observed(from, isState(good));
    assert.deepEqual(story(from).slice(2), [
      `${good}: shutdown finished after host request`,
      `${good}: stopped destroyed`,
      `${good}: shutoff (destroyed)`,
    ]);
  });

  it("tells of a start that died in QEMU by a control-error and the state", async () => {
    const from = seen.length;
    const start = await libvirtd.virsh("start", badOption);
    assert.notEqual(start.code, 0);
    await observed(from, isState(badOption));
    assert.deepEqual(story(from), [`${badOption}: control-error`, `${badOption}: shutoff (failed)`]);
  });

  for (const [vm, message] of [
    [missingDisk, /nowhere\/disk\.img/],
    [missingDevice, /passthrough|0000:fe:1f\.7/],
  ] as const) {
    it(`says nothing of a start refused before QEMU ran (${vm}), but answers when asked`, async () => {
      const from = seen.length;
      const start = await libvirtd.virsh("start", vm);
      assert.notEqual(start.code, 0);
      assert.match(start.text, message);
      assert.match(libvirtd.domainLog(vm), /\+0000: shutting down, reason=failed\n$/);
      source.askState(vm);
      await observed(from, isState(vm));
      assert.deepEqual(story(from), [`${vm}: shutoff (failed)`]);
    });
  }

  it("is lost when it is killed, and found again with its running VM; failures are forgotten", async () => {
    const from = seen.length;
    await libvirtd.virsh("start", good);
    await observed(from, (one) => one.kind === "vm-lifecycle" && one.event === "started");
    libvirtd.signal("SIGKILL");
    await libvirtd.gone();
    await observed(from, (one) => one.kind === "connection" && one.state === "lost");
    assert.equal(source.health().state.state, "waiting");
    libvirtd.start();
    const inventory = await observed(from, isInventory);
    const states = statesOf(inventory);
    assert.match(states[good] ?? "", /^running /);
    assert.deepEqual(
      [badOption, missingDisk, missingDevice].map((vm) => states[vm]),
      ["shutoff (unknown)", "shutoff (unknown)", "shutoff (unknown)"],
    );
    assert.equal(source.health().state.state, "live");

    // A VM that is destroyed before libvirtd has its monitor again is shut off for the reason "daemon".
    const askMonitor = () => libvirtd.virsh("qemu-monitor-command", good, '{"execute":"query-status"}');
    while ((await askMonitor()).code !== 0);

    const second = seen.length;
    await libvirtd.virsh("destroy", good);
    await observed(second, isState(good));
    assert.equal(story(second).at(-1), `${good}: shutoff (destroyed)`);
  });

  it("shows a failure before the connection in the inventory", async () => {
    await libvirtd.virsh("start", missingDevice);
    await source.stop();
    const from = seen.length;
    await source.start(sink, new Map());
    const inventory = await observed(from, isInventory);
    assert.equal(statesOf(inventory)[missingDevice], "shutoff (failed)");
  });

  it("answers keepalive messages while it lives, and is given up when it hangs", async () => {
    await source.stop();
    const from = seen.length;
    await source.start(sink, new Map());
    // Far more beats than may stay unanswered.
    const enough = beats + 15;
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (beats < enough) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
    });
    assert.deepEqual(story(from), ["connected", "vm-inventory"]);

    libvirtd.signal("SIGSTOP");
    const lost = await observed(from, (one) => one.kind === "connection" && one.state === "lost");
    assert.match(lost.kind === "connection" ? lost.detail : "", /keepalive/);
    libvirtd.signal("SIGCONT");
    await observed(from + 3, isInventory);
    assert.deepEqual(story(from), ["connected", "vm-inventory", "lost", "connected", "vm-inventory"]);
  });
});
