import assert from "node:assert/strict";
import { test } from "node:test";
import type { Channel, SendResult } from "../../src/alerts/channel.ts";
import { composeStorm } from "../../src/alerts/compose.ts";
import { createDelivery } from "../../src/alerts/delivery.ts";
import { createVirtualClock } from "../../src/clock.ts";
import { createMemoryAlertStore } from "../helpers/memory-alert-store.ts";
import { failureOf, settle } from "./examples.ts";

const START = Date.UTC(2026, 10, 23, 14);
const MINUTE = 60_000;
const DOWN: SendResult = { delivered: false, error: "it is down" };

/** A channel that answers when told to. */
function createStandIn(name: string, answer: (id: number) => SendResult | undefined) {
  const seen: number[] = [];
  const signals: AbortSignal[] = [];
  const open: ((result: SendResult) => void)[] = [];
  const channel: Channel = {
    name,
    timeLimitMs: 15_000,
    send(message, signal) {
      seen.push(message.deliveryId);
      signals.push(signal);
      const result = answer(message.deliveryId);
      return result !== undefined ? Promise.resolve(result) : new Promise((resolve) => open.push(resolve));
    },
  };
  return { channel, seen, signals, open };
}

function createRig(standIns: readonly ReturnType<typeof createStandIn>[], store = createMemoryAlertStore()) {
  const clock = createVirtualClock(START);
  const said: string[] = [];
  const health: (string | undefined)[] = [];
  const say = (message: string) => said.push(message);
  const settings = {
    giveUpAfterMs: 72 * 60 * MINUTE,
    host: "tower",
    notBefore: (_: string, __: unknown, at: number) => at,
  };
  const delivery = createDelivery({
    store,
    clock,
    settings,
    channels: standIns.map(({ channel }) => channel),
    log: { info: say, warn: say, error: say },
    random: () => 0.5,
    onChannelHealth: (_, error) => health.push(error),
  });
  const queue = (channel: string, more: { dueAt?: number; createdAt?: number } = {}) =>
    store.enqueue({
      incidentId: "0123abcdef",
      channel,
      content: failureOf(),
      createdAt: clock.now(),
      dueAt: clock.now(),
      ...more,
    });
  const stateOf = (id: number) => store.deliveries[id - 1]?.state;
  /** Moves on in small steps, so that answers can arrive in between. */
  const pass = async (milliseconds: number, step = 1_000) => {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    for (const end = clock.now() + milliseconds; clock.now() < end; ) {
      clock.moveTo(Math.min(end, clock.now() + step));
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { clock, store, delivery, settings, queue, stateOf, pass, said, health };
}

const sent: SendResult = { delivered: true };

test("a nudge is enough: the channel is called at once, without any time passing", async () => {
  const ntfy = createStandIn("ntfy", () => sent);
  const { delivery, queue, stateOf } = createRig([ntfy]);
  delivery.start();
  const id = queue("ntfy");
  delivery.nudge();
  assert.deepEqual(ntfy.seen, [id]);
  await settle(() => stateOf(id) === "delivered");
  assert.equal(stateOf(id), "delivered");
});

test("what was pending before a restart is taken up at the start, in order", async () => {
  const ntfy = createStandIn("ntfy", () => sent);
  const { delivery, queue, stateOf } = createRig([ntfy]);
  const ids = [queue("ntfy"), queue("ntfy"), queue("ntfy")];
  delivery.start();
  await settle(() => stateOf(3) === "delivered");
  assert.deepEqual(ntfy.seen, ids);
});

test("a slow channel holds no other, and is not called twice at a time", async () => {
  const slow = createStandIn("unraid", () => undefined);
  const quick = createStandIn("ntfy", () => sent);
  const { delivery, queue, stateOf } = createRig([slow, quick]);
  delivery.start();
  for (let index = 0; index < 600; index++) queue("unraid");
  const id = queue("ntfy");
  delivery.nudge();
  await settle(() => stateOf(id) === "delivered");
  assert.equal(stateOf(id), "delivered");
  assert.equal(slow.seen.length, 1);
});

test("a failure is tried again with growing waits, until it succeeds, and never after that", async () => {
  let failures = 4;
  const times: number[] = [];
  const ntfy = createStandIn("ntfy", () => {
    times.push(clock.now());
    return failures-- > 0 ? DOWN : sent;
  });
  const { clock, delivery, queue, stateOf, pass, health } = createRig([ntfy]);
  delivery.start();
  const id = queue("ntfy");
  delivery.nudge();
  await pass(10 * MINUTE);
  assert.equal(stateOf(id), "delivered");
  assert.deepEqual(
    times.slice(1).map((at, index) => at - (times[index] ?? 0)),
    [5_000, 10_000, 20_000, 40_000],
  );
  assert.deepEqual(health, ["it is down", undefined]);
});

test("Retry-After holds the whole channel for as long as the other side asks", async () => {
  let first = true;
  const times: number[] = [];
  const ntfy = createStandIn("ntfy", () => {
    times.push(clock.now() - START);
    const answer: SendResult = first ? { delivered: false, error: "429", retryAfterMs: 120_000 } : sent;
    first = false;
    return answer;
  });
  const { clock, delivery, queue, pass } = createRig([ntfy]);
  delivery.start();
  queue("ntfy");
  delivery.nudge();
  await pass(10_000);
  queue("ntfy");
  delivery.nudge();
  await pass(5 * MINUTE);
  assert.equal(times.length, 3);
  assert.ok((times[1] ?? 0) >= 120_000, `tried again after ${times[1]}`);
});

test("a new alert does not wait for the long pause of an old one", async () => {
  const ntfy = createStandIn("ntfy", () => (up ? sent : DOWN));
  const { delivery, queue, pass, stateOf } = createRig([ntfy]);
  let up = false;
  delivery.start();
  queue("ntfy");
  delivery.nudge();
  await pass(3 * 60 * MINUTE, MINUTE);
  up = true;
  const urgent = queue("ntfy");
  delivery.nudge();
  await pass(MINUTE + 1_000);
  assert.equal(stateOf(urgent), "delivered");
});

test("what cannot be delivered is given up after the stated time, visibly and loudly", async () => {
  const ntfy = createStandIn("ntfy", () => DOWN);
  const { delivery, queue, pass, stateOf, store, said } = createRig([ntfy]);
  delivery.start();
  const id = queue("ntfy");
  delivery.nudge();
  await pass(73 * 60 * MINUTE, 10 * MINUTE);
  assert.equal(stateOf(id), "given-up");
  assert.equal(store.channelStates()[0]?.givenUp, 1);
  assert.match(said.at(-1) ?? "", /given up for ntfy: it is down/);
});

test("what waited through a long shutdown is tried once before it is given up", async () => {
  const ntfy = createStandIn("ntfy", () => sent);
  const { delivery, queue, stateOf } = createRig([ntfy]);
  const id = queue("ntfy", { createdAt: START - 200 * 60 * MINUTE, dueAt: START - 200 * 60 * MINUTE });
  delivery.start();
  await settle(() => stateOf(id) === "delivered");
  assert.equal(stateOf(id), "delivered");
});

test("a clock that is put right after the boot does not make an alert too old to be tried again", async () => {
  let up = false;
  const ntfy = createStandIn("ntfy", () => (up ? sent : DOWN));
  const { delivery, queue, pass, stateOf, clock } = createRig([ntfy]);
  delivery.start();
  const id = queue("ntfy");
  delivery.nudge();
  await pass(1_000);
  assert.deepEqual(ntfy.seen, [id]);
  clock.moveTo(START + 10 * 365 * 24 * 60 * MINUTE);
  await pass(MINUTE);
  up = true;
  await pass(MINUTE);
  assert.equal(stateOf(id), "delivered");
});

test("a clock that was ahead when an alert was queued and refused does not hold it back once it is put right", async () => {
  let up = false;
  let ahead = 8 * 60 * MINUTE;
  const ntfy = createStandIn("ntfy", () => (up ? sent : DOWN));
  const rig = createRig([ntfy]);
  const delivery = createDelivery({
    ...{ store: rig.store, settings: rig.settings, channels: [ntfy.channel], random: () => 0.5 },
    clock: { ...rig.clock, now: () => rig.clock.now() + ahead },
    log: { info: () => {}, warn: () => {}, error: () => {} },
  });
  delivery.start();
  const id = rig.queue("ntfy", { createdAt: START + ahead, dueAt: START + ahead });
  delivery.nudge();
  await rig.pass(1_000);
  assert.deepEqual(ntfy.seen, [id]);
  ahead = 0;
  up = true;
  await rig.pass(MINUTE);
  assert.equal(rig.stateOf(id), "delivered");
});

test("a delivery that succeeded is not sent again when the disk refuses to note it", async () => {
  const ntfy = createStandIn("ntfy", () => sent);
  const { delivery, queue, pass, stateOf, store } = createRig([ntfy]);
  store.fail("markDelivered", 3);
  delivery.start();
  const id = queue("ntfy");
  delivery.nudge();
  await pass(5 * MINUTE);
  assert.deepEqual(ntfy.seen, [id]);
  assert.equal(stateOf(id), "delivered");
});

test("an outbox that cannot be read is tried again later", async () => {
  const ntfy = createStandIn("ntfy", () => sent);
  const { delivery, queue, pass, stateOf, store } = createRig([ntfy]);
  store.fail("dueDeliveries", 2);
  const id = queue("ntfy");
  delivery.start();
  await pass(2 * MINUTE);
  assert.equal(stateOf(id), "delivered");
});

test("a channel that never answers is ended by its limit and tried again", async () => {
  const ntfy = createStandIn("ntfy", () => undefined);
  const { delivery, queue, pass, store } = createRig([ntfy]);
  delivery.start();
  queue("ntfy");
  delivery.nudge();
  await pass(30_000);
  assert.equal(ntfy.signals[0]?.aborted, true);
  assert.equal(store.deliveries[0]?.lastError, "it took too long");
  assert.equal(ntfy.seen.length, 2);
});

test("a channel with a bug is a failed try, not the end of the others", async () => {
  const broken: Channel = {
    name: "unraid",
    timeLimitMs: 1_000,
    send: () => Promise.reject(new TypeError("token hunter2")),
  };
  const ntfy = createStandIn("ntfy", () => sent);
  const { delivery, queue, stateOf, store, said } = createRig([ntfy, { ...ntfy, channel: broken }]);
  delivery.start();
  queue("unraid");
  const id = queue("ntfy");
  delivery.nudge();
  await settle(() => stateOf(id) === "delivered" && store.deliveries[0]?.lastError !== undefined);
  assert.equal(store.deliveries[0]?.lastError, "TypeError");
  assert.doesNotMatch(said.join(), /hunter2/);
});

test("after a stop nothing is sent, and an interrupted try stays pending for the next start", async () => {
  const ntfy = createStandIn("ntfy", () => undefined);
  const { delivery, queue, stateOf, store } = createRig([ntfy]);
  delivery.start();
  const id = queue("ntfy");
  delivery.nudge();
  ntfy.signals[0]?.addEventListener("abort", () =>
    ntfy.open[0]?.({ delivered: false, error: "not waited for" }),
  );
  await delivery.stop();
  queue("ntfy");
  delivery.nudge();
  assert.equal(ntfy.seen.length, 1);
  assert.equal(stateOf(id), "pending");
  assert.equal(store.deliveries[0]?.tries, 0);
});

test("however much has come together for a channel that is gone, all of it is given up, and said in one line", () => {
  const { delivery, queue, store, said } = createRig([createStandIn("ntfy", () => sent)]);
  for (let number = 0; number < 2_500; number++) queue("webhook");
  delivery.start();
  assert.deepEqual(
    store.channelStates().map(({ channel, pending, givenUp }) => [channel, pending, givenUp]),
    [["webhook", 0, 2_500]],
  );
  assert.deepEqual(said, ["2500 alerts were given up for webhook: the channel is switched off"]);
});

test("new settings are taken up at once; what is pending for a channel that is gone is given up", async () => {
  const old = createStandIn("ntfy", () => undefined);
  const gone = createStandIn("webhook", () => undefined);
  const { delivery, queue, stateOf, settings } = createRig([old, gone]);
  delivery.start();
  const [first, second, third] = [queue("ntfy"), queue("ntfy"), queue("webhook")];
  const fourth = queue("webhook");
  delivery.nudge();
  const renewed = createStandIn("ntfy", () => sent);
  delivery.reconfigure([renewed.channel], settings);
  assert.deepEqual([stateOf(third), stateOf(fourth)], ["given-up", "given-up"]);
  assert.deepEqual(renewed.seen, []);
  old.open[0]?.(sent);
  await settle(() => stateOf(second) === "delivered");
  assert.deepEqual([stateOf(first), renewed.seen], ["delivered", [second]]);
});

test("what became due before a restart still waits for quiet hours that have begun since", async () => {
  const ntfy = createStandIn("ntfy", () => sent);
  const { clock, delivery, queue, pass, stateOf, settings } = createRig([ntfy]);
  const morning = START + 8 * 60 * MINUTE;
  delivery.reconfigure([ntfy.channel], { ...settings, notBefore: (_, __, at) => Math.max(at, morning) });
  const id = queue("ntfy");
  delivery.start();
  await pass(7 * 60 * MINUTE, MINUTE);
  assert.deepEqual(ntfy.seen, []);
  await pass(morning - clock.now() + MINUTE, MINUTE);
  assert.equal(stateOf(id), "delivered");
});

test("the summary of a storm counts what came after it was queued", async () => {
  const subjects: string[] = [];
  const channel: Channel = {
    name: "ntfy",
    timeLimitMs: 1_000,
    send: async ({ content }) => {
      subjects.push(content.subject);
      return sent;
    },
  };
  const { clock, delivery, store, stateOf } = createRig([{ ...createStandIn("ntfy", () => sent), channel }]);
  const summary = (count: number) =>
    composeStorm({ kind: "start-failed", importance: "alert", count, examples: [] });
  const incident = {
    ...{ id: "5", key: "k", openedAt: START, lastAt: START, count: 9, reminders: 0, content: summary(195) },
    ...{ closedAt: undefined, acknowledgedAt: undefined, silencedUntil: undefined, lastToldAt: START },
    ...{ bootId: undefined, attemptId: undefined },
  };
  store.saveIncident(incident);
  const id = store.enqueue({
    incidentId: "5",
    channel: "ntfy",
    content: summary(1),
    createdAt: START,
    dueAt: START,
  });
  delivery.start();
  await settle(() => stateOf(id) === "delivered");
  assert.equal(clock.now(), START);
  assert.deepEqual(subjects, ["195 more alerts about VM starts that failed"]);
});

test("an outbox that cannot be used is logged once with its reason, and once with a count when it can again", async () => {
  const standIn = createStandIn("one", () => ({ delivered: true }));
  const { delivery, store, pass, said } = createRig([standIn]);
  delivery.start();
  store.fail("dueDeliveries", 40);
  for (let turn = 0; turn < 40; turn++) delivery.nudge();
  await pass(120_000, 10_000);
  delivery.nudge();
  assert.deepEqual(said, [
    "the outbox cannot be used: database or disk is full",
    "the outbox can be used again; it could not 40 times",
  ]);
});

test("an outbox that can be read and not written is not called usable each time it was read", async () => {
  const lanes = [createStandIn("one", () => ({ delivered: true })), createStandIn("two", () => undefined)];
  const { delivery, store, queue, pass, said } = createRig(lanes);
  queue("one");
  store.fail("markDelivered", 5);
  delivery.start();
  await pass(60_000, 1_000);
  assert.deepEqual(said, ["the outbox cannot be used: database or disk is full"]);
});
