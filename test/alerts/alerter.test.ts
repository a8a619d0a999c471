import assert from "node:assert/strict";
import { test } from "node:test";
import { createAlerter } from "../../src/alerts/alerter.ts";
import { composeRecovery, composeTrouble } from "../../src/alerts/compose.ts";
import { incidentKey } from "../../src/alerts/incident-policy.ts";
import { acknowledge, findIncident, listIncidents, parseDuration, silence } from "../../src/alerts/people.ts";
import { type AlertPolicy, notBefore } from "../../src/alerts/policy.ts";
import { createVirtualClock } from "../../src/clock.ts";
import type { AlertContent } from "../../src/model/alert.ts";
import { bootId, vmName } from "../../src/model/identifiers.ts";
import { createMemoryAlertStore } from "../helpers/memory-alert-store.ts";
import { failureOf } from "./examples.ts";

const HOUR = 3_600_000;
const START = new Date(2026, 10, 23, 14, 0).getTime();

const POLICY: AlertPolicy = {
  toldAs: {},
  reminders: true,
  burst: 5,
  hourly: 6,
  channels: [
    { name: "log", minimum: "normal", keepsQuietHours: false },
    { name: "ntfy", minimum: "warning", keepsQuietHours: true },
  ],
  quietHours: undefined,
  quietPass: "alert",
};

function createRig(policy: Partial<AlertPolicy> = {}, start = START) {
  const store = createMemoryAlertStore();
  const clock = createVirtualClock(start);
  const alerter = () => createAlerter({ store, clock, policy: () => ({ ...POLICY, ...policy }) });
  let attempts = 0;
  const fail = (vm = "Windows 11", content = failureOf(vm)) =>
    alerter().raise({
      key: incidentKey(content),
      content,
      at: clock.now(),
      attemptId: `attempt ${attempts++}`,
    });
  const recover = (vm = "Windows 11") =>
    alerter().recovered(vmName(vm), { at: clock.now() }, (incident) =>
      composeRecovery({ vm: vmName(vm), incident, changes: [] }),
    );
  const sent = (channel: string) =>
    store.deliveries.filter((one) => one.channel === channel).map(({ content }) => content);
  return { store, clock, alerter, fail, recover, sent };
}

test("a failure is queued once for each channel that wants it, and counted after that", () => {
  const { fail, sent, store } = createRig();
  assert.equal(fail().told, true);
  assert.equal(fail().told, false);
  assert.equal(sent("log").length, 1);
  assert.equal(sent("ntfy").length, 1);
  assert.equal(store.incidents({})[0]?.count, 2);
});

function foreseenOf(vm = "Windows 11"): AlertContent {
  return { ...failureOf(vm), kind: "will-not-start", subject: `'${vm}' will not start` };
}

test("a failure that was foreseen is told when it is foreseen, once more when it happens, and then counted", () => {
  const { alerter, clock, fail, sent, store } = createRig();
  const foresee = (boot: string) =>
    alerter().raise({
      ...{ key: incidentKey(foreseenOf()), content: foreseenOf(), at: clock.now() },
      bootId: bootId(boot),
    });
  assert.equal(foresee("boot 1").told, true);
  assert.equal(foresee("boot 1").told, false);
  clock.moveTo(clock.now() + HOUR);
  assert.equal(fail().told, true);
  assert.equal(fail().told, false);
  assert.equal(foresee("boot 2").told, false);
  assert.deepEqual(
    sent("log").map(({ kind }) => kind),
    ["will-not-start", "start-failed"],
  );
  const [incident, ...others] = store.incidents({});
  assert.deepEqual([incident?.count, incident?.content.kind, others.length], [2, "start-failed", 0]);
});

test("after a failure nobody is told that it is to be expected", () => {
  const { alerter, clock, fail, sent, store } = createRig();
  fail();
  const content = foreseenOf();
  clock.moveTo(clock.now() + 72 * HOUR);
  assert.equal(alerter().raise({ key: incidentKey(content), content, at: clock.now() }).told, false);
  assert.equal(sent("log").length, 1);
  assert.equal(store.incidents({})[0]?.count, 1);
});

test("a person who has acknowledged what was foreseen hears nothing when it happens", () => {
  const { alerter, clock, fail, store } = createRig();
  const content = foreseenOf();
  const { incident } = alerter().raise({ key: incidentKey(content), content, at: clock.now() });
  acknowledge(store, incident?.id ?? "", clock.now());
  assert.equal(fail().told, false);
});

test("late evidence that changes an attempt's cause changes its incident, and opens no second one", () => {
  const { alerter, clock, sent, store } = createRig();
  const raise = (content: AlertContent) =>
    alerter().raise({ key: incidentKey(content), content, at: clock.now(), attemptId: "a1" });
  const { causeClass, ...unexplained } = failureOf();
  assert.equal(raise(unexplained).told, true);
  assert.equal(raise({ ...failureOf(), causeClass: "reset-failed" }).told, true);
  assert.equal(raise(failureOf()).told, false);
  assert.equal(sent("log").length, 2);
  const [incident, ...others] = store.incidents({});
  assert.deepEqual([incident?.content.causeClass, incident?.count, others.length], [causeClass, 1, 0]);
});

test("late evidence about an attempt before a good start is not told as a new failure", () => {
  const { alerter, clock, recover, sent, store } = createRig();
  const content = failureOf();
  const raise = () =>
    alerter().raise({ key: incidentKey(content), content, at: clock.now(), attemptId: "a1" });
  raise();
  recover();
  assert.equal(raise().told, false);
  assert.equal(sent("log").filter(({ kind }) => kind === "start-failed").length, 1);
  assert.equal(store.incidents({ openOnly: true }).length, 0);
});

test("a channel's minimum importance holds less important alerts back from it alone", () => {
  const { fail, sent } = createRig();
  fail("Windows 11", { ...failureOf(), importance: "normal" });
  assert.deepEqual([sent("log").length, sent("ntfy").length], [1, 0]);
});

test("a good start closes the incident, is told once, and the next failure is news again", () => {
  const { fail, recover, sent, store } = createRig();
  fail();
  recover();
  recover();
  fail();
  assert.deepEqual(
    sent("log").map(({ kind }) => kind),
    ["start-failed", "recovered", "start-failed"],
  );
  assert.equal(store.incidents({ openOnly: true }).length, 1);
});

test("a good start after several ways of failing is one piece of news", () => {
  const { fail, recover, sent } = createRig();
  fail();
  fail("Windows 11", { ...failureOf(), causeClass: "reset-failed" });
  assert.equal(recover().length, 2);
  assert.equal(sent("log").filter(({ kind }) => kind === "recovered").length, 1);
});

test("nobody hears of the recovery of what nobody was told", () => {
  const { fail, recover, sent } = createRig({ burst: 1, hourly: 1 });
  fail("first");
  assert.equal(fail("second").told, false);
  recover("second");
  assert.equal(sent("log").filter(({ kind }) => kind === "recovered").length, 0);
});

test("200 failures a minute of as many VMs give a handful of messages and one summary that counts the rest", () => {
  const { clock, fail, sent, store } = createRig();
  for (let index = 0; index < 200; index++) {
    fail(`vm ${index}`);
    clock.moveTo(clock.now() + 300);
  }
  const kinds = sent("log").map(({ kind }) => kind);
  assert.equal(kinds.filter((kind) => kind === "start-failed").length, 5);
  assert.equal(kinds.filter((kind) => kind === "storm-summary").length, 1);
  const storm = store.incidents({ limit: 500 }).find(({ content }) => content.kind === "storm-summary");
  assert.equal(storm?.content.subject, "195 more alerts about VM starts that failed");
  assert.equal(storm?.content.changes.length, 8);
  assert.equal(store.incidents({}).length, 201);
});

test("a storm of one kind does not hold back another kind, and a new storm is told anew", () => {
  const { clock, alerter, fail, sent } = createRig({ burst: 1, hourly: 1 });
  fail("a");
  fail("b");
  const trouble = composeTrouble({ subject: "The kernel log is lost", why: "It cannot be read." });
  assert.equal(
    alerter().raise({ key: incidentKey(trouble, "kernel-log"), content: trouble, at: clock.now() }).told,
    true,
  );
  clock.moveTo(clock.now() + 5 * HOUR);
  fail("c");
  fail("d");
  assert.equal(sent("log").filter(({ kind }) => kind === "storm-summary").length, 2);
});

test("settings can switch a kind off or tell it with another importance", () => {
  const off = createRig({ toldAs: { "start-failed": "off" } });
  assert.equal(off.fail().incident, undefined);
  assert.equal(off.store.incidents({}).length, 0);
  const other = createRig({ toldAs: { "start-failed": "normal" } });
  other.fail();
  assert.deepEqual(
    other.sent("log").map(({ importance }) => importance),
    ["normal"],
  );
});

test("a passed trouble is closed without a word", () => {
  const { alerter, clock, sent, store } = createRig();
  const content = composeTrouble({ subject: "The kernel log is lost", why: "It cannot be read." });
  const key = incidentKey(content, "kernel-log");
  alerter().raise({ key, content, at: clock.now() }, { exceptChannel: "ntfy" });
  assert.deepEqual([sent("log").length, sent("ntfy").length], [1, 0]);
  assert.notEqual(alerter().resolved(key, clock.now()), undefined);
  assert.equal(alerter().resolved(key, clock.now()), undefined);
  assert.equal(store.deliveries.length, 1);
});

test("in quiet hours what is not urgent waits for their end, and what is urgent does not", () => {
  const night = new Date(2026, 10, 23, 23, 30).getTime();
  const morning = new Date(2026, 10, 24, 7, 0).getTime();
  const quietHours = { from: 22 * 60, to: 7 * 60 };
  const { fail, store } = createRig({ quietHours }, night);
  fail("urgent");
  fail("not urgent", { ...failureOf("not urgent"), importance: "warning" });
  const due = (vm: string, channel: string) =>
    store.deliveries.find((one) => one.content.vm === vm && one.channel === channel)?.dueAt;
  assert.equal(due("urgent", "ntfy"), night);
  assert.equal(due("not urgent", "ntfy"), morning);
  assert.equal(due("not urgent", "log"), night);
});

test("quiet hours end when they should on both sides of midnight", () => {
  const policy = { ...POLICY, quietHours: { from: 22 * 60, to: 7 * 60 + 30 } };
  const at = (day: number, hour: number, minute = 0) => new Date(2026, 10, day, hour, minute).getTime();
  assert.equal(notBefore(policy, "ntfy", "normal", at(23, 21, 59)), at(23, 21, 59));
  assert.equal(notBefore(policy, "ntfy", "normal", at(23, 22)), at(24, 7, 30));
  assert.equal(notBefore(policy, "ntfy", "normal", at(24, 3)), at(24, 7, 30));
  assert.equal(notBefore(policy, "ntfy", "normal", at(24, 7, 30)), at(24, 7, 30));
  const noon = { ...POLICY, quietHours: { from: 12 * 60, to: 13 * 60 } };
  assert.equal(notBefore(noon, "ntfy", "normal", at(23, 12, 1)), at(23, 13));
});

test("acknowledged is not reminded of; silenced stays silent even when it fails anew after a recovery", () => {
  const { clock, fail, recover, sent, store } = createRig();
  const id = fail().incident?.id ?? "";
  acknowledge(store, id, clock.now());
  clock.moveTo(clock.now() + 30 * 24 * HOUR);
  assert.equal(fail().why, "it is acknowledged");
  assert.equal(listIncidents(store, clock.now())[0]?.state, "acknowledged");

  silence(store, id, clock.now() + 48 * HOUR);
  recover();
  clock.moveTo(clock.now() + HOUR);
  assert.equal(fail().why, "it is silenced");
  clock.moveTo(clock.now() + 48 * HOUR);
  assert.equal(fail().told, true);
  assert.equal(sent("log").filter(({ kind }) => kind === "start-failed").length, 2);
});

test("an incident is found by the beginning of its id, if that is unique", () => {
  const { fail, store } = createRig();
  const id = fail().incident?.id ?? "";
  fail("other");
  assert.deepEqual(findIncident(store, id.slice(0, 9)), { found: store.incident(id) });
  assert.equal("problem" in findIncident(store, "zz"), true);
  assert.equal("problem" in findIncident(store, ""), true);
});

test("durations are read as people write them", () => {
  assert.deepEqual(["90m", "12h", "7d", "2 w", "0d", "soon", "d"].map(parseDuration), [
    5_400_000,
    43_200_000,
    604_800_000,
    1_209_600_000,
    undefined,
    undefined,
    undefined,
  ]);
});

test("a start that began before its VM was given a refused device refutes nothing of what is foretold since", () => {
  const { alerter, clock, store, sent } = createRig();
  const content = foreseenOf();
  const begunAt = clock.now() - HOUR;
  alerter().raise({ key: incidentKey(content), content, at: clock.now() });
  const recover = (at: number) =>
    alerter().recovered(vmName("Windows 11"), { at }, (incident) =>
      composeRecovery({ vm: vmName("Windows 11"), incident, changes: [] }),
    );
  assert.deepEqual(recover(begunAt), []);
  assert.equal(store.incidents({ openOnly: true }).length, 1);
  assert.equal(recover(clock.now() + HOUR).length, 1);
  assert.equal(sent("log").filter(({ kind }) => kind === "recovered").length, 1);
});

test("what was foretold before a start is refuted by it, and what was foretold since is not, whatever the clock says", () => {
  const { alerter, clock, store } = createRig();
  const content = foreseenOf();
  const boot = bootId("00000000-0000-4000-8000-000000000001");
  alerter().raise({ key: incidentKey(content), content, at: clock.now(), bootId: boot, steady: 60_000 });
  const open = () => store.incidents({ openOnly: true }).length;
  const recover = (steady: number, at: number, inBoot = boot) =>
    alerter().recovered(vmName("Windows 11"), { at, bootId: inBoot, steady }, () => undefined);
  // It began before, though the clock showed a later time then: it was set back since.
  recover(50_000, clock.now() + 48 * HOUR);
  assert.equal(open(), 1);
  // It began after, and the clock was set back in between.
  recover(70_000, clock.now() - 48 * HOUR);
  assert.equal(open(), 0);
  alerter().raise({ key: incidentKey(content), content, at: clock.now(), bootId: boot, steady: 60_000 });
  recover(10_000, clock.now() - 365 * 24 * HOUR, bootId("00000000-0000-4000-8000-000000000002"));
  assert.equal(open(), 0, "a start in a later boot, whose clock lags a year");
});
