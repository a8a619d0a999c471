import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import type { HostPaths } from "../../src/host-paths.ts";
import { createWatchedHost, fakeLibvirt, until } from "../helpers/watched-host.ts";
import { fakeVm } from "../libvirt/fake-libvirtd.ts";

const OLD_BIOS = ["bios-update", "boot1-good-start-amd", "snap-before"];
const NEW_BIOS = ["bios-update", "boot2-ivmd-amd", "snap-before"];
const VM = "Windows 11";

async function ntfyServer(context: TestContext) {
  const titles: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => {
      titles.push((JSON.parse(body) as { readonly title: string }).title);
      response.end(JSON.stringify({ id: `message-${titles.length}` }));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  return { titles, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/topic` };
}

test("a start that fails after a BIOS update is told once, with cause and change, and its recovery too", async (context) => {
  const ntfy = await ntfyServer(context);
  const host = createWatchedHost(context, `NOTIFY_NTFY="yes"\nNTFY_URL="${ntfy.url}"`);
  const { clock, told } = host;
  const kinds = () => told().map(({ kind }) => kind);

  const before = host.boot(OLD_BIOS);
  const first = await host.start(before);
  before.starts(VM);
  await host.hurryUntil(() => host.read((store) => store.attempts.list({}).length) === 1);
  before.shutsDown(VM);
  await first.stop();
  assert.deepEqual(kinds(), []);

  clock.skip(60_000);
  const after = host.boot(NEW_BIOS);
  const second = await host.start(after);
  await until(() => told().length === 1);
  assert.deepEqual(kinds(), ["facts-changed"]);
  assert.match(told()[0]?.text ?? "", /BIOS E7E49AMSI\.1A63 \(2026-02-10\) → E7E49AMSI\.1A95/);

  after.failsToStart(VM);
  await until(() => told().length === 2);
  const alert = told()[1];
  assert.deepEqual([alert?.kind, alert?.vm], ["start-failed", VM]);
  assert.equal(alert?.causeClass, "iommu-direct-mapping-required");
  assert.ok(
    alert?.changes.includes("BIOS E7E49AMSI.1A63 (2026-02-10) → E7E49AMSI.1A95 (2026-06-18)"),
    alert?.text,
  );
  assert.match(alert?.lastGood ?? "", /^Last good start: .* on BIOS E7E49AMSI\.1A63\.$/);
  assert.match(alert?.remedy ?? "", /\w/);
  assert.match(alert?.command ?? "", /^vfio-watch show \d+$/);
  await host.allDelivered();
  assert.equal(ntfy.titles.length, 2);

  await second.stop();
  const third = await host.start(after);
  clock.skip(3_600_000);
  after.failsToStart(VM);
  await until(
    () => host.read((store) => store.alerts.incidents({ openOnly: true })[0]?.count) === 2,
    "the second failure was not counted",
  );
  await host.allDelivered();
  assert.equal(told().length, 2);

  clock.skip(3_600_000);
  after.starts(VM);
  await host.hurryUntil(() => told().length === 3);
  assert.deepEqual(kinds(), ["facts-changed", "start-failed", "recovered"]);
  assert.match(told()[2]?.cause ?? "", /^It had failed 2 times since/);
  assert.deepEqual(
    host.read((store) => store.alerts.incidents({ openOnly: true })),
    [],
  );
  await host.allDelivered();
  assert.equal(ntfy.titles.length, 3);
  assert.match(ntfy.titles[1] ?? "", /'Windows 11' did not start/);
  await third.stop();
});

test("a group that changed is told with the start that it breaks, and not as harmless while that start is under way", async (context) => {
  const host = createWatchedHost(context);
  const before = host.boot(["good-intel", "snap-before"]);
  await (await host.start(before)).stop();

  host.clock.skip(60_000);
  const after = host.boot(["good-intel", "snap-before"]);
  moveIntoGroup(after.paths, "0000:03:00.0", "8");
  const libvirt = await fakeLibvirt(context, after.paths);
  libvirt.vms.set(VM, fakeVm(VM, 1));
  after.starts(VM);
  const service = await host.start(after);
  assert.deepEqual(
    host.read((store) => store.alerts.incidents({})),
    [],
  );
  after.fails(VM);
  await until(() => host.told().length === 1);
  const [alert] = host.told();
  assert.equal(alert?.kind, "start-failed");
  assert.match(alert?.changes.join("\n") ?? "", /IOMMU group of .*, members: gained /);
  host.clock.skip(30_000);
  await host.allDelivered();
  await service.stop();
  assert.deepEqual(
    host.told().map(({ kind }) => kind),
    ["start-failed"],
    "what changed stands in it",
  );
});

/** The board's firmware, or a kernel option, lets a device share another group. */
function moveIntoGroup(paths: HostPaths, bdf: string, group: string): void {
  const groups = paths.at("/sys/kernel/iommu_groups");
  for (const name of readdirSync(groups))
    rmSync(`${groups}/${name}/devices/${bdf}`, { recursive: true, force: true });
  mkdirSync(`${groups}/${group}/devices/${bdf}`);
  const link = paths.at(`/sys/bus/pci/devices/${bdf}/iommu_group`);
  rmSync(link);
  symlinkSync(`../../../../kernel/iommu_groups/${group}`, link);
}

test("a VM that the new BIOS keeps from starting is told before anyone tries, with the change that brings it", async (context) => {
  const host = createWatchedHost(context);
  const before = host.boot(OLD_BIOS);
  const first = await host.start(before);
  await first.stop();

  host.clock.skip(60_000);
  const after = host.boot(NEW_BIOS);
  const libvirt = await fakeLibvirt(context, after.paths);
  libvirt.vms.set(VM, fakeVm(VM, 1));
  const second = await host.start(after);
  await until(() => host.told().some(({ kind }) => kind === "will-not-start"));
  await host.allDelivered();
  const alert = host.told().find(({ kind }) => kind === "will-not-start");
  assert.equal(alert?.subject, `'${VM}' will not start: BIOS demands 1:1 mapping`);
  assert.equal(alert?.causeClass, "iommu-direct-mapping-required");
  assert.ok(
    alert?.changes.includes("BIOS E7E49AMSI.1A63 (2026-02-10) → E7E49AMSI.1A95 (2026-06-18)"),
    alert?.text,
  );
  assert.match(alert?.lastGood ?? "", /since the last boot/);
  const foreseen = host.told().length;

  after.failsToStart(VM);
  await until(() => host.told().length > foreseen);
  after.failsToStart(VM);
  await until(() => host.read((store) => store.attempts.list({}).length) === 2);
  await host.allDelivered();
  const failures = host.told().filter(({ vm }) => vm === VM);
  assert.deepEqual(
    failures.map(({ kind }) => kind),
    ["will-not-start", "start-failed"],
  );
  assert.equal(new Set(failures.map(({ incidentId }) => incidentId)).size, 1);

  await second.stop();
  const third = await host.start(after);
  host.clock.skip(60_000);
  await host.allDelivered();
  assert.equal(host.told().filter(({ vm }) => vm === VM).length, 2);
  await third.stop();
});

test("a VM is warned of before libvirt is there, which on Unraid starts it by itself the moment it comes", async (context) => {
  const host = createWatchedHost(context);
  const warnings = () => host.told().filter(({ kind }) => kind === "will-not-start");
  const before = host.boot(OLD_BIOS);
  const known = await fakeLibvirt(context, before.paths);
  known.vms.set(VM, fakeVm(VM, 1));
  const plain = fakeVm("Plain", 2);
  known.vms.set("Plain", { ...plain, xml: plain.xml.replace(/<devices>.*<.devices>/, "") });
  const first = await host.start(before);
  await until(() => host.read((store) => store.vms.list().length) === 2);
  await first.stop();
  assert.deepEqual(host.told(), []);

  host.clock.skip(60_000);
  const after = host.boot(NEW_BIOS);
  const second = await host.start(after);
  await until(() => warnings().length === 1);
  assert.deepEqual([warnings()[0]?.vm, warnings()[0]?.causeClass], [VM, "iommu-direct-mapping-required"]);
  assert.ok(
    warnings()[0]?.changes.includes("BIOS E7E49AMSI.1A63 (2026-02-10) → E7E49AMSI.1A95 (2026-06-18)"),
  );

  const libvirt = await fakeLibvirt(context, after.paths);
  libvirt.vms.set(VM, fakeVm(VM, 1));
  await host.hurryUntil(() => second.describe().some((line) => /^libvirt: libvirt /.test(line)));
  host.clock.skip(5_000);
  await host.allDelivered();
  assert.equal(warnings().length, 1);
  await second.stop();
});

test("changed settings are taken up without a restart, and what is wrong in them is logged", async (context) => {
  const host = createWatchedHost(context, 'NOTIFY_COMMAND="no"');
  const boot = host.boot(NEW_BIOS);
  const daemon = await host.start(boot);
  boot.failsToStart(VM);
  await until(() => host.lines.some((line) => line.includes("start of 'Windows 11'")));
  await host.allDelivered();
  assert.deepEqual(host.told(), []);

  host.settings('LOG_LEVELL="debug"');
  await until(() => host.lines.some((line) => line.includes("settings read again")));
  assert.ok(
    host.lines.some((line) => /vfio-watch\.cfg:5: .*LOG_LEVELL/.test(line)),
    host.lines.join(""),
  );
  boot.failsToStart("Ubuntu");
  await until(() => host.told().length === 1);
  assert.equal(host.told()[0]?.vm, "Ubuntu");
  await daemon.stop();
});

test("a setting that the service is built from is taken up too, and nothing is missed meanwhile", async (context) => {
  const host = createWatchedHost(context);
  const boot = host.boot(NEW_BIOS);
  const daemon = await host.start(boot);
  assert.equal(daemon.describe().length, 6);
  host.settings('SOURCES="domain-logs"');
  await until(() => host.lines.some((line) => line.includes("settings have changed: SOURCES")));
  boot.failsToStart(VM);
  await until(() => host.told().length === 1);
  assert.equal(host.told()[0]?.kind, "start-failed");
  assert.equal(daemon.describe().length, 1);

  // A file stands where the directory would have to be.
  host.settings(`DATABASE="${host.settingsFile}/history.db"`);
  await until(() => host.lines.some((line) => line.includes("The history cannot be used")));
  await until(() => daemon.describe().length === 6, "it watches all the same");
  boot.failsToStart("another");
  await until(() => host.told().some(({ text }) => text.includes("Not recorded: ")));
  host.settings("");
  await until(
    () => host.lines.filter((line) => line.includes("settings have changed: DATABASE")).length === 2,
  );
  assert.equal(daemon.isHealthy(), true);
  await daemon.stop();
});

test("a damaged history is told with where it went, once", async (context) => {
  const host = createWatchedHost(context);
  const boot = host.boot(OLD_BIOS);
  const first = await host.start(boot);
  await first.stop();
  writeFileSync(host.database, "this is no database ".repeat(1_000));
  for (let run = 0; run < 2; run++) {
    const daemon = await host.start(boot);
    await until(() => host.told().length > 0);
    host.clock.skip(60_000);
    await host.allDelivered();
    await daemon.stop();
  }
  assert.equal(host.told().length, 1);
  const [alert] = host.told();
  assert.equal(alert?.kind, "watcher-trouble");
  assert.match(alert?.cause ?? "", /was damaged\. It was moved to \S+corrupt/);
});

test("libvirt away for long is told once, and over when it is back, also across a restart", async (context) => {
  const host = createWatchedHost(context);
  const boot = host.boot(OLD_BIOS);
  const libvirt = await fakeLibvirt(context, boot.paths);
  const first = await host.start(boot);
  const open = () =>
    host.read((store) => store.alerts.incidents({ openOnly: true }).map(({ content }) => content.subject));
  assert.ok(first.describe().some((line) => /^libvirt: libvirt /.test(line)));
  await libvirt.stop();
  await host.hurryUntil(() => host.told().length === 1);
  assert.match(host.told()[0]?.text ?? "", /The source libvirt is lost/);
  assert.deepEqual(open(), ["The source libvirt is lost"]);
  await host.allDelivered();
  await first.stop();

  await fakeLibvirt(context, boot.paths);
  const second = await host.start(boot);
  await host.hurryUntil(() => open().length === 0);
  await host.allDelivered();
  assert.equal(host.told().length, 1);
  await second.stop();
});

test("a channel that keeps failing is told through the others", async (context) => {
  const ntfy = await ntfyServer(context);
  const settings = (command: string) => `NOTIFY_NTFY="yes"\nNTFY_URL="${ntfy.url}"\nCOMMAND="${command}"`;
  const host = createWatchedHost(context, settings("/bin/false"));
  const boot = host.boot(NEW_BIOS);
  const daemon = await host.start(boot);
  boot.failsToStart(VM);
  await host.hurryUntil(() =>
    ntfy.titles.some((title) => title.includes("cannot be delivered through command")),
  );
  host.settings(settings("/bin/true"));
  await host.hurryUntil(() => host.read((store) => store.alerts.nextDueAt()) === undefined);
  await until(
    () => host.read((store) => store.alerts.incidents({ openOnly: true }).length) === 1,
    "the channel's trouble did not end",
  );
  await daemon.stop();
});
