import { createAlerter } from "../../src/alerts/alerter.ts";
import { createUnraidChannel } from "../../src/alerts/channels/unraid.ts";
import { createWebhookChannel } from "../../src/alerts/channels/webhook.ts";
import { createDelivery } from "../../src/alerts/delivery.ts";
import { incidentKey } from "../../src/alerts/incident-policy.ts";
import { systemClock } from "../../src/clock.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import { openStore } from "../../src/store/open.ts";
import { failureOf } from "./examples.ts";

// A process that the tests kill: outbox-child.ts WHAT DATABASE URL ROOT, where WHAT is "raise-and-die" (commit an
// alert, then die before anything is delivered), "deliver" (deliver what is pending and say so), or "raise" (again).
const [what, path = "", url = "", root = ""] = process.argv.slice(2);
const opened = openStore({ path, clock: systemClock });
if (opened.state !== "open") throw new Error(opened.why);
const { store } = opened;
const policy = {
  ...{ toldAs: {}, reminders: true, burst: 5, hourly: 6, quietHours: undefined, quietPass: "alert" as const },
  channels: (["webhook", "unraid"] as const).map((name) => ({
    name,
    minimum: "normal" as const,
    keepsQuietHours: false,
  })),
};
if (what?.startsWith("raise") === true) {
  const content = failureOf();
  const alerter = createAlerter({ store: store.alerts, clock: systemClock, policy: () => policy });
  const { told } = alerter.raise({
    key: incidentKey(content),
    content,
    at: Date.UTC(2026, 10, 23),
    attemptId: "attempt 1",
  });
  process.stdout.write(`told ${told}\n`);
  if (what === "raise-and-die") process.kill(process.pid, "SIGKILL");
} else {
  const say = (message: string) => process.stderr.write(`${message}\n`);
  const delivery = createDelivery({
    store: store.alerts,
    channels: [
      createWebhookChannel({
        url: new URL(url),
        shape: "json",
        token: undefined,
        http: { timeoutMs: 60_000, proxy: undefined, environment: {}, clock: systemClock },
      }),
      createUnraidChannel({
        script: "/notify",
        link: "/Settings/vfio-watch",
        timeLimitMs: 60_000,
        host: createHostPaths(root),
        clock: systemClock,
      }),
    ],
    settings: { giveUpAfterMs: 86_400_000, host: "tower", notBefore: (_channel, _delivery, at) => at },
    clock: systemClock,
    log: { info: say, warn: say, error: say },
    random: Math.random,
  });
  delivery.start();
  const timer = setInterval(() => {
    if (store.alerts.nextDueAt() !== undefined) return;
    clearInterval(timer);
    process.stdout.write("all delivered\n");
  }, 5);
}
