import assert from "node:assert/strict";
import { test } from "node:test";
import { createAlerter } from "../../src/alerts/alerter.ts";
import { alertPolicy } from "../../src/alerts/policy.ts";
import { loadConfig } from "../../src/config.ts";
import { createAlerting } from "../../src/daemon/alerting.ts";
import type { StartAttempt } from "../../src/model/attempt.ts";
import { signatureId, bootId as toBootId } from "../../src/model/identifiers.ts";
import type { Store } from "../../src/store/store.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";
import { BOOT, fact, START, sampleAttempt, snapshot, withStore } from "../store/samples.ts";

function alertingOf(store: Store, bootId = BOOT) {
  const paths = { shippedFile: undefined, overrideFile: "/nonexistent", unraid: false };
  const policy = alertPolicy(loadConfig({ paths }).config, { unraid: false, proxmox: false });
  const alerter = createAlerter({
    store: store.alerts,
    clock: { now: () => START },
    policy: () => policy,
  });
  return createAlerting({
    ...{ store, alerter, catalogue, bootId, host: () => undefined },
    clock: { now: () => START },
  });
}

function save(store: Store, id: string, overrides: Partial<StartAttempt>, snapshotId?: string) {
  const attempt = sampleAttempt({ id, ...overrides });
  const extra = { origin: "live", ...(snapshotId !== undefined && { snapshotId }) } as const;
  return { attempt, number: store.attempts.save(attempt, extra) };
}

const facts = snapshot("facts of both", [fact("firmware.bios.version", "A63")]);
const good = { outcome: "started", evidence: [] } as const;

test("without the facts of one side an alert does not claim that nothing changed", () =>
  withStore((store) => {
    store.snapshots.save(facts);
    save(store, "good", { ...good, openedAt: START - 9_000 });
    const { attempt, number } = save(store, "bad", {}, facts.id);
    alertingOf(store).attemptSettled(attempt, number, facts.id);
    const [incident] = store.alerts.incidents({});
    assert.match(incident?.content.lastGood ?? "", /What has changed since is not on record\.$/);
  }));

test("with the same facts on both sides it says that nothing changed", () =>
  withStore((store) => {
    store.snapshots.save(facts);
    save(store, "good", { ...good, openedAt: START - 9_000 }, facts.id);
    const { attempt, number } = save(store, "bad", {}, facts.id);
    alertingOf(store).attemptSettled(attempt, number, facts.id);
    const [incident] = store.alerts.incidents({});
    assert.match(incident?.content.lastGood ?? "", /Nothing that is watched has changed since\.$/);
  }));

test("a failure that a log tells of after a later good start alarms nobody", () =>
  withStore((store) => {
    save(store, "good", { ...good, openedAt: START + 9_000 });
    const { attempt, number } = save(store, "bad", {});
    alertingOf(store).attemptSettled(attempt, number, undefined);
    assert.deepEqual(store.alerts.incidents({}), []);
  }));

test("another reason of a class that holds all kinds is another incident, the same reason again is not", () =>
  withStore((store) => {
    const alerting = alertingOf(store);
    const refuse = (id: string, openedAt: number, signature: string) => {
      const causes = [
        {
          class: "vm-config-invalid",
          certainty: "certain",
          signature: signatureId(signature),
          sentence: signature,
          evidence: [],
          devices: [],
          groups: [],
        },
      ] as const;
      const diagnosis = { causes, summary: signature, deviceRelated: false, noEffect: [] };
      const { attempt, number } = save(store, id, { openedAt, outcome: "refused", diagnosis });
      alerting.attemptSettled(attempt, number, undefined);
    };
    refuse("1", START + 1_000, "unraid.vms-disabled");
    refuse("2", START + 2_000, "unraid.vms-disabled");
    refuse("3", START + 3_000, "unraid.pci-change");
    const told = store.alerts.incidents({}).map(({ content, count }) => [content.cause, count]);
    assert.deepEqual(told.sort(), [
      ["unraid.pci-change", 1],
      ["unraid.vms-disabled", 2],
    ]);
  }));

test("a recovery in a boot whose clock lags a year says what has changed since the failure", () =>
  withStore((store) => {
    const later = toBootId("22222222-2222-4222-8222-222222222222");
    const lagging = START - 365 * 86_400_000;
    const [before, after] = ["A95", "A63"].map((version) =>
      snapshot(`facts of ${version}`, [fact("firmware.bios.version", version)]),
    );
    assert.ok(before !== undefined && after !== undefined);
    store.boots.begin({ id: BOOT, startedAt: START - 60_000, origin: "live" });
    store.boots.begin({ id: later, startedAt: lagging - 60_000, origin: "live" });
    for (const one of [before, after]) store.snapshots.save(one);
    const bad = save(store, "bad", { steady: 60_000 }, before.id);
    alertingOf(store).attemptSettled(bad.attempt, bad.number, before.id);
    const healed = save(
      store,
      "healed",
      { ...good, bootId: later, openedAt: lagging, steady: 60_000 },
      after.id,
    );
    alertingOf(store, later).attemptSettled(healed.attempt, healed.number, after.id);
    const [incident] = store.alerts.incidents({});
    assert.equal(incident?.closedAt, lagging);
    const told = store.alerts.deliveriesOf(incident.id).map(({ content }) => content);
    const recovery = told.find(({ kind }) => kind === "recovered");
    assert.match(recovery?.changes.join() ?? "", /A95 → A63/);
  }));

test("a start of which more is said once a newer one has failed is counted once", () =>
  withStore((store) => {
    const alerting = alertingOf(store);
    const first = save(store, "first", { openedAt: START + 1_000, steady: 1_000 });
    const second = save(store, "second", { openedAt: START + 2_000, steady: 2_000 });
    for (const { attempt, number } of [first, second]) alerting.attemptSettled(attempt, number, undefined);
    alerting.attemptSettled(first.attempt, first.number, undefined, "untold", true);
    const [incident] = store.alerts.incidents({});
    assert.deepEqual([incident?.count, incident?.attemptId], [2, second.attempt.id]);
  }));
