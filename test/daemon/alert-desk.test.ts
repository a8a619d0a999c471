import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { loadConfig } from "../../src/config.ts";
import { createAlertDesk } from "../../src/daemon/alert-desk.ts";
import { createServiceLog } from "../../src/daemon/log.ts";
import { createHostPaths } from "../../src/host-paths.ts";
import type { StoreTrouble } from "../../src/store/refusal.ts";
import type { Store } from "../../src/store/store.ts";
import { failureOf, settle } from "../alerts/examples.ts";
import { BOOT, opened, START, withDirectory } from "../store/samples.ts";

const diskFull: StoreTrouble = {
  ...{ kind: "disk-full", since: START, until: undefined, times: 1 },
  ...{ why: "The disk that holds the history is full.", remedy: "Make room." },
};

/** A desk over a real store; `disk.isFull` makes every write be refused. */
function createDesk(directory: string) {
  const clock = createVirtualClock(START);
  const real = opened(join(directory, "history.sqlite"), { clock });
  const disk = { isFull: false };
  const store: Store = {
    ...real,
    durable: (work) => (disk.isFull ? { state: "refused", trouble: diskFull } : real.durable(work)),
    troubles: () => (disk.isFull ? [diskFull] : []),
  };
  const lines: string[] = [];
  const paths = { shippedFile: undefined, overrideFile: "/nonexistent", unraid: false };
  const { config } = loadConfig({ paths });
  const make = () =>
    createAlertDesk({
      ...{ store, clock, config: () => config, bootId: BOOT, isVolatile: false },
      environment: { VFIO_WATCH_RUNTIME_DIRECTORY: join(directory, "run") },
      place: { unraid: false, proxmox: false },
      ...{ paths: createHostPaths(directory), hostName: "tower" },
      log: createServiceLog({
        ...{ level: "warn", format: "text", journal: false },
        write: (line) => lines.push(line),
      }),
    });
  const open = () => real.alerts.incidents({ openOnly: true }).map(({ content }) => content.subject);
  return { clock, real, disk, lines, make, open };
}

/** Lines that the log channel wrote, which is the channel that always is. */
const told = (lines: readonly string[]) => lines.filter((line) => line.includes("kind="));

test("a full disk is told past the outbox at once, and only once while it lasts", () =>
  withDirectory(async (directory) => {
    const { real, disk, lines, make } = createDesk(directory);
    const desk = make();
    desk.start();
    disk.isFull = true;
    for (let write = 0; write < 50; write++) desk.storeTrouble(diskFull);
    await settle(() => told(lines).length > 0);
    assert.equal(told(lines).length, 1);
    assert.match(told(lines)[0] ?? "", /The history has a problem .*Make room\. .* is full\./);
    assert.equal(lines.length, 2);
    desk.look();
    assert.deepEqual(real.alerts.incidents({}), []);
    await desk.stop();
    real.close();
  }));

test("a trouble that one run told is closed by the next, when it has passed", () =>
  withDirectory(async (directory) => {
    const { clock, real, lines, make, open } = createDesk(directory);
    const first = make();
    first.start();
    first.trouble("source/libvirt", "The source libvirt is lost", "libvirtd is gone");
    first.storeTrouble({ ...diskFull, kind: "busy", why: "Another program holds the history." });
    await settle(() => told(lines).length === 2);
    assert.equal(open().length, 2);
    const delivered = () => real.alerts.nextDueAt() === undefined;
    await settle(delivered);
    await first.stop();
    clock.moveTo(START + 60_000);
    const second = make();
    second.start();
    second.look();
    assert.deepEqual(open(), ["The source libvirt is lost"]);
    second.resolved("source/libvirt");
    assert.deepEqual(open(), []);
    assert.equal(told(lines).length, 2);
    await second.stop();
    real.close();
  }));

test("what could not be stored is told once in a boot, however often the service begins anew", () =>
  withDirectory(async (directory) => {
    const { disk, lines, make, real } = createDesk(directory);
    disk.isFull = true;
    for (const [steady, causeClass] of [
      [60_000, "reset-failed"],
      [60_000, "reset-failed"],
      [300_000, "device-busy"],
    ] as const) {
      const desk = make();
      desk.storeTrouble(diskFull);
      desk.tellUnrecorded({ ...failureOf(), causeClass }, "", steady);
      await desk.stop();
    }
    const subjects = told(lines).map((line) => (/history has a problem/.test(line) ? "trouble" : "start"));
    assert.deepEqual(subjects, ["trouble", "start", "start"]);
    real.close();
  }));
