import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createAlerter } from "../../src/alerts/alerter.ts";
import { incidentKey } from "../../src/alerts/incident-policy.ts";
import { systemClock } from "../../src/clock.ts";
import { openStore } from "../../src/store/open.ts";
import { failureOf } from "../alerts/examples.ts";
import { needsPrograms } from "../helpers/needs.ts";
import { noBrowser } from "../report/browser.ts";
import { drivePage, giveHistory, startWebHost, type WebHost } from "./web-host.ts";

const needsPhp = { skip: needsPrograms("php") };
const needsChromium = { skip: needsPrograms("php") || noBrowser };
const ACT = "/plugins/vfio-watch/include/act.php";
const TOOLS = "/plugins/vfio-watch/include/tools.php";
const DATABASE = "/boot/config/plugins/vfio-watch/history.db";
const RC = "/etc/rc.d/rc.vfio-watch";

let host: WebHost;
before(async () => {
  if (needsPhp.skip !== false) return;
  host = await startWebHost();
});
after(async () => {
  await host?.close();
});

interface Said {
  readonly done: boolean;
  readonly said: string;
  readonly running?: boolean;
}

async function act(what: string, value: string): Promise<Said & { readonly status: number }> {
  const answer = await host.post(ACT, [
    ["what", what],
    ["value", value],
  ]);
  return { status: answer.status, ...((await answer.json()) as Said) };
}

const page = async () => (await fetch(host.address + TOOLS)).text();

/** The history that the program would make; what `use` does is durable afterwards. */
function withStore<T>(
  use: (store: Extract<ReturnType<typeof openStore>, { state: "open" }>["store"]) => T,
): T {
  const opened = openStore({ path: host.at(DATABASE), clock: systemClock });
  if (opened.state !== "open") throw new Error(opened.why);
  try {
    return use(opened.store);
  } finally {
    opened.store.close();
  }
}

test("nothing is done but what the pages have buttons for", needsPhp, async () => {
  for (const [what, value] of [
    ["service", "stop; id"],
    ["service", "status"],
    ["test", "all"],
    ["acknowledge", "--help"],
    ["silence", "'; drop"],
    ["run", "id"],
  ] as const)
    assert.equal((await act(what, value)).status, 400, `${what} ${value}`);
  const stranger = await host.post(ACT, [["csrf_token", "wrong"]]);
  assert.notEqual(stranger.status, 200);
});

test(
  "the service is started, stopped and restarted, and what its script says is shown",
  needsPhp,
  async () => {
    assert.match((await act("service", "start")).said, /The program is not there .*rc\.vfio-watch/);
    host.writeFile(
      RC,
      '#!/bin/sh\necho "$1" >>"$(dirname "$0")/asked"\n[ "$1" = stop ] && { echo "it does not end" >&2; exit 1; }\necho "vfio-watch: Started."\n',
      0o755,
    );
    const started = await act("service", "start");
    assert.deepEqual([started.done, started.said], [true, "vfio-watch: Started."]);
    const stopped = await act("service", "stop");
    assert.deepEqual([stopped.done, stopped.said], [false, "it does not end"]);
    assert.equal(host.readFile("/etc/rc.d/asked"), "start\nstop\n");
  },
);

test("a test is sent, and one that does not leave says why", needsPhp, async () => {
  assert.equal((await act("test", "log")).done, true);
  const { done, said } = await act("test", "ntfy");
  assert.equal(done, false);
  assert.match(said, /NTFY_URL/);
});

test(
  "who has just installed it sees what it does, a test and the logs that can be taken in",
  needsPhp,
  async () => {
    host.writeFile(
      "/boot/logs/syslog-previous",
      "Nov 23 08:50:00 Tower kernel: Linux version 6.12.24-Unraid\n",
    );
    host.writeFile("/boot/logs/tower-diagnostics-20261123-0850.zip", "");
    const text = await page();
    assert.match(text, /Nothing has happened yet/);
    assert.match(text, /data-do="test" data-value="unraid"/);
    assert.match(text, /syslog-previous<\/code>.*data-do="import"/s);
  },
);

test("older logs are taken in while the page tells how far it is", needsPhp, async () => {
  rmSync(host.at("/boot/logs/tower-diagnostics-20261123-0850.zip"), { force: true });
  assert.equal((await act("import", "host")).running, true);
  let state: Said = { done: false, said: "", running: true };
  while (state.running === true) {
    state = (await (await fetch(host.address + ACT)).json()) as Said;
    await delay(20);
  }
  assert.deepEqual([state.done, state.said], [true, "All of it is in the history."]);
  assert.ok(existsSync(host.at(DATABASE)));
});

test("an alert is acknowledged or silenced from the page", needsPhp, async () => {
  const policy = {
    ...{
      toldAs: {},
      reminders: true,
      burst: 5,
      hourly: 6,
      quietHours: undefined,
      quietPass: "alert" as const,
    },
    channels: [],
  };
  const id = withStore((store) => {
    const content = failureOf();
    const alerter = createAlerter({ store: store.alerts, clock: systemClock, policy: () => policy });
    return alerter.raise({ key: incidentKey(content), content, at: Date.now() }).incident?.id ?? "";
  });
  assert.match(await page(), /Alerts \(1 unanswered\)/);
  assert.equal((await act("acknowledge", id)).done, true);
  assert.match(await page(), /you know: no reminders until it is over/);
  assert.equal((await act("silence", id)).done, true);
  assert.ok(
    withStore((store) => store.alerts.incident(id)?.silencedUntil ?? 0) > Date.now() + 6 * 86_400_000,
  );
  assert.match(await page(), /silent until /);
});

test("times are in the owner's form and zone", needsPhp, async () => {
  await giveHistory(host);
  host.writeFile("/boot/config/plugins/dynamix/dynamix.cfg", '[display]\ndate="%A, %d.%m.%Y"\ntime="%R"\n');
  const text = await page();
  assert.match(text, /Last good start: Monday, 23\.11\.2026, 08:50 \(start #3/);
  assert.doesNotMatch(text, /\d{4}-\d\d-\d\d \d\d:\d\d UTC/);
});

test("in a browser a button says what came of it", needsChromium, async () => {
  const result = await drivePage(
    host,
    "/Tools/vfio-watch",
    `const button = page.querySelector('[data-do="service"]');
     button.click();
     return await until((page) => page.querySelector(".vfw-said")?.textContent.match(/Started/)?.[0]);`,
  );
  assert.equal(result, "Started");
});
