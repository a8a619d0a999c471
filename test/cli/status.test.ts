import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EXIT } from "../../src/cli/command.ts";
import {
  processBeginning,
  type RuntimeState,
  stateFile,
  writeRuntimeState,
} from "../../src/daemon/runtime-state.ts";
import type { SourceHealth } from "../../src/model/source.ts";
import { openStore } from "../../src/store/open.ts";
import { runProgram } from "../helpers/command-io.ts";
import { sampleAttempt } from "../store/samples.ts";

const directory = mkdtempSync(join(tmpdir(), "status-"));
after(() => rmSync(directory, { recursive: true }));
const database = join(directory, "history.db");
const created = openStore({ path: database, clock: { now: Date.now } });
assert.ok(created.state === "open");
created.store.attempts.save(sampleAttempt(), { origin: "live" });
created.store.close();

const SOURCE: SourceHealth = {
  name: "kernel-log",
  state: { state: "live", detail: "following /dev/kmsg" },
  since: 1,
  seen: 0,
  lastSeenAt: undefined,
  lost: 0,
  skipped: 0,
};

/** What `status` says beside a service whose last words are these. */
function status(state: Partial<RuntimeState>, ...args: readonly string[]) {
  const now = Date.now();
  writeRuntimeState(stateFile(directory), {
    version: "1.0.0",
    pid: process.pid,
    processBegan: processBeginning(process.pid),
    bootId: undefined,
    startedAt: now - 3_600_000,
    writtenAt: now,
    database,
    sources: [SOURCE],
    problems: [],
    troubles: [],
    lastObservationAt: undefined,
    memory: { rssBytes: 1, heapBytes: 1 },
    ...state,
  });
  const env = { VFIO_WATCH_RUNTIME_DIRECTORY: directory, VFIO_WATCH_ROOT: directory };
  return runProgram(["status", ...args], env);
}

/** What it says where no service runs. */
function statusAlone(...args: readonly string[]) {
  const env = { VFIO_WATCH_RUNTIME_DIRECTORY: join(directory, "nothing"), VFIO_WATCH_ROOT: directory };
  return runProgram(["status", "--database", database, ...args], env);
}

test("how long ago something was is told by the clock that nobody sets", async () => {
  const [now, steady] = [Date.now(), Number(process.hrtime.bigint() / 1_000_000n)];
  const twoDays = 2 * 86_400_000;
  // Written before the clock was set back by two days.
  const { out } = await status({
    startedAt: now + twoDays - 3_600_000,
    writtenAt: now + twoDays - 5_000,
    steady: { startedAt: steady - 3_600_000, writtenAt: steady - 5_000 },
    sources: [{ ...SOURCE, seen: 5, lastSeenAt: now + twoDays - 600_000, lastSeenSteady: steady - 600_000 }],
  });
  assert.match(out, /^Watching since .* \(60 min\)|^Watching since .* \(1(?:\.0)? h\)/);
  assert.match(out, /5 seen, last 10 min ago/);
  // One that has been silent for an hour hangs, whatever the clock was set to.
  const stuck = await status({
    writtenAt: now + twoDays,
    steady: { startedAt: steady - 7_200_000, writtenAt: steady - 3_600_000 },
  });
  assert.match(stuck.out, /Stuck/);
});

test("a service that gets on with its work is watching, and each of its sources is shown", async () => {
  const source = {
    name: "kernel-log",
    since: 1,
    seen: 5,
    lastSeenAt: Date.now(),
    lost: 0,
    skipped: 0,
  } as const;
  const { code, out, err } = await status({
    sources: [{ ...source, state: { state: "live", detail: "following /dev/kmsg" } }],
  });
  assert.equal(code, EXIT.ok, out + err);
  assert.match(out, /^Watching since /);
  assert.match(out, /kernel-log +live +5 seen.*following \/dev\/kmsg/);
});

test("where nothing watches the first line says so, and what is on record is still shown", async () => {
  const { code, out } = await statusAlone();
  assert.equal(code, EXIT.failure);
  assert.match(out, /^The service is not running\./);
  assert.match(out, /1 start\b/);
  assert.match(out, /Windows 11/);
});

test("a collector gets its numbers with success also while nothing watches: the numbers say so", async () => {
  const { code, out } = await statusAlone("--metrics");
  assert.equal(code, EXIT.ok);
  assert.match(out, /^vfio_watch_up 0$/m);
  assert.match(out, /^vfio_watch_last_start_failed\{vm="Windows 11"\} 1$/m);
});

test("it does not choose between two forms of answer", async () => {
  const { code, err } = await statusAlone("--json", "--metrics");
  assert.equal(code, EXIT.usage);
  assert.match(err, /--json or --metrics/);
});

test("a service that has said nothing for minutes is stuck, however alive its process is", async () => {
  const stuck = { writtenAt: Date.now() - 600_000 };
  const { code, out } = await status(stuck);
  assert.equal(code, EXIT.findings);
  assert.match(out, /^Stuck since /);
  assert.match(out, /has not said anything for 10 min, so it watches no longer: restart it/);
  const json = JSON.parse((await status(stuck, "--json")).out);
  assert.match(json.service.problems[0], /has not said anything/);
});

test("what keeps the history from being written is known from the service, for the history cannot say it", async () => {
  const full = { kind: "disk-full", since: 1, until: undefined, times: 3 } as const;
  const troubles = [{ ...full, why: "The disk is full.", remedy: "Make room." }];
  const { code, out } = await status({ troubles });
  assert.equal(code, EXIT.findings);
  assert.match(out, /The disk is full\. Make room\./);
  assert.deepEqual(
    JSON.parse((await status({ troubles }, "--json")).out).troubles,
    troubles.map((trouble) => ({ ...trouble, since: "1970-01-01T00:00:00.001Z", until: null })),
  );
  const away = { troubles, database: join(directory, "away.db") };
  const without = await status(away);
  assert.equal(without.code, EXIT.findings);
  assert.match(without.err, /no history at .*away\.db/);
  assert.match(without.out, /The disk is full/);
});

test("a service for which every source is switched off watches nothing, and says so", async () => {
  const { code, out } = await status({ sources: [] });
  assert.equal(code, EXIT.findings);
  assert.match(out, /Nothing is watched: the setting SOURCES is none\./);
});

test("of a fleet it says how far it is, how many starts wait by now, and why the last try failed", async () => {
  const fleet = {
    ...{ server: "db.lan:5432/fleet", position: 0, waiting: 0, exportedAt: 0, lastError: undefined },
    retryAt: undefined,
  };
  const none = await status({ fleet });
  assert.match(none.out, /Fleet: db\.lan:5432\/fleet: no start to send yet, 1 waiting, last 1970-01-01/);
  const away = { ...fleet, position: 1, lastError: "db.lan:5432/fleet: no route", retryAt: 60_000 };
  const failing = await status({ fleet: away });
  assert.equal(failing.code, EXIT.findings);
  assert.match(failing.out, /sent up to start 1, 0 waiting[\s\S]*no route; tried again at 1970-01-01/);
  const { service } = JSON.parse((await status({ fleet }, "--json")).out);
  assert.deepEqual([service.fleet.position, service.fleet.waiting], [0, 1]);
  assert.match(
    (await status({ fleet: { ...fleet, position: undefined } })).out,
    /nothing sent in this run yet/,
  );
});
