import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, describe, it } from "node:test";
import { collectFacts } from "../../src/facts/facts-of-host.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import type { DemandOrigin } from "../../src/history/demand-origin.ts";
import { readVmDefinitions } from "../../src/host/virtual-machines.ts";
import type { HostPaths } from "../../src/host-paths.ts";
import { type Bdf, bootId, vmName } from "../../src/model/identifiers.ts";
import type { Preflight, PreflightFinding } from "../../src/preflight/finding.ts";
import { runProgram } from "../helpers/command-io.ts";
import { buildForumHost, FORUM_DEVICES, type ForumHostOptions, vmXml } from "../helpers/forum-host.ts";
import { createProxmoxNode } from "../helpers/proxmox-host.ts";
import { temporaryDirectory } from "../helpers/recorded-tree.ts";
import { opened } from "../store/samples.ts";

const directory = temporaryDirectory();
after(() => directory.remove());
let made = 0;

function host(options: ForumHostOptions = {}): HostPaths {
  made += 1;
  return buildForumHost(`${directory.path}/host-${made}`, options);
}

interface Checked extends Preflight {
  readonly code: number;
  readonly from: string;
  readonly text: string;
}

async function check(paths: HostPaths, vm: readonly string[] = [], database?: string): Promise<Checked> {
  const env = { VFIO_WATCH_ROOT: paths.root };
  const args = ["check", ...vm, ...(database === undefined ? [] : ["--database", database])];
  const json = await runProgram([...args, "--json"], env);
  const text = await runProgram(args, env);
  assert.equal(json.err, "");
  assert.equal(text.code, json.code);
  return { ...(JSON.parse(json.out) as Preflight & { from: string }), code: json.code, text: text.out };
}

/** Boots of this history: the facts of each host, and one good start of the VM where it had one. */
function history(boots: readonly { readonly paths: HostPaths; readonly good: boolean }[]): string {
  made += 1;
  const path = `${directory.path}/history-${made}.db`;
  const store = opened(path);
  for (const [index, { paths, good }] of boots.entries()) {
    const at = Date.UTC(2025, 7, 1 + index);
    const id = bootId(`boot-${index}`);
    const snapshot = makeSnapshot(collectFacts({ paths }));
    store.boots.begin({ id, startedAt: at, origin: "live" });
    store.snapshots.save(snapshot);
    store.snapshots.link({ bootId: id, at, snapshotId: snapshot.id, reason: "service start" });
    if (!good) continue;
    store.attempts.save(
      {
        id: `start-${index}`,
        vm: vmName("Windows 11"),
        bootId: id,
        openedAt: at + 1000,
        closedAt: at + 2000,
        outcome: "started",
        devices: ["0000:01:00.0", "0000:01:00.1"] as Bdf[],
        groups: [14],
        evidence: [],
      },
      { origin: "live", snapshotId: snapshot.id },
    );
  }
  store.close();
  return path;
}

const find = (findings: readonly PreflightFinding[] | undefined, name: string) =>
  findings?.find(({ check: own }) => own === name);

describe("check on the host of the forum report", () => {
  it("names the firmware as what stops the VM, and the three others for what they are", async () => {
    const checked = await check(host());
    assert.equal(checked.code, 3);
    const [vm, ...others] = checked.vms;
    assert.equal(others.length, 0);
    assert.equal(vm?.verdict, "will-not-start");
    const stopping = vm?.findings.filter(({ matter }) => matter === "stops") ?? [];
    assert.deepEqual(
      stopping.map(({ check: name, certainty }) => [name, certainty]),
      [["state.direct-region", "certain"]],
    );
    const firmware = stopping[0];
    assert.match(
      firmware?.sentence ?? "",
      /firmware \(BIOS E7E49AMSI\.1A7D\) demands a fixed 1:1 memory mapping for .*IOMMU group 14/,
    );
    assert.match(firmware?.evidence.join("\n") ?? "", /IVRS: IVMD type 22h, flags 08h/);
    assert.match(
      firmware?.evidence.join("\n") ?? "",
      /reserved_regions: 0x00000000a5a32000 0x00000000a5a32fff direct/,
    );

    const loader = find(checked.host, "preflight.other-boot-loader");
    assert.equal(loader?.matter, "harmless");
    assert.match(
      loader?.sentence ?? "",
      /\/boot\/syslinux\/syslinux\.cfg has no effect: Limine started this kernel/,
    );
    assert.match(loader?.remedies.join() ?? "", /\/boot\/limine\.conf/);

    const twice = find(checked.host, "preflight.bound-twice");
    assert.equal(twice?.matter, "harmless");
    assert.deepEqual(twice?.devices, ["0000:01:00.0", "0000:01:00.1"]);
    assert.match(
      twice?.sentence ?? "",
      /vfio-pci\.cfg and by vfio-pci\.ids|vfio-pci\.ids and by vfio-pci\.cfg/,
    );

    assert.ok(checked.noEffect.some((text) => /group 14 is of type identity/.test(text)));
    assert.ok(checked.noEffect.some((text) => /amd_iommu=on: there is no such value/.test(text)));
    assert.ok(checked.noEffect.some((text) => /Resizable BAR/.test(text)));
    const causes = JSON.stringify([checked.vms, checked.host]);
    assert.doesNotMatch(causes, /identity|resizable|i440fx/i, "what has no effect is never named as a cause");

    assert.match(checked.text, /'Windows 11' will not start:\n {2}\[stops the VM\]/);
    assert.match(checked.text, /\[misleading but harmless\] Editing/);
  });

  it("says of i440fx and q35 alike that the machine type plays no part", async () => {
    for (const machine of ["pc-i440fx-9.2", "pc-q35-9.2"]) {
      const checked = await check(host({ machine }));
      assert.equal(checked.vms[0]?.verdict, "will-not-start");
      assert.equal(checked.vms[0]?.findings.length, 1);
      assert.equal(
        checked.noEffect.some((text) => /machine type pc-i440fx-9\.2/.test(text)),
        machine.includes("i440fx"),
      );
    }
  });

  it("tells from the history with which BIOS the demand appeared", async () => {
    const before = host({ bios: "E7E49AMSI.1A63", demand: false });
    const now = host({ bios: "E7E49AMSI.1A95" });
    const database = history([
      { paths: before, good: true },
      { paths: now, good: false },
    ]);
    const [vm] = (await check(now, [], database)).vms;
    const origin = (demand: DemandOrigin | undefined) => [demand?.bios, demand?.biosWithout];
    assert.deepEqual(origin(vm?.answer?.demand), ["E7E49AMSI.1A95", "E7E49AMSI.1A63"]);
    assert.deepEqual(
      vm?.answer?.goBack.map(({ knob, to }) => [knob, to]),
      [["BIOS", "E7E49AMSI.1A63"]],
    );
    assert.deepEqual(vm?.findings[0]?.remedies, vm?.answer?.remedies);
    assert.ok(
      vm?.answer?.remedies.some((text) => /^Go back to BIOS E7E49AMSI\.1A63, with which it last/.test(text)),
    );
    const [always] = (await check(now, [], history([{ paths: now, good: false }]))).vms;
    assert.deepEqual(origin(always?.answer?.demand), ["E7E49AMSI.1A95", null]);
    assert.deepEqual(always?.answer?.goBack, [], "no version without the demand is known");
  });

  it("finds nothing that stops the VM once the demand is gone, and then exits with 0", async () => {
    const checked = await check(host({ demand: false, bios: "E7E49AMSI.1A63" }), ["Windows 11"]);
    assert.equal(checked.code, 0);
    assert.equal(checked.vms[0]?.verdict, "nothing-stops-it");
    assert.deepEqual(checked.vms[0]?.findings, []);
    assert.equal(
      checked.noEffect.some((text) => /Resizable BAR/.test(text)),
      false,
      "advice against the 1:1 refusal has no place without it",
    );
  });
});

describe("check", () => {
  const calm: ForumHostOptions = { demand: false };
  const moved = FORUM_DEVICES.map((device) => ({
    ...device,
    bdf: device.bdf.replace(/^0000:01:00/, "0000:03:00"),
  }));

  it("finds the card at its new address when the bus was renumbered", async () => {
    const database = history([{ paths: host(calm), good: true }]);
    const paths = host({ ...calm, devices: moved });
    const { vms, code } = await check(paths, [], database);
    assert.equal(code, 3);
    const finding = find(vms[0]?.findings, "preflight.device-renumbered");
    assert.equal(finding?.certainty, "certain");
    assert.match(
      finding?.sentence ?? "",
      /10de:2805 at 0000:01:00\.0, and it is now at 0000:03:00\.0: the bus was renumbered/,
    );
    const unknown = await check(paths);
    assert.ok(find(unknown.vms[0]?.findings, "state.device-absent"), "without a history it is only missing");
  });

  it("warns when another device stands at the address that the VM asks for", async () => {
    const exchanged = moved.map((device) =>
      device.id === "144d:a80c" ? { ...device, bdf: "0000:01:00.0" } : device,
    );
    const database = history([{ paths: host(calm), good: true }]);
    const { vms } = await check(host({ ...calm, devices: exchanged }), [], database);
    const finding = find(vms[0]?.findings, "preflight.device-exchanged");
    assert.match(finding?.sentence ?? "", /At 0000:01:00\.0 is now 144d:a80c, and no longer 10de:2805/);
  });

  it("tells Unraid's own refusals from faults", async () => {
    const disabled = await check(
      host({ ...calm, files: { "/boot/config/domain.cfg": 'DISABLE="yes"\r\n' } }),
    );
    assert.ok(find(disabled.vms[0]?.findings, "preflight.unraid-disabled"));
    for (const config of ['DISABLE="yes"\nDISABLE="no"\n', 'DISABLE="YES"\n', '#DISABLE="yes"\n']) {
      const enabled = await check(host({ ...calm, files: { "/boot/config/domain.cfg": config } }));
      assert.equal(find(enabled.vms[0]?.findings, "preflight.unraid-disabled"), undefined, config);
    }
    const list = {
      "0000:01:00.0": { class: "0300", vendor_id: "10de", device_id: "1f08", description: "an older card" },
      "0000:01:00.1": { class: "0403", vendor_id: "10de", device_id: "22bd", description: "audio" },
    };
    const changed = await check(
      host({ ...calm, files: { "/boot/config/savedpcidata.json": JSON.stringify(list) } }),
    );
    const finding = find(changed.vms[0]?.findings, "preflight.unraid-pci-change");
    assert.deepEqual(finding?.devices, ["0000:01:00.0"]);
    assert.match(finding?.evidence.join() ?? "", /10de:1f08 → 10de:2805/);
    // Unraid takes an empty list for none, not for a host of which every device is new.
    const empty = await check(host({ ...calm, files: { "/boot/config/savedpcidata.json": "{}" } }));
    assert.equal(find(empty.vms[0]?.findings, "preflight.unraid-pci-change"), undefined);
    const broken = await check(host({ ...calm, files: { "/boot/config/savedpcidata.json": "{" } }));
    assert.equal(broken.code, 0);
    assert.ok(broken.unchecked.some((text) => /savedpcidata\.json is no JSON/.test(text)));
  });

  it("finds a module that may not be loaded, and minds none that merely is not yet", async () => {
    const absentModules = { ...calm, modules: ["kvm"] };
    assert.equal((await check(host(absentModules))).code, 0);
    const forbidden = await check(
      host({ ...absentModules, files: { "/etc/modprobe.d/off.conf": "install vfio_pci /bin/false\n" } }),
    );
    const finding = find(forbidden.vms[0]?.findings, "preflight.module-forbidden");
    assert.match(finding?.sentence ?? "", /vfio_pci .*\/etc\/modprobe\.d\/off\.conf runs \/bin\/false/);
    assert.equal(forbidden.code, 3);
  });

  it("says that the IOMMU is off, with the parameter that does it", async () => {
    const { vms } = await check(host({ ...calm, withoutIommu: true, commandLine: "amd_iommu=off" }));
    const finding = find(vms[0]?.findings, "state.no-iommu-groups");
    assert.ok(finding?.evidence.includes("kernel parameter amd_iommu=off"));
  });

  it("says who holds a device that is not bound, by how much that matters", async () => {
    const held = FORUM_DEVICES.map((device) =>
      device.id === "10de:2805" ? { ...device, driver: "nvidia" } : device,
    );
    const unmanaged = await check(host({ ...calm, devices: held, managed: false }));
    assert.equal(find(unmanaged.vms[0]?.findings, "state.unmanaged-not-bound")?.matter, "stops");
    const inVain = await check(host({ ...calm, devices: held }));
    assert.equal(inVain.code, 0);
    assert.equal(find(inVain.host, "preflight.bound-in-vain")?.matter, "tidy");
    const nobody = await check(
      host({
        ...calm,
        devices: held,
        commandLine: "quiet",
        files: { "/boot/config/vfio-pci.cfg": "BIND=\n" },
      }),
    );
    assert.equal(find(nobody.host, "preflight.bound-by-nobody")?.matter, "tidy");
  });

  it("says of a binding that was made since the boot that it waits, and not that it is in vain", async () => {
    const held = FORUM_DEVICES.map((device) =>
      device.id === "10de:2805" ? { ...device, driver: "nvidia" } : device,
    );
    const asked = "BIND=0000:01:00.0|10de:2805";
    const files = { "/boot/config/vfio-pci.cfg": asked, "/var/log/vfio-pci": "" };
    const options = { ...calm, devices: held, commandLine: "quiet" };
    const waits = await check(host({ ...options, files }));
    const finding = find(waits.host, "preflight.binding-waits-for-reboot");
    assert.match(finding?.sentence ?? "", /waits for a reboot: 0000:01:00\.0\|10de:2805 added\.$/);
    assert.equal(find(waits.host, "preflight.bound-in-vain"), undefined);
    const log = `Loading config from /boot/config/vfio-pci.cfg\n${asked}---\n`;
    const inVain = await check(host({ ...options, files: { ...files, "/var/log/vfio-pci": log } }));
    assert.equal(find(inVain.host, "preflight.binding-waits-for-reboot"), undefined);
    assert.equal(find(inVain.host, "preflight.bound-in-vain")?.matter, "tidy");
  });

  it("finds a binding that fits no device, and where its card is", async () => {
    const { host: findings } = await check(
      host({ ...calm, files: { "/boot/config/vfio-pci.cfg": "BIND=0000:05:00.0|10de:2805\n" } }),
    );
    assert.match(
      find(findings, "preflight.binding-without-device")?.sentence ?? "",
      /A device of that kind is at 0000:01:00\.0/,
    );
  });

  it("looks at every VM with devices, or at the one that is named", async () => {
    const paths = host({
      files: {
        "/etc/libvirt/qemu/Ubuntu.xml": vmXml("Ubuntu", { wanted: ["0000:09:00.0"] }),
        "/etc/libvirt/qemu/Plain.xml": vmXml("Plain", { wanted: [] }),
      },
    });
    assert.deepEqual((await check(paths)).vms.map(({ vm }) => vm).sort(), ["Ubuntu", "Windows 11"]);
    const one = await check(paths, ["Ubuntu"]);
    assert.deepEqual(
      one.vms.map(({ vm }) => vm),
      ["Ubuntu"],
    );
    const none = await runProgram(["check", "Nobody"], { VFIO_WATCH_ROOT: paths.root });
    assert.equal(none.code, 1);
    assert.match(none.err, /no VM 'Nobody'/);
  });

  it("knows the VMs from the history while neither libvirt nor its files are there: Unraid before the array", async () => {
    const paths = host({});
    const definition = readVmDefinitions(paths);
    assert.ok(definition.state === "read");
    const database = history([]);
    const store = opened(database);
    store.batched(() => store.vms.remember(definition.value, Date.UTC(2025, 7, 1)));
    store.close();
    rmSync(paths.at("/etc/libvirt"), { recursive: true });
    const { code, from, vms } = await check(paths, [], database);
    assert.equal(code, 3);
    assert.deepEqual(
      vms.map(({ vm, verdict }) => [vm, verdict]),
      [["Windows 11", "will-not-start"]],
    );
    assert.match(from, /the service saw of them last/);
  });

  it("says why it cannot look when no definition can be read", async () => {
    const outcome = await runProgram(["check"], { VFIO_WATCH_ROOT: `${directory.path}/nowhere` });
    assert.equal(outcome.code, 1);
    assert.match(outcome.err, /start libvirt/);
  });
});

describe("the command check on Proxmox", () => {
  it("knows its VMs, which of them run, and what stops them", async () => {
    const paths = host();
    const node = createProxmoxNode(paths);
    node.configure(101, "name: win11\nhostpci0: 0000:01:00,pcie=1\n");
    node.configure(102, "name: tv\nhostpci0: 0000:01:00.0\n");
    node.configure(103, "name: nas\n");
    const { code, from, vms } = await check(paths);
    assert.equal(from, "Proxmox's configurations");
    assert.equal(code, 3);
    assert.deepEqual(
      vms.map(({ vm, verdict }) => [vm, verdict]),
      [
        ["101 (win11)", "will-not-start"],
        ["102 (tv)", "will-not-start"],
      ],
    );
    node.runs(101, process.pid);
    const { vms: later, text } = await check(paths, ["101"]);
    assert.deepEqual(
      later.map(({ vm, verdict }) => [vm, verdict]),
      [["101 (win11)", "runs"]],
    );
    assert.match(text, /'101 \(win11\)' is running/);
  });

  it("says of a VM that a task has locked that it does not start, and how a lock that was left behind goes", async () => {
    const paths = host({ demand: false });
    const node = createProxmoxNode(paths);
    const lockedBy = async (lock: string) => {
      node.configure(101, `name: win11\nhostpci0: 0000:01:00\nlock: ${lock}\n[before]\nlock: backup\n`);
      return check(paths, ["101"]);
    };
    const { code, vms, text } = await lockedBy("snapshot-delete");
    assert.deepEqual([code, vms[0]?.verdict], [3, "will-not-start"]);
    assert.match(
      text,
      /refuses to start '101 \(win11\)' while one of its tasks \(snapshot-delete\) has locked it/,
    );
    assert.match(text, /Wait until that task has ended.*'qm unlock\s+101'\./s);
    assert.match((await lockedBy("create")).text, /'qm unlock\s+101';\s+its\s+disks\s+may\s+be\s+incomplete/);
    // It is resumed from disk; and a backup that runs has its own QEMU.
    assert.deepEqual((await lockedBy("suspended")).code, 0);
    node.runs(101, process.pid);
    assert.deepEqual(
      (await lockedBy("backup")).vms.map(({ verdict }) => verdict),
      ["runs"],
    );
  });
});

describe("what other owners say of the board", () => {
  it("stands apart from what the host proves, and decides nothing", async () => {
    const good = host({ bios: "1.A95", demand: false });
    const checked = await check(good);
    assert.equal(checked.code, 0);
    const [proven = "", said = ""] = checked.text.split(
      "What other owners say, which proves nothing of this host",
    );
    assert.doesNotMatch(proven, /other owner/);
    assert.match(
      said,
      /This board with 1\.A95: one other owner could not start VMs on it \(1:1 demand\); 1\.A63 worked for two\./,
    );
  });
});
