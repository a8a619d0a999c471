import assert from "node:assert/strict";
import { test } from "node:test";
import { createAlerter } from "../../src/alerts/alerter.ts";
import { alertPolicy } from "../../src/alerts/policy.ts";
import { loadConfig } from "../../src/config.ts";
import { createFactWatch } from "../../src/daemon/fact-watch.ts";
import { createServiceLog } from "../../src/daemon/log.ts";
import { createSettledLog } from "../../src/daemon/settled-log.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import type { FactValue } from "../../src/model/fact.ts";
import { bootId } from "../../src/model/identifiers.ts";
import type { Store } from "../../src/store/store.ts";
import { START, sampleAttempt, withStore } from "../store/samples.ts";

const silent = createServiceLog({ level: "error", format: "text", journal: false, write: () => {} });
const value = (text: string): FactValue => ({ state: "value", value: text });

/** Looks at a machine with these facts, in a run of the service of its own. */
function lookAt(store: Store, boot: string, bios: FactValue, kernel = "6.12"): void {
  const id = bootId(boot);
  store.boots.begin({ id, startedAt: START, origin: "live" });
  const snapshot = makeSnapshot([
    { group: "firmware", key: "firmware.bios.version", value: bios },
    { group: "kernel", key: "kernel.release", value: value(kernel) },
  ]);
  store.snapshots.save(snapshot);
  const paths = { shippedFile: undefined, overrideFile: "/nonexistent", unraid: false };
  const policy = alertPolicy(loadConfig({ paths }).config, { unraid: false, proxmox: false });
  const alerter = createAlerter({ store: store.alerts, clock: { now: () => START }, policy: () => policy });
  createFactWatch({ store, alerter, log: silent, bootId: id, now: () => START }).look(snapshot.id);
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
