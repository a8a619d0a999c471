import assert from "node:assert/strict";
import { test } from "node:test";
import { createVirtualClock } from "../../src/clock.ts";
import { loadConfigText } from "../../src/config.ts";
import { createFleetWatch } from "../../src/daemon/fleet-watch.ts";
import type { FleetJob, FleetResult } from "../../src/fleet/job.ts";

const MINUTE = 60_000;
const DONE: FleetResult = { state: "done", exported: 1, position: 7, waiting: 0, nextMs: undefined };
const AWAY: FleetResult = { state: "failed", error: "db.lan: connect ECONNREFUSED", needsPerson: false };

function watched(settings = 'FLEET_URL="postgresql://me:secret@db.lan/fleet"\n') {
  const clock = createVirtualClock(Date.UTC(2026, 11, 1));
  const { config } = loadConfigText(settings, { where: "test", unraid: false });
  const jobs: FleetJob[] = [];
  const lines: string[] = [];
  const results: FleetResult[] = [];
  const watch = createFleetWatch({
    ...{
      clock,
      config: () => config,
      database: "/var/lib/vfio-watch/history.db",
      version: "1",
      machine: "tower",
    },
    board: () => "MS-7E49",
    log: { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
    run: async (job) => {
      jobs.push(job);
      return results.shift() ?? DONE;
    },
  });
  /** Looks as the service does, every quarter of a minute, for so long. */
  const pass = async (milliseconds: number) => {
    for (let left = milliseconds; left > 0; left -= 15_000) {
      clock.moveTo(clock.now() + 15_000);
      watch.look();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { watch, clock, jobs, lines, results, pass };
}

test("without an address nothing is started and nothing is shown", async () => {
  const { watch, jobs, pass } = watched("");
  await pass(10 * MINUTE);
  assert.deepEqual([jobs.length, watch.state()], [0, undefined]);
});

test("a child is started once at the beginning, then when something is new and at most every minute", async () => {
  const { watch, jobs, pass } = watched();
  await pass(10 * MINUTE);
  assert.equal(jobs.length, 1);
  for (let round = 0; round < 12; round += 1) {
    watch.note();
    await pass(15_000);
  }
  assert.ok(jobs.length >= 3 && jobs.length <= 4, `${jobs.length} in three minutes`);
  assert.equal(watch.state()?.position, 7);
  assert.doesNotMatch(JSON.stringify(watch.state()), /me|secret/);
});

test("a start that may yet crash early is sent for when it no longer can", async () => {
  const { jobs, results, pass } = watched();
  results.push({ state: "done", exported: 0, position: 0, waiting: 1, nextMs: 5 * MINUTE });
  await pass(4 * MINUTE);
  assert.equal(jobs.length, 1);
  await pass(2 * MINUTE);
  assert.equal(jobs.length, 2);
});

test("a server that is away is tried seldom and more seldom, told of once, and shown until it is back", async () => {
  const { watch, jobs, lines, results, pass } = watched();
  results.push(...Array.from({ length: 6 }, () => AWAY));
  await pass(30 * MINUTE);
  assert.ok(jobs.length >= 3 && jobs.length <= 6, `${jobs.length} tries in half an hour`);
  assert.equal(watch.state()?.lastError, "db.lan: connect ECONNREFUSED");
  assert.ok((watch.state()?.retryAt ?? 0) > 0);
  await pass(6 * 60 * MINUTE);
  assert.equal(watch.state()?.lastError, undefined);
  assert.equal(
    lines.filter((line) => line.includes("could not be sent") || line.startsWith("nothing")).length,
    1,
  );
  assert.ok(lines.some((line) => line.includes("takes starts again")));
});

test("changed settings are tried at once, and an address that cannot be is told instead of a child", async () => {
  const { watch, jobs, results, pass } = watched();
  results.push({ ...AWAY, needsPerson: true });
  await pass(MINUTE);
  watch.reconfigure();
  await pass(15_000);
  assert.equal(jobs.length, 2);
  const wrong = watched('FLEET_URL="postgresql://me:secret@db.lan/fleet?sslmode=disable"\n');
  await wrong.pass(MINUTE);
  assert.equal(wrong.jobs.length, 0);
  assert.match(wrong.watch.state()?.lastError ?? "", /sslmode/);
});
