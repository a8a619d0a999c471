import assert from "node:assert/strict";
import { test } from "node:test";
import type { AlertContent, Incident } from "../../src/model/alert.ts";
import { type Bdf, bootId, signatureId, vmName } from "../../src/model/identifiers.ts";
import type { Gap } from "../../src/model/observation.ts";
import type { SightingInput } from "../../src/store/record-stores.ts";
import { BOOT, demandsMapping, GPU, START, sampleAttempt, withStore } from "./samples.ts";

const line = (overrides: Partial<SightingInput> = {}): SightingInput => ({
  bootId: BOOT,
  source: "kernel-log",
  signature: demandsMapping.id,
  device: GPU,
  text: "AER: Corrected error received",
  at: START,
  monotonicUs: 5,
  ...overrides,
});

test("repeated lines become one row with a count, first and last time", () =>
  withStore((store) => {
    store.sightings.record([line(), line({ at: START + 10 }), line({ device: "0000:02:00.0" as Bdf })]);
    store.sightings.record([line({ at: START + 5, count: 100 })]);
    const [first] = store.sightings.list({ bootId: BOOT });
    assert.deepEqual(first, {
      bootId: BOOT,
      source: "kernel-log",
      signature: demandsMapping.id,
      device: GPU,
      text: "AER: Corrected error received",
      count: 102,
      firstAt: START,
      lastAt: START + 10,
      firstMonotonicUs: 5,
    });
    assert.equal(store.sightings.list().length, 2);
    assert.deepEqual(store.sightings.list({ since: START + 11 }), []);
  }));

test("lines of one text are told apart by all that a row is about", () =>
  withStore((store) => {
    const { device: _, ...deviceless } = line();
    const other = bootId("22222222-2222-4222-8222-222222222222");
    const kinds = [
      line(),
      deviceless,
      line({ bootId: other }),
      line({ source: "libvirtd-log" }),
      line({ signature: signatureId("another.signature") }),
    ];
    store.sightings.record([...kinds, ...kinds.toReversed(), ...kinds]);
    assert.deepEqual(
      store.sightings.list().map(({ count }) => count),
      kinds.map(() => 3),
    );
  }));

test("a flood of ever different lines ends in one collecting row, and no line goes uncounted", () =>
  withStore((store) => {
    const lines = Array.from({ length: 5000 }, (_, index) => line({ text: `error ${index}` }));
    for (let from = 0; from < lines.length; from += 500)
      store.sightings.record(lines.slice(from, from + 500));
    const rows = store.sightings.list();
    assert.ok(rows.length <= 66);
    assert.equal(
      rows.reduce((sum, { count }) => sum + count, 0),
      5000,
    );
    assert.ok(rows.some(({ text, count }) => text === "" && count > 4900));
  }));

test("lines of an unknown boot are counted too", () =>
  withStore((store) => {
    const { bootId: _, ...bootless } = line();
    store.sightings.record([bootless]);
    store.sightings.record([bootless]);
    assert.deepEqual(
      store.sightings.list().map(({ bootId, count }) => [bootId, count]),
      [[undefined, 2]],
    );
  }));

test("a gap told twice is one gap", () =>
  withStore((store) => {
    const gap: Gap = {
      kind: "gap",
      source: "kernel-log",
      at: START,
      exactTime: true,
      bootId: BOOT,
      identity: "boot:17",
      lost: 312,
      detail: "overwritten before they were read",
    };
    store.gaps.record(gap);
    store.gaps.record(gap);
    store.gaps.record({ ...gap, identity: "boot:18", lost: undefined });
    assert.deepEqual(
      store.gaps.list().map(({ lost }) => lost),
      [undefined, 312],
    );
  }));

test("resume points are kept by key, the newest of each", () =>
  withStore((store) => {
    store.resumePoints.save([
      { key: "kernel-log", value: "1" },
      { key: "kernel-log", value: "2" },
      { key: "log\0x", value: "9" },
    ]);
    store.resumePoints.forget(["log\0x"]);
    assert.deepEqual(store.resumePoints.load(), new Map([["kernel-log", "2"]]));
  }));

test("an inventory remembers the VMs that libvirt no longer lists", () =>
  withStore((store) => {
    const definition = {
      name: vmName("Windows 11"),
      uuid: "u",
      machine: "q35",
      firmware: "uefi",
      memoryKiB: 1,
      hugepages: false,
      hostDevices: [{ bdf: GPU, managed: true }],
    };
    store.vms.remember([definition], START);
    store.vms.remember([definition], START + 1);
    assert.deepEqual(store.vms.list(), [{ definition, since: START, goneAt: undefined }]);
    store.vms.remember([], START + 2);
    assert.equal(store.vms.get(definition.name)?.goneAt, START + 2);
    store.vms.rememberOne({ ...definition, machine: "i440fx" }, START + 3);
    assert.deepEqual(store.vms.get(definition.name), {
      definition: { ...definition, machine: "i440fx" },
      since: START + 3,
      goneAt: undefined,
    });
  }));

const content: AlertContent = {
  kind: "start-failed",
  importance: "alert",
  vm: vmName("**<img src=x>**"),
  devices: [{ bdf: GPU, name: "RTX 4060 Ti" }],
  subject: "did not start",
  changes: ["BIOS version: A63 → A95"],
};
const incident: Incident = {
  id: "i1",
  key: "start-failed/Windows 11",
  openedAt: START,
  lastAt: START,
  count: 1,
  closedAt: undefined,
  acknowledgedAt: undefined,
  silencedUntil: undefined,
  lastToldAt: undefined,
  reminders: 0,
  bootId: BOOT,
  attemptId: "attempt-1",
  content,
};

test("an incident is found while it is open, and kept when it is closed", () =>
  withStore((store) => {
    store.alerts.saveIncident(incident);
    assert.deepEqual(store.alerts.openIncident(incident.key), incident);
    const closed = { ...incident, closedAt: START + 9, count: 3, reminders: 1 };
    store.alerts.saveIncident(closed);
    assert.equal(store.alerts.openIncident(incident.key), undefined);
    assert.deepEqual(store.alerts.incident("i1"), closed);
    assert.deepEqual(store.alerts.incidents({ openOnly: true }), []);
    assert.deepEqual(store.alerts.incidents({ limit: 5 }), [closed]);
  }));

test("who raises an alert finds what is known of its attempt, its silence and what was told, as it is now", () =>
  withStore((store) => {
    const { alerts } = store;
    assert.deepEqual(
      [alerts.incidentOfAttempt("attempt-1"), alerts.toldTimes("start-failed")],
      [undefined, []],
    );
    const earlier = {
      ...incident,
      id: "i0",
      closedAt: START,
      silencedUntil: START + 50,
      lastToldAt: START + 1,
    };
    alerts.saveIncident(earlier);
    alerts.saveIncident(incident);
    assert.equal(alerts.incidentOfAttempt("attempt-1")?.id, "i1");
    assert.deepEqual(alerts.silencedUntil(incident.key, START + 49), START + 50);
    assert.equal(alerts.silencedUntil(incident.key, START + 50), undefined);
    assert.equal(alerts.silencedUntil("another", START), undefined);
    assert.deepEqual(alerts.toldTimes("start-failed"), [START + 1]);
    alerts.saveIncident({ ...incident, lastToldAt: START + 2 });
    assert.deepEqual(alerts.toldTimes("start-failed").toSorted(), [START + 1, START + 2]);
    assert.deepEqual(alerts.toldTimes("will-not-start"), []);
    assert.throws(() =>
      alerts.inTransaction(() => {
        alerts.saveIncident({ ...incident, lastToldAt: START + 3 });
        assert.deepEqual(alerts.toldTimes("start-failed").toSorted(), [START + 1, START + 3]);
        throw new Error("taken back");
      }),
    );
    assert.deepEqual(alerts.toldTimes("start-failed").toSorted(), [START + 1, START + 2]);
  }));

test("a delivery is due, retried, delivered once and given up for good", () =>
  withStore((store) => {
    store.alerts.saveIncident(incident);
    const queue = (channel: string, dueAt: number) =>
      store.alerts.enqueue({ incidentId: "i1", channel, content, createdAt: START, dueAt });
    const ntfy = queue("ntfy", START + 10);
    const unraid = queue("unraid", START + 5);
    assert.equal(store.alerts.nextDueAt(), START + 5);
    assert.deepEqual(
      store.alerts.dueDeliveries(START + 10, 9).map(({ id }) => id),
      [unraid, ntfy],
    );
    assert.deepEqual(
      store.alerts.dueDeliveries(START + 10, 1, "ntfy").map(({ id }) => id),
      [ntfy],
    );
    assert.equal(store.alerts.nextDueAt("ntfy"), START + 10);
    assert.equal(store.alerts.nextDueAt("webhook"), undefined);
    store.alerts.markFailed(ntfy, "HTTP 500", START + 60);
    store.alerts.markDelivered(unraid, START + 11);
    assert.deepEqual(store.alerts.dueDeliveries(START + 11, 9), []);
    store.alerts.markGivenUp(ntfy, "HTTP 500 for a day", START + 99);
    store.alerts.markFailed(unraid, "too late", START + 100);
    assert.equal(store.alerts.nextDueAt(), undefined);
    assert.deepEqual(
      store.alerts
        .deliveriesOf("i1")
        .map(({ channel, state, tries, finishedAt }) => [channel, state, tries, finishedAt]),
      [
        ["ntfy", "given-up", 1, START + 99],
        ["unraid", "delivered", 1, START + 11],
      ],
    );
    assert.deepEqual(store.alerts.channelStates(), [
      {
        channel: "ntfy",
        pending: 0,
        givenUp: 1,
        lastError: "HTTP 500 for a day",
        lastDeliveredAt: undefined,
      },
      { channel: "unraid", pending: 0, givenUp: 0, lastError: undefined, lastDeliveredAt: START + 11 },
    ]);
  }));

test("an attempt and its alert are stored together or not at all", () =>
  withStore((store) => {
    assert.throws(
      () =>
        store.alerts.inTransaction(() => {
          store.attempts.save(sampleAttempt(), { origin: "live" });
          store.alerts.saveIncident(incident);
          throw new Error("a bug in between");
        }),
      /a bug in between/,
    );
    assert.equal(store.attempts.find("attempt-1"), undefined);
    assert.deepEqual(store.alerts.incidents({}), []);
  }));

test("a part that fails inside a transaction takes back only itself", () =>
  withStore((store) => {
    store.batched(() => {
      store.meta.set("kept", "yes");
      try {
        store.batched(() => {
          store.meta.set("taken back", "yes");
          throw new Error("part");
        });
      } catch {
        // The outer work goes on.
      }
    });
    assert.equal(store.meta.get("kept"), "yes");
    assert.equal(store.meta.get("taken back"), undefined);
  }));
