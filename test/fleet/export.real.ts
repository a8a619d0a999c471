import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { FleetJob, FleetResult } from "../../src/fleet/job.ts";
import { forgetHost, pruneFleet } from "../../src/fleet/owner.ts";
import type { FleetServer } from "../../src/fleet/server.ts";
import { readCachedVerdicts, verdictsFileOf } from "../../src/fleet/verdict-cache.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { runProgram } from "../helpers/command-io.ts";
import { BEGINNING, BIOS_A95, bad, DAY, good, hostFacts, repeat } from "../helpers/made-history.ts";
import { withRecording } from "../report/replayed.ts";
import { asked, exportFrom, JOB, newFleet, type TestFleet, withHistory } from "./fleet-hosts.ts";
import { noPostgres, type OwnPostgres, startOwnPostgres } from "./own-postgres.ts";

const skip = noPostgres;
const main = join(import.meta.dirname, "../../src/main.ts");
let postgres: OwnPostgres;

before(async () => {
  if (skip === false) postgres = await startOwnPostgres();
});
after(() => postgres?.remove());

const TWO_BOOTS = [
  { facts: hostFacts(), starts: [good(3)] },
  { facts: hostFacts(BIOS_A95), starts: [bad(2)] },
];

/** Every start in the server of one host, by its number in its history. */
async function startsOf(fleet: TestFleet, label: string) {
  return fleet.rows<{ number: number; history: string; outcome: string; class: string; device: string }>(
    `SELECT start.number, history.name AS history, outcome, word.word AS class, device.identity AS device
     FROM start JOIN history ON history.id = start.history JOIN host ON host.id = start.host
     JOIN word ON word.id = start.class JOIN device ON device.id = start.device
     WHERE added_as = $1 ORDER BY start.history, number`,
    [label],
  );
}

/** The program's own child, as the service runs it. */
function child(job: FleetJob) {
  const process_ = spawn(process.execPath, [main, "fleet-child"], { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  process_.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  process_.stdin.on("error", () => {});
  process_.stdin.end(JSON.stringify(job));
  const ended = new Promise<FleetResult | undefined>((resolve) =>
    process_.once("close", () => resolve(output === "" ? undefined : (JSON.parse(output) as FleetResult))),
  );
  return { ended, kill: () => process_.kill("SIGKILL") };
}

function jobFor(server: FleetServer, database: string, more: Partial<FleetJob> = {}): FleetJob {
  return {
    ...{ ...JOB, server, database, verdictsFile: verdictsFileOf(database), board: undefined },
    ...{ what: "export", limitMs: 60_000, ...more },
  };
}

test("three recorded hosts are exported, whole and once, and nothing of them that tells whose they are", {
  skip,
}, async () => {
  const fleet = await newFleet(postgres);
  for (const recording of ["bios-update", "rmrr-intel", "in-use"]) {
    const server = await fleet.add(recording);
    await withRecording(recording, async (store) => {
      const settled = store.attempts.list({ first: "oldest" });
      const result = await exportFrom(server, store);
      assert.deepEqual([result.exported, result.waiting], [settled.length, 0]);
      assert.equal((await exportFrom(server, store)).exported, 0, "the second time nothing is new");
      const sent = await startsOf(fleet, recording);
      assert.deepEqual(
        sent.map(({ number, outcome, class: cause }) => [number, outcome, cause]),
        settled
          .map(({ number, outcome, cause }) => [number, outcome, cause ?? ""])
          .sort((a, b) => Number(a[0]) - Number(b[0])),
      );
      assert.ok(
        sent.every(({ device }) => /^[0-9a-f]{4}:[0-9a-f]{4}\//.test(device)),
        JSON.stringify(sent),
      );
      const everything = JSON.stringify([
        await fleet.rows("SELECT facts FROM environment"),
        await fleet.rows("SELECT word FROM word"),
        await fleet.rows("SELECT key, label, cluster, version FROM host"),
        await fleet.rows("SELECT * FROM evidence"),
      ]);
      for (const { vm } of settled) assert.ok(!everything.includes(vm), vm);
      assert.doesNotMatch(everything, /[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]|memory 0x|root=/);
    });
  }
  const [counted] = await fleet.rows(
    "SELECT (SELECT sum(starts) FROM tally)::integer AS tallied, (SELECT count(*) FROM start)::integer AS starts",
  );
  assert.equal(counted?.tallied, counted?.starts);

  const { hosts } = JSON.parse((await runProgram(["fleet", "hosts", "--json", "--url", fleet.url])).out);
  assert.deepEqual(
    hosts.map(({ label, failed, board }: { label: string; failed: number; board: string }) => [
      label,
      failed > 0,
      board !== null,
    ]),
    ["bios-update", "in-use", "rmrr-intel"].map((label) => [label, true, true]),
  );
  const blame = await runProgram(["fleet", "blame", "--url", fleet.url]);
  assert.match(blame.out, /owners? of this board|No start of|explains/, "it has an answer in words");
  for (const label of ["bios-update", "rmrr-intel", "in-use"])
    await asked(fleet.owner, (connection) => forgetHost(connection, label));
  for (const table of ["host", "history", "start", "tally", "boot", "evidence"])
    assert.deepEqual(await fleet.rows(`SELECT 1 FROM ${table}`), [], table);
  for (const list of ["environment", "device", "word"])
    assert.deepEqual(
      await fleet.rows(`SELECT id::integer FROM ${list}`),
      [{ id: 0 }],
      "but for the one that is none",
    );
});

test("with evidence the VM's name and the lines leave, too", { skip }, async () => {
  const fleet = await newFleet(postgres);
  const server = await fleet.add("one");
  await withRecording("rmrr-intel", (store) =>
    exportFrom(server, store, { share: "facts+evidence", label: "Tower", cluster: "lab" }),
  );
  const rows = await fleet.rows<{ machine: string; vm: string; lines: string[]; summary: string }>(
    "SELECT * FROM evidence",
  );
  const failed = await fleet.rows("SELECT 1 FROM start WHERE outcome <> 'started'");
  assert.equal(rows.length, failed.length);
  assert.ok(rows.every(({ machine, vm }) => machine === "tower.lan" && vm !== ""));
  assert.ok(
    rows.some(({ lines }) => lines.some((line) => /DMAR|RMRR|1:1/i.test(line))),
    JSON.stringify(rows),
  );
  assert.deepEqual(await fleet.rows("SELECT label, cluster FROM host"), [{ label: "Tower", cluster: "lab" }]);
});

test("a good start waits until it can no longer crash early, and none behind it is lost or sent twice", {
  skip,
}, async () => {
  const fleet = await newFleet(postgres);
  const server = await fleet.add("one");
  const now = BEGINNING + 180_000;
  // A minute apart, each over after five seconds.
  await withHistory([{ facts: hostFacts(), starts: [good(), bad(), good()] }], async (store) => {
    const first = await exportFrom(server, store, { goodAfterMs: 150_000 }, now + 15_000);
    assert.deepEqual([first.exported, first.position, first.waiting], [1, 0, 3]);
    assert.equal(first.nextMs, 15_000);
    const second = await exportFrom(server, store, { goodAfterMs: 150_000 }, now + 40_000);
    assert.deepEqual([second.exported, second.position], [1, 2]);
    const third = await exportFrom(server, store, { goodAfterMs: 150_000 }, now + 400_000);
    assert.deepEqual([third.exported, third.position, third.waiting], [1, 3, 0]);
  });
  assert.deepEqual(
    (await startsOf(fleet, "one")).map(({ number }) => number),
    [1, 2, 3],
  );
});

test("a child that is killed at any moment loses nothing and sends nothing twice", { skip }, async () => {
  const fleet = await newFleet(postgres);
  const server = await fleet.add("one");
  const boots = repeat(6, { facts: hostFacts(), starts: [good(1_000)] });
  const [kills, addedEach] = [50, 200];
  const all = 6_000 + kills * addedEach;
  await withHistory(boots, async (store, database) => {
    const began = performance.now();
    const throughput = await fleet.add("yardstick");
    assert.equal((await child(jobFor(throughput, database)).ended)?.state, "done");
    const whole = performance.now() - began;
    for (let kill = 0; kill < kills; kill += 1) {
      // There is always something left to send.
      addStarts(store, addedEach, kill * addedEach);
      const run = child(jobFor(server, database));
      // From before it is connected to after it is done: what it got in time is in the server.
      await pause(whole * Math.random());
      run.kill();
      await run.ended;
      const [counted] = await fleet.rows(
        `SELECT count(*)::integer AS starts, count(DISTINCT number)::integer AS different,
           (SELECT start_number FROM history WHERE host = start.host) AS cursor
         FROM start JOIN host ON host.id = start.host WHERE added_as = 'one' GROUP BY start.host`,
      );
      if (counted === undefined) continue;
      assert.deepEqual(
        [counted.starts, counted.cursor],
        [counted.different, counted.starts],
        "cursor and rows go together",
      );
    }
    const end = await child(jobFor(server, database)).ended;
    assert.ok(end?.state === "done" && end.waiting === 0 && end.position === all, JSON.stringify(end));
    assert.equal(store.exports.countStarts(0), all);
  });
  const [counted] = await fleet.rows(
    `SELECT count(*)::integer AS starts, (SELECT sum(starts)::integer FROM tally WHERE host = start.host) AS tallied
     FROM start JOIN host ON host.id = start.host WHERE added_as = 'one' GROUP BY start.host`,
  );
  assert.deepEqual(counted, { starts: all, tallied: all });
});

test("a server that is away for a day of starts gets all of them when it is back", { skip }, async () => {
  const fleet = await newFleet(postgres);
  const server = await fleet.add("one");
  await withHistory([{ facts: hostFacts(), starts: [good(10)] }], async (store, database) => {
    assert.equal((await child(jobFor(server, database)).ended)?.state, "done");
    await postgres.stop();
    addStarts(store, 300);
    const away = await child(jobFor(server, database)).ended;
    assert.ok(away?.state === "failed" && !away.needsPerson, JSON.stringify(away));
    await postgres.start();
    const back = await child(jobFor(server, database)).ended;
    assert.ok(back?.state === "done" && back.exported === 300, JSON.stringify(back));
  });
  assert.equal((await startsOf(fleet, "one")).length, 310);
});

function addStarts(store: Store, times: number, from = 0): void {
  const [example] = store.attempts.list({ limit: 1 });
  const attempt = store.attempts.full(example?.number ?? 0, () => undefined);
  assert.ok(attempt);
  store.batched(() => {
    for (let time = from; time < from + times; time += 1) {
      const openedAt = BEGINNING + 9 * DAY + time * 60_000;
      store.attempts.save(
        { ...attempt, id: `more ${time}`, openedAt, closedAt: openedAt + 5_000 },
        { origin: "live", ...(attempt.snapshotId !== undefined && { snapshotId: attempt.snapshotId }) },
      );
    }
  });
}

test("a history begun anew is another one, and one saved with holes gives no number twice", {
  skip,
}, async () => {
  const fleet = await newFleet(postgres);
  const server = await fleet.add("one");
  await withHistory(TWO_BOOTS, (store) => exportFrom(server, store));
  await withHistory(TWO_BOOTS, (store) => exportFrom(server, store));
  const rows = await startsOf(fleet, "one");
  assert.deepEqual([rows.length, new Set(rows.map(({ history }) => history)).size], [10, 2]);
  await withHistory(TWO_BOOTS, async (store, database) => {
    assert.equal((await exportFrom(server, store)).exported, 5);
    // What a copy of yesterday lacks: the newest two. New starts get their numbers.
    const { default: Database } = await import("better-sqlite3");
    const damaged = new Database(database);
    damaged.pragma("foreign_keys = OFF");
    damaged.exec("DELETE FROM attempt WHERE number > 3; DELETE FROM sqlite_sequence WHERE name = 'attempt'");
    damaged.close();
    const opened = openStore({ path: database, clock: { now: Date.now }, besideService: true });
    assert.ok(opened.state === "open");
    addStarts(opened.store, 4);
    assert.equal((await exportFrom(server, opened.store)).exported, 4);
    assert.equal((await exportFrom(server, opened.store)).exported, 0);
    opened.store.close();
  });
  assert.equal((await startsOf(fleet, "one")).length, 19);
});

test("what is pruned is gone from starts and tallies, and is not sent again", { skip }, async () => {
  const fleet = await newFleet(postgres);
  const server = await fleet.add("one");
  await withHistory(repeat(3, { facts: hostFacts(), starts: [good(2)] }), async (store) => {
    await exportFrom(server, store);
    const removed = await asked(fleet.owner, (connection) => pruneFleet(connection, BEGINNING + DAY * 1.5));
    assert.equal(removed, 4);
    assert.equal((await exportFrom(server, store)).exported, 0);
  });
  const [tally] = await fleet.rows<{ starts: number; first_at: Date }>("SELECT starts, first_at FROM tally");
  assert.deepEqual([tally?.starts, tally?.first_at.getTime()], [2, BEGINNING + 2 * DAY + 60_000]);
  assert.equal((await fleet.rows("SELECT 1 FROM boot")).length, 1);
});

test("a forgotten host leaves nothing, and the others everything", { skip }, async () => {
  const fleet = await newFleet(postgres);
  const [one, two] = [await fleet.add("one"), await fleet.add("two")];
  await withHistory([{ facts: hostFacts({ "kernel.release": "6.1.1" }), starts: [good(2)] }], (store) =>
    exportFrom(one, store),
  );
  await withHistory(TWO_BOOTS, (store) => exportFrom(two, store));
  assert.deepEqual(await asked(fleet.owner, (connection) => forgetHost(connection, "one")), {
    label: "one",
    starts: 2,
    role: "removed",
  });
  assert.deepEqual(await fleet.rows("SELECT added_as FROM host"), [{ added_as: "two" }]);
  assert.equal((await startsOf(fleet, "two")).length, 5);
  assert.deepEqual(
    await fleet.rows("SELECT 1 FROM environment WHERE facts ->> 'kernel.release' = '6.1.1'"),
    [],
  );
  assert.deepEqual(await fleet.rows("SELECT 1 FROM pg_roles WHERE rolname = $1", [one.user]), []);
});

test("the child keeps the board's verdicts with their date beside the history", { skip }, async () => {
  const fleet = await newFleet(postgres);
  const hosts = await Promise.all(["a", "b", "c", "d", "e"].map((label) => fleet.add(label)));
  await withHistory(TWO_BOOTS, async (store, database) => {
    for (const host of hosts) await exportFrom(host, store);
    const [first] = hosts;
    assert.ok(first);
    const board = "MPG X870E CARBON WIFI (MS-7E49)";
    const done = await child(jobFor(first, database, { what: "verdicts", board })).ended;
    assert.equal(done?.state, "done");
    const cached = readCachedVerdicts(verdictsFileOf(database));
    assert.deepEqual(
      cached?.verdicts.map(({ bios, hosts: all, failing }) => [bios, all, failing]),
      [
        ["E7E49AMSI.1A63", 5, 0],
        ["E7E49AMSI.1A95", 5, 5],
      ],
    );
    assert.ok(Date.now() - (cached?.readAt ?? 0) < 60_000);
  });
});
