import assert from "node:assert/strict";
import { test } from "node:test";
import { createAlerter } from "../../src/alerts/alerter.ts";
import type { FailedStart } from "../../src/alerts/compose.ts";
import { alertPolicy } from "../../src/alerts/policy.ts";
import { type Clock, createVirtualClock } from "../../src/clock.ts";
import { loadConfig } from "../../src/config.ts";
import { createFactWatch } from "../../src/daemon/fact-watch.ts";
import { createServiceLog } from "../../src/daemon/log.ts";
import { createSettledLog } from "../../src/daemon/settled-log.ts";
import { createStartsAwaited } from "../../src/daemon/starts-awaited.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import type { FactValue, Snapshot } from "../../src/model/fact.ts";
import { type BootId, bootId, vmName } from "../../src/model/identifiers.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import type { Store } from "../../src/store/store.ts";
import { bdf } from "../helpers/recorded-tree.ts";
import { START, sampleAttempt, withStore } from "../store/samples.ts";

const silent = createServiceLog({ level: "error", format: "text", journal: false, write: () => {} });
const value = (text: string): FactValue => ({ state: "value", value: text });

/** Looks at a machine with these facts, in a run of the service of its own. */
function lookAt(store: Store, boot: string, bios: FactValue, kernel = "6.12"): void {
  const id = bootId(boot);
  const snapshot = makeSnapshot([
    { group: "firmware", key: "firmware.bios.version", value: bios },
    { group: "kernel", key: "kernel.release", value: value(kernel) },
  ]);
  begin(store, boot, snapshot);
  watchOf(store, id, createVirtualClock(START)).watch.look(snapshot.id);
}

function begin(store: Store, boot: string, snapshot: Snapshot): void {
  store.boots.begin({ id: bootId(boot), startedAt: START, origin: "live" });
  store.snapshots.save(snapshot);
}

/** What the service knows of the VM's start in this boot, which a test may change. */
interface Known {
  isUnderWay: boolean;
  failed: FailedStart | undefined;
}

function watchOf(store: Store, id: BootId, clock: Clock, again = () => {}) {
  const paths = { shippedFile: undefined, overrideFile: "/nonexistent", unraid: false };
  const policy = alertPolicy(loadConfig({ paths }).config, { unraid: false, proxmox: false });
  const alerter = createAlerter({ store: store.alerts, clock: { now: () => START }, policy: () => policy });
  const known: Known = { isUnderWay: false, failed: undefined };
  const underWay = () => new Set(known.isUnderWay ? [WINDOWS.name] : []);
  const watch = createFactWatch({
    ...{ store, alerter, log: silent, bootId: id, now: () => START },
    starts: createStartsAwaited({ clock, underWay, again }),
    failureOf: () => known.failed,
  });
  return { watch, known };
}

const subjects = (store: Store) =>
  store.alerts
    .incidents({})
    .map(({ content }) => content.subject)
    .reverse();

test("another BIOS at a boot is told once, whatever happens to the service in that boot", () =>
  withStore((store) => {
    lookAt(store, "boot 1", value("A63"));
    lookAt(store, "boot 2", value("A63"), "6.18");
    assert.deepEqual(subjects(store), []);
    lookAt(store, "boot 3", value("A95"));
    lookAt(store, "boot 3", value("A95"), "6.18");
    lookAt(store, "boot 4", value("A95"));
    // The kernel changed in the same boot, so it is named with the BIOS.
    assert.deepEqual(subjects(store), ["2 things changed since the last boot"]);
    const [{ content } = { content: { changes: [] } }] = store.alerts.incidents({});
    assert.match(content.changes.join("\n"), /BIOS A63 → A95\nKernel 6\.18 → /);
    assert.deepEqual(store.alerts.incidents({ openOnly: true }), []);
  }));

test("a change while the host runs says so", () =>
  withStore((store) => {
    lookAt(store, "boot 1", value("A63"));
    lookAt(store, "boot 1", value("A95"));
    assert.deepEqual(subjects(store), ["Changed while the host runs: BIOS A63 → A95"]);
  }));

test("what could not be read in between is compared when it can be read again", () =>
  withStore((store) => {
    lookAt(store, "boot 1", value("A63"));
    lookAt(store, "boot 2", { state: "unknown", why: "needs root" });
    assert.deepEqual(subjects(store), []);
    lookAt(store, "boot 2", value("A95"));
    assert.deepEqual(subjects(store), ["Changed since the last boot: BIOS A63 → A95"]);
  }));

const WINDOWS: VmDefinition = {
  ...{
    name: vmName("Windows 11"),
    uuid: "u",
    machine: "q35",
    firmware: "uefi",
    memoryKiB: 1,
    hugepages: false,
  },
  hostDevices: [{ bdf: bdf("0000:01:00.0"), managed: true }],
};
const GPU = "vendor-10de_device-2684";

/** Another function in the group of its card, at the second boot. A start of the VM is under way at the first look. */
function otherMembers(store: Store) {
  const clock = createVirtualClock(START);
  store.vms.remember([WINDOWS], START);
  const [before, after] = [[GPU], [GPU, "other"]].map((members) =>
    makeSnapshot([
      { group: "iommu", key: `iommu.group.${GPU}.members`, value: { state: "value", value: members } },
      { group: "pci", key: `pci.${GPU}.address`, value: { state: "value", value: ["0000:01:00.0"] } },
    ]),
  );
  assert.ok(before !== undefined && after !== undefined);
  begin(store, "boot 1", before);
  watchOf(store, bootId("boot 1"), clock).watch.look(before.id);
  begin(store, "boot 2", after);
  const { watch, known } = watchOf(store, bootId("boot 2"), clock, () => watch.look(after.id));
  known.isUnderWay = true;
  watch.look(after.id);
  return { clock, known };
}

test("what changed is told once the starts that it may concern have ended, and says how", () =>
  withStore((store) => {
    const { clock, known } = otherMembers(store);
    clock.moveTo(START + 30_000);
    assert.deepEqual(subjects(store), [], "it would say that no start has failed");
    known.isUnderWay = false;
    known.failed = { outcome: "failed", why: "The group is shared." };
    clock.moveTo(START + 40_000);
    const [incident, ...others] = store.alerts.incidents({});
    assert.deepEqual(others, []);
    assert.match(
      incident?.content.cause ?? "",
      /It may concern 'Windows 11'\. 'Windows 11' did not start in this boot: The group is shared\.$/,
    );
  }));

test("a start that never ends keeps nobody from hearing what changed", () =>
  withStore((store) => {
    const { clock } = otherMembers(store);
    clock.moveTo(START + 90_000);
    const causes = store.alerts.incidents({}).map(({ content }) => content.cause);
    assert.equal(causes.length, 1);
    assert.match(causes[0] ?? "", /a start of 'Windows 11' is under way\.$/);
  }));

test("a settled attempt is logged once, and again only when something else is said of it", () => {
  const lines: string[] = [];
  const log = createSettledLog({ info: (line) => lines.push(line) });
  const attempt = sampleAttempt();
  log(attempt);
  log(attempt);
  assert.equal(lines.length, 1);
  const diagnosis = { causes: [], summary: "The cause is known now.", deviceRelated: true, noEffect: [] };
  log({ ...attempt, diagnosis });
  log({ ...attempt, diagnosis });
  assert.equal(lines.length, 2);
  assert.match(lines[1] ?? "", /The cause is known now\./);
});
