import assert from "node:assert/strict";
import { test } from "node:test";
import { createAlerter } from "../../src/alerts/alerter.ts";
import type { Channel, SendResult } from "../../src/alerts/channel.ts";
import type { ChannelName } from "../../src/alerts/channels/all.ts";
import { composeTrouble } from "../../src/alerts/compose.ts";
import { createDelivery } from "../../src/alerts/delivery.ts";
import { incidentKey } from "../../src/alerts/incident-policy.ts";
import { type AlertPolicy, alertPolicy } from "../../src/alerts/policy.ts";
import { createDirectTeller } from "../../src/alerts/tell-directly.ts";
import { createVirtualClock } from "../../src/clock.ts";
import { loadConfig } from "../../src/config.ts";
import { createMemoryAlertStore } from "../helpers/memory-alert-store.ts";
import { failureOf } from "./examples.ts";

const policy: AlertPolicy = {
  ...{ toldAs: {}, reminders: true, burst: 5, hourly: 6, quietHours: undefined, quietPass: "alert" },
  channels: (["log", "ntfy"] as const).map((name) => ({ name, minimum: "warning", keepsQuietHours: false })),
};
const silent = { info: () => {}, warn: () => {}, error: () => {} };

function channelOf(name: ChannelName, answer: () => SendResult) {
  const subjects: string[] = [];
  const channel: Channel = {
    name,
    timeLimitMs: 1_000,
    send: async ({ content }) => {
      subjects.push(content.subject);
      return answer();
    },
  };
  return { channel, subjects };
}

test("a channel that keeps failing is told once, through the others, and forgotten when it works again", async () => {
  const store = createMemoryAlertStore();
  const clock = createVirtualClock(Date.UTC(2026, 10, 23));
  const alerter = createAlerter({ store, clock, policy: () => policy });
  let works = false;
  const ntfy = channelOf("ntfy", () =>
    works ? { delivered: true } : { delivered: false, error: "it is down" },
  );
  const log = channelOf("log", () => ({ delivered: true }));
  const delivery = createDelivery({
    ...{ store, clock, log: silent, random: () => 0.5, channels: [ntfy.channel, log.channel] },
    settings: { giveUpAfterMs: 86_400_000, host: "tower", notBefore: (_channel, _delivery, at) => at },
    onChannelHealth: (channel, error) => {
      const content = composeTrouble({ subject: `Alerts do not leave through ${channel}`, why: error ?? "" });
      const key = incidentKey(content, channel);
      if (error === undefined) alerter.resolved(key, clock.now());
      else alerter.raise({ key, content, at: clock.now() }, { exceptChannel: channel });
    },
  });
  delivery.start();
  alerter.raise({ key: "k", content: failureOf(), at: clock.now() });
  delivery.nudge();
  const pass = async (steps: number) => {
    for (let step = 0; step < steps; step++) {
      clock.moveTo(clock.now() + 5_000);
      for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await pass(60);
  assert.deepEqual(log.subjects, ["'Windows 11' did not start", "Alerts do not leave through ntfy"]);
  assert.equal(ntfy.subjects.includes("Alerts do not leave through ntfy"), false);
  works = true;
  await pass(600);
  assert.equal(
    store.incidents({ openOnly: true }).filter(({ content }) => content.kind === "watcher-trouble").length,
    0,
  );
});

test("what the outbox cannot hold is told past it, once for each topic, to the channels that want it", async () => {
  const ntfy = channelOf("ntfy", () => ({ delivered: false, error: "it is down" }));
  const log = channelOf("log", () => ({ delivered: true }));
  const unraid = channelOf("unraid", () => ({ delivered: true }));
  const clock = createVirtualClock(Date.UTC(2026, 10, 23));
  const tell = createDirectTeller({
    channels: () => [ntfy.channel, log.channel, unraid.channel],
    ...{ policy: () => policy, host: () => "tower", clock, log: silent },
  });
  const content = composeTrouble({ subject: "The disk is full", why: "Nothing can be stored." });
  assert.equal(await tell(content, "disk-full"), 1);
  assert.equal(await tell(content, "disk-full"), 0);
  assert.equal(await tell({ ...content, importance: "normal" }, "other"), 0);
  assert.deepEqual([log.subjects.length, ntfy.subjects.length, unraid.subjects.length], [1, 1, 0]);
  clock.moveTo(clock.now() + 86_400_000);
  assert.equal(await tell(content, "disk-full"), 1);
});

test("what the settings switch off is not told past the outbox either", async () => {
  const log = channelOf("log", () => ({ delivered: true }));
  const tell = createDirectTeller({
    channels: () => [log.channel],
    policy: () => ({ ...policy, toldAs: { "watcher-trouble": "off" } }),
    ...{ host: () => "tower", clock: createVirtualClock(0), log: silent },
  });
  assert.equal(await tell(composeTrouble({ subject: "The disk is full", why: "w" }), "disk-full"), 0);
  assert.deepEqual(log.subjects, []);
});

test("the policy follows the settings: the log always, Unraid's notifier on Unraid, others when they can work", () => {
  const environment = {
    VFIO_WATCH_NOTIFY_NTFY: "yes",
    VFIO_WATCH_NOTIFY_WEBHOOK: "yes",
    VFIO_WATCH_WEBHOOK_URL: "http://x/",
  };
  const paths = { shippedFile: undefined, overrideFile: "/nonexistent", unraid: true };
  const { config } = loadConfig({
    paths,
    environment: { ...environment, VFIO_WATCH_QUIET_CHANNELS: "webhook" },
  });
  const names = (unraid: boolean) =>
    alertPolicy(config, { unraid, proxmox: false }).channels.map(({ name }) => name);
  assert.deepEqual(names(true), ["log", "unraid", "webhook"]);
  assert.deepEqual(names(false), ["log", "webhook"]);
  assert.deepEqual(
    alertPolicy(config, { unraid: true, proxmox: false }).channels.map(
      ({ keepsQuietHours }) => keepsQuietHours,
    ),
    [false, false, true],
  );
});
