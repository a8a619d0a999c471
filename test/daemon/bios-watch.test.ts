import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createAlerter } from "../../src/alerts/alerter.ts";
import { alertPolicy } from "../../src/alerts/policy.ts";
import { createVirtualClock } from "../../src/clock.ts";
import { loadConfig } from "../../src/config.ts";
import { createBiosWatch } from "../../src/daemon/bios-watch.ts";
import { createFactWatch } from "../../src/daemon/fact-watch.ts";
import { createServiceLog } from "../../src/daemon/log.ts";
import { createStartsAwaited } from "../../src/daemon/starts-awaited.ts";
import { factsOf } from "../../src/facts/facts-of-host.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import { readHost } from "../../src/host/host-reading.ts";
import { hostStateOf } from "../../src/host/host-state.ts";
import { loadKnownFirmware } from "../../src/knowledge/load-known-firmware.ts";
import { bootId, vmName } from "../../src/model/identifiers.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import type { Store } from "../../src/store/store.ts";
import { buildForumHost, type ForumHostOptions } from "../helpers/forum-host.ts";
import { bdf } from "../helpers/recorded-tree.ts";
import { START, withStore } from "../store/samples.ts";

const silent = createServiceLog({ level: "error", format: "text", journal: false, write: () => {} });
const knownFirmware = () =>
  loadKnownFirmware({ shipped: join(import.meta.dirname, "../../config/known-firmware") }).known;

const vm = (name: string, ...devices: readonly string[]): VmDefinition => ({
  ...{ name: vmName(name), uuid: name, machine: "q35", firmware: "uefi", memoryKiB: 1, hugepages: false },
  hostDevices: devices.map((address) => ({ bdf: bdf(address), managed: true })),
});
const VMS = [vm("Windows 11", "0000:01:00.0"), vm("Ubuntu", "0000:02:00.0"), vm("Web")];

/** The demand covers the GPU's group only. */
const OTHER_GROUP = {
  "/sys/kernel/iommu_groups/15/reserved_regions": "0x00000000fee00000 0x00000000feefffff msi\n",
};

interface BootOptions extends ForumHostOptions {
  /** VMs of which a start is under way at the first look, and why it fails in the end. */
  readonly starts?: readonly { readonly name: string; readonly failed?: string }[];
  /** After so long those starts have ended (ms). */
  readonly endAfter?: number;
}

/** A run of the service in a boot: libvirt has told of nothing yet, the history knows the VMs. */
function boot(context: TestContext, store: Store, name: string, options: BootOptions): void {
  const directory = mkdtempSync(join(tmpdir(), "bios-watch-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const reading = readHost({ paths: buildForumHost(directory, { ...options, files: OTHER_GROUP }) });
  const id = bootId(name);
  store.boots.begin({ id, startedAt: START, origin: "live" });
  const snapshot = makeSnapshot(factsOf(reading));
  store.snapshots.save(snapshot);
  const paths = { shippedFile: undefined, overrideFile: "/nonexistent", unraid: false };
  const policy = alertPolicy(loadConfig({ paths }).config, { unraid: false, proxmox: false });
  const alerter = createAlerter({ store: store.alerts, clock: { now: () => START }, policy: () => policy });
  const common = { store, alerter, log: silent, bootId: id };
  const clock = createVirtualClock(START);
  const starts = options.starts ?? [];
  let isUnderWay = starts.length > 0;
  const failureOf = (definition: VmDefinition) => {
    const why = isUnderWay ? undefined : starts.find(({ name }) => name === definition.name)?.failed;
    return why === undefined ? undefined : ({ outcome: "failed", why } as const);
  };
  const look = () => {
    watch.look(hostStateOf(reading), snapshot.id);
    if (!watch.isWaiting()) facts.look(snapshot.id);
  };
  const awaited = () =>
    createStartsAwaited({
      clock,
      underWay: () => new Set(isUnderWay ? starts.map(({ name }) => vmName(name)) : []),
      again: look,
    });
  const watch = createBiosWatch({
    ...{ ...common, clock, known: knownFirmware, remembered: () => VMS },
    ...{ starts: awaited(), failureOf },
  });
  const facts = createFactWatch({ ...common, now: clock.now, starts: awaited(), failureOf });
  look();
  look();
  clock.moveTo(START + (options.endAfter ?? 0));
  isUnderWay = false;
  clock.moveTo(clock.now() + 10_000);
  assert.equal(watch.isWaiting(), false);
}

const told = (store: Store) =>
  store.alerts
    .incidents({})
    .map(({ content }) => content)
    .toReversed();

test("the first boot with another BIOS says which, what it demands, and which VMs are safe and which are not", (context) =>
  withStore((store) => {
    boot(context, store, "boot 1", { bios: "1.A63", demand: false });
    boot(context, store, "boot 2", { bios: "1.A95" });
    const [content, ...others] = told(store);
    assert.ok(content !== undefined);
    assert.deepEqual(others, []);
    assert.equal(content.subject, "New BIOS 1.A95 stops 'Windows 11'");
    assert.match(
      content.cause ?? "",
      /^'Windows 11' will not start: .*1:1.* Nothing in the firmware stops 'Ubuntu'\.$/,
    );
    assert.doesNotMatch(content.cause ?? "", /Web/);
    const changes = content.changes.join("\n");
    assert.equal(content.changes[0], "BIOS 1.A63 → 1.A95");
    assert.match(changes, /^Its tables demand 1:1 mappings: IVMD type 2/m);
    assert.match(changes, /could not start VMs on it/, "what other owners of this board met");
    assert.deepEqual(store.alerts.incidents({ openOnly: true }), []);
    boot(context, store, "boot 3", { bios: "1.A95" });
    assert.equal(told(store).length, 1, "and only the first boot says it");
  }));

test("going back says that nothing stops them, and what changed besides is told apart", (context) =>
  withStore((store) => {
    boot(context, store, "boot 1", { bios: "1.A95" });
    boot(context, store, "boot 2", { bios: "1.A63", demand: false });
    const [content] = told(store);
    assert.equal(content?.subject, "New BIOS 1.A63 stops no VM");
    assert.equal(content?.cause, "Nothing in the firmware stops 'Windows 11', 'Ubuntu'.");
    assert.match(content?.changes.join("\n") ?? "", /^Its tables demand no 1:1 mapping\.$/m);
  }));

test("the same version in the vendor's spelling is no other BIOS", (context) =>
  withStore((store) => {
    boot(context, store, "boot 1", { bios: "1.A63", demand: false });
    boot(context, store, "boot 2", { bios: "E7E49AMSI.1A63", demand: false });
    assert.deepEqual(told(store), []);
  }));

test("a VM that has failed seconds before is not said to be safe or to fail later, but that it failed and why", (context) =>
  withStore((store) => {
    boot(context, store, "boot 1", { bios: "1.A63", demand: false });
    const starts = [{ name: "Ubuntu", failed: "The IOMMU group is shared." }];
    boot(context, store, "boot 2", { bios: "1.A95", starts, endAfter: 20_000 });
    const [content] = told(store);
    assert.match(
      content?.cause ?? "",
      /^'Ubuntu' did not start in this boot: The IOMMU group is shared\. 'Windows 11' will not start: /,
    );
    assert.doesNotMatch(content?.cause ?? "", /Nothing in the firmware stops/);
    assert.equal(told(store).length, 1);
  }));

test("a version that stops no VM is not called harmless where one failed for another reason", (context) =>
  withStore((store) => {
    boot(context, store, "boot 1", { bios: "1.A95" });
    const starts = [{ name: "Ubuntu", failed: "The IOMMU group is shared." }];
    boot(context, store, "boot 2", { bios: "1.A63", demand: false, starts });
    const [content] = told(store);
    assert.equal(content?.subject, "New BIOS 1.A63");
    assert.match(content?.cause ?? "", /Nothing in the firmware stops 'Windows 11'\.$/);
  }));

test("a start that never ends does not keep the new BIOS from being told", (context) =>
  withStore((store) => {
    boot(context, store, "boot 1", { bios: "1.A63", demand: false });
    boot(context, store, "boot 2", { bios: "1.A95", starts: [{ name: "Ubuntu" }], endAfter: 90_000 });
    assert.equal(told(store).length, 1);
  }));
