import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createAlerter } from "../../src/alerts/alerter.ts";
import { incidentKey } from "../../src/alerts/incident-policy.ts";
import { createVirtualClock } from "../../src/clock.ts";
import { createHeardInBoot, heardFile } from "../../src/daemon/heard-in-boot.ts";
import { bootId, vmName } from "../../src/model/identifiers.ts";
import { failureOf } from "../alerts/examples.ts";
import { createMemoryAlertStore } from "../helpers/memory-alert-store.ts";
import { createWatchedHost, until } from "../helpers/watched-host.ts";
import { BOOT, START, withDirectory } from "../store/samples.ts";

const CHANNELS = [{ name: "log", minimum: "normal", keepsQuietHours: false }] as const;
const POLICY = { toldAs: {}, reminders: true, burst: 5, hourly: 6, channels: CHANNELS } as const;

/** A run of the service in this boot whose history begins empty and ends with it; `end` as a stop would. */
function runIn(
  directory: string,
  options: { readonly boot?: typeof BOOT; readonly isVolatile?: boolean } = {},
) {
  const { boot = BOOT, isVolatile = true } = options;
  const clock = createVirtualClock(START);
  const store = createMemoryAlertStore();
  const heard = createHeardInBoot({ ...{ file: heardFile(directory), clock, isVolatile }, bootId: boot });
  const policy = () => ({ ...POLICY, quietHours: undefined, quietPass: "alert" as const });
  const alerter = createAlerter({ ...{ store, clock, heard, policy }, isUnrecorded: isVolatile });
  const at = { at: START, bootId: boot };
  let starts = 0;
  const fail = (steady: number, content = failureOf()) =>
    alerter.raise({ ...{ key: incidentKey(content), content, steady }, ...at, attemptId: `${starts++}` })
      .told;
  return {
    fail,
    foresee: () => {
      const content = { ...failureOf(), kind: "will-not-start" } as const;
      return alerter.raise({ key: incidentKey(content), content, steady: 900_000, ...at }).told;
    },
    start(steady: number) {
      const recovery = { ...failureOf(), kind: "recovered" } as const;
      alerter.recovered(vmName("Windows 11"), { ...at, steady }, () => recovery);
    },
    told: () => store.deliveries.map(({ content }) => content.kind),
    end: heard.flush,
  };
}

test("what was told in this boot is not told again by a run that has no history, and anything newer is", () =>
  withDirectory((directory) => {
    const first = runIn(directory);
    assert.equal(first.fail(60_000), true);
    first.end();
    const second = runIn(directory);
    // Out of logs alone it may begin a little later, and have another cause.
    assert.equal(second.fail(62_000, { ...failureOf(), causeClass: "reset-failed" }), false);
    assert.equal(second.foresee(), false, "that it will not start has come true");
    assert.equal(second.fail(150_000), false, "it goes on, or only the VM's state tells of it, and not when");
    assert.equal(second.fail(200_000, { ...failureOf(), causeClass: "device-busy" }), true);
    second.end();
    assert.equal(runIn(directory, { boot: bootId("another boot") }).fail(60_000), true);
  }));

test("what was only foreseen is told when it comes true, whichever run it is", () =>
  withDirectory((directory) => {
    const first = runIn(directory);
    assert.equal(first.foresee(), true);
    first.end();
    const second = runIn(directory);
    assert.equal(second.foresee(), false);
    assert.equal(second.fail(60_000), true);
  }));

test("that a VM starts again is told once, and a failure after it as well", () =>
  withDirectory((directory) => {
    const first = runIn(directory);
    first.fail(60_000);
    first.start(100_000);
    assert.deepEqual(first.told(), ["start-failed", "recovered"]);
    first.end();
    const second = runIn(directory);
    second.fail(60_000);
    second.start(100_000);
    assert.deepEqual(second.told(), []);
    assert.equal(second.foresee(), true, "it is over, so it is news again");
  }));

test("a run with a history goes by that, but for what could not be put into it", () =>
  withDirectory((directory) => {
    const recorded = runIn(directory, { isVolatile: false });
    recorded.fail(60_000);
    recorded.end();
    const again = runIn(directory, { isVolatile: false });
    assert.equal(again.fail(60_000), true, "its history knows best");
    again.end();
    const volatile = runIn(directory);
    assert.equal(volatile.fail(60_000), false);
    volatile.fail(300_000, { ...failureOf(), causeClass: "device-busy" });
    volatile.end();
    assert.equal(runIn(directory, { isVolatile: false }).fail(300_000), false);
  }));

test("a file that is broken, or that others may have written, is as good as none", () =>
  withDirectory((directory) => {
    const first = runIn(join(directory, "run"));
    first.fail(60_000);
    first.end();
    const file = heardFile(join(directory, "run"));
    const whole = readFileSync(file, "utf8");
    for (const broken of ["", "{", "[]", `{"bootId":"${BOOT}","told":[["x"],[1,2],null]}`]) {
      mkdirSync(join(directory, "broken"), { recursive: true, mode: 0o700 });
      writeFileSync(heardFile(join(directory, "broken")), broken);
      assert.equal(runIn(join(directory, "broken")).fail(60_000), true, broken);
    }
    mkdirSync(join(directory, "others"), { mode: 0o700 });
    writeFileSync(heardFile(join(directory, "others")), whole);
    assert.equal(runIn(join(directory, "others")).fail(60_000), false);
    chmodSync(join(directory, "others"), 0o777);
    assert.equal(runIn(join(directory, "others")).fail(60_000), true);
  }));

test("the service, begun again without any usable history, tells no old failure of the boot again", async (context) => {
  const host = createWatchedHost(context, 'DATABASE="/proc/nowhere/history.db"');
  const boot = host.boot(["rmrr-intel"]);
  const told = (vm: string) =>
    host.told().filter((alert) => alert.vm === vm && alert.kind === "start-failed");
  boot.failsToStart("Windows 11");
  const first = await host.start(boot);
  await until(() => told("Windows 11").length === 1);
  const troubles = () => host.told().filter(({ kind }) => kind === "watcher-trouble").length;
  await until(() => troubles() === 1);
  await first.stop();
  await host.start(boot);
  boot.failsToStart("Debian");
  await host.hurryUntil(() => told("Debian").length === 1);
  assert.equal(told("Windows 11").length, 1);
  assert.equal(troubles(), 1, "nor that there is no history");
});
