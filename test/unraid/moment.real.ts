import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import type { Overview } from "../../src/report/overview.ts";
import { needsPrograms } from "../helpers/needs.ts";
import { startWebHost, type WebHost } from "./web-host.ts";

const needsPhp = { skip: needsPrograms("php") };
const INCLUDE = "/plugins/vfio-watch/include";
const UUID = "8c4731f1-a528-8444-bb25-10ff8d967cc3";
const HOSTILE = `<img src=x onerror=alert(1)>'"`;
const RAN = "/run/program-ran";

let host: WebHost;
before(async () => {
  if (needsPhp.skip !== false) return;
  host = await startWebHost();
  program("exit 1");
});
after(async () => {
  await host?.close();
});

/** Puts this in the program's place, which notes what it was asked for. */
function program(script: string): void {
  const path = "/usr/local/vfio-watch/bin/vfio-watch";
  host.writeFile(
    path,
    `#!/bin/bash\nmkdir -p '${host.at("/run")}'; echo "$*" >> '${host.at(RAN)}'\n${script}\n`,
    0o755,
  );
  rmSync(host.at(RAN), { force: true });
}

const overview: Overview = {
  madeAt: 1,
  vms: [
    {
      ...{ name: HOSTILE, uuid: UUID, verdict: "will-not-start", word: "will not start", tone: "bad" },
      ...{ why: `Because of ${HOSTILE}.`, todo: "Go back.", failed: { number: 2, at: 1_795_423_819_000 } },
    },
  ],
  failure: { number: 2, vm: HOSTILE, at: 1_795_423_819_000, why: `Because of ${HOSTILE}.`, isOver: false },
  update: { at: 1_795_423_800_000, sentence: `BIOS ${HOSTILE} → A95` },
  picture: "<svg><title>lanes</title></svg>",
};

/** Leaves in the host's files what a service that runs (this process) keeps there. */
function serviceRuns(kept: object | null = overview, silentMs = 0): void {
  const steady = Number(process.hrtime.bigint() / 1_000_000n) - silentMs;
  const state = {
    pid: process.pid,
    database: "/the/history.db",
    steady: { startedAt: 0, writtenAt: steady },
  };
  host.writeFile("/run/vfio-watch/state.json", JSON.stringify(state));
  if (kept === null) rmSync(host.at("/run/vfio-watch/overview.json"), { force: true });
  else host.writeFile("/run/vfio-watch/overview.json", JSON.stringify(kept));
}

const get = async (path: string) => {
  const answer = await fetch(host.address + path);
  return { status: answer.status, text: await answer.text() };
};
const tile = async () =>
  JSON.parse((await get(`${INCLUDE}/tile-now.php`)).text) as { state: string; rows: string; banner: string };

test("tile and marks are made of the files that the service keeps, and start nothing", needsPhp, async () => {
  serviceRuns();
  const { state, rows } = await tile();
  assert.match(state, /watching: 1 VM will not start/);
  assert.match(rows, /What to do first:<\/b> Go back\./);
  assert.match(rows, /href="\/Tools\/vfio-watch\?start=2#vfw-chosen"/);
  assert.match(rows, /Last update<\/span> BIOS .* → A95, seen \d{4}-\d\d-\d\d/);
  assert.match(rows, /<svg><title>lanes/);
  const marks = JSON.parse((await get(`${INCLUDE}/marks.php`)).text);
  assert.equal(marks.service, "on");
  assert.deepEqual(
    [marks.vms[0].uuid, marks.vms[0].verdict, marks.vms[0].todo, marks.vms[0].start],
    [UUID, "will-not-start", "Go back.", 2],
  );
  await get("/Dashboard/vfio-watch-tile");
  assert.ok(!existsSync(host.at(RAN)), "no program has run");
});

test("names and sentences that are HTML stay text in the tile", needsPhp, async () => {
  serviceRuns();
  const { rows } = await tile();
  assert.match(rows, /&lt;img src=x onerror=alert\(1\)&gt;/);
  assert.doesNotMatch(rows, /<img/);
});

test(
  "a banner has the answer where something fails, and there is none where nothing does",
  needsPhp,
  async () => {
    const vm = { ...overview.vms[0] };
    const bannerFor = async (...vms: readonly object[]) => {
      serviceRuns({ ...overview, vms });
      return (await tile()).banner;
    };
    const banner = await bannerFor(vm, { ...vm, name: "other" });
    assert.match(
      banner,
      /^<a class="vfio-watch-banner" href="\/Tools\/vfio-watch\?start=2#vfw-chosen"><b>&lt;img/,
    );
    assert.match(banner, /<\/b> will not start \(1 more\)\. What to do first: Go back\.<\/a>$/);
    assert.doesNotMatch(banner, /<img/);
    const failed = {
      ...vm,
      verdict: "failed-last-time",
      word: "failed last time",
      tone: "warning",
      todo: null,
    };
    const ago = (days: number) => ({ ...failed, failed: { number: 2, at: Date.now() - days * 86_400_000 } });
    assert.match(await bannerFor(ago(6)), /failed last time\. Because of/);
    for (const fine of [
      ago(8),
      { ...vm, tone: "warning" },
      { ...vm, verdict: "may-fail", tone: "warning" },
      { ...vm, verdict: "will-start", tone: "good" },
    ])
      assert.equal(await bannerFor(fine), "", JSON.stringify(fine));
    rmSync(host.at("/run/vfio-watch/state.json"));
    assert.equal((await tile()).banner, "");
  },
);

test(
  "the tile says of each VM that failed last time what to do, after those that will not start",
  needsPhp,
  async () => {
    const [vm] = overview.vms;
    const failed = {
      ...vm,
      name: "b",
      verdict: "failed-last-time",
      word: "failed last time",
      tone: "warning",
    };
    serviceRuns({ ...overview, vms: [failed] });
    const alone = await tile();
    assert.match(alone.state, /watching: 1 VM failed last time/);
    assert.match(alone.rows, /<b>b<\/b>.*What to do first:<\/b> Go back\./);
    serviceRuns({ ...overview, vms: [failed, { ...vm, name: "a" }] });
    const both = await tile();
    assert.match(both.state, /watching: 1 VM will not start/);
    assert.match(both.rows, /<b>a<\/b>.*<b>b<\/b>/);
  },
);

test("a failure that is over says so instead of its reason", needsPhp, async () => {
  serviceRuns({ ...overview, vms: [], failure: { ...overview.failure, why: "It was.", isOver: true } });
  const { state, rows } = await tile();
  assert.match(state, /no VM has a passed-through device/);
  assert.match(rows, /has started since/);
  assert.doesNotMatch(rows, /It was\./);
});

test("a failure that is over says so beside a VM that will not start now", needsPhp, async () => {
  serviceRuns({ ...overview, failure: { ...overview.failure, isOver: true } });
  const { rows } = await tile();
  assert.match(rows, /<\/a>, started since, but not any more<\/p>/);
  assert.doesNotMatch(rows, /has started since/);
});

test("moments and days are in the owner's form, names in quotation marks as they are", needsPhp, async () => {
  host.writeFile("/boot/config/plugins/dynamix/dynamix.cfg", '[display]\ndate="%d.%m.%Y"\ntime="%R"\n');
  const [vm] = overview.vms;
  const why = "'on 2026-01-02' fails, with which it worked on 2026-11-23 (2026-02-10): 2026-01-21 12:02 UTC.";
  const picture = "<svg><text>11-23 08:50</text><text>2026-11-23</text></svg>";
  serviceRuns({ ...overview, vms: [{ ...vm, why }], picture });
  const { rows } = await tile();
  rmSync(host.at("/boot/config/plugins/dynamix/dynamix.cfg"));
  assert.match(
    rows,
    /&apos;on 2026-01-02&apos; fails, with which it worked on 23\.11\.2026 \(10\.02\.2026\): 21\.01\.2026, \d\d:02\./,
  );
  assert.match(rows, /<text>23-11 08:50<\/text><text>23-11-2026<\/text>/);
});

test(
  "without a service nothing is shown but that it is off, nor with one that has not looked yet",
  needsPhp,
  async () => {
    rmSync(host.at("/run/vfio-watch/state.json"), { force: true });
    assert.match((await tile()).state, /off: nothing is watched/);
    assert.deepEqual(JSON.parse((await get(`${INCLUDE}/marks.php`)).text), { service: "off", vms: [] });
    // A process has the number that is not the one that wrote it.
    host.writeFile("/run/vfio-watch/state.json", JSON.stringify({ pid: process.pid, processBegan: "1" }));
    assert.match((await tile()).state, /off/);
    serviceRuns(null);
    assert.match((await tile()).state, />watching</);
    serviceRuns(overview, 120_000);
    assert.match((await tile()).state, /stuck/);
  },
);

test("a file that holds nonsense breaks no page", needsPhp, async () => {
  for (const nonsense of [
    {},
    { vms: [{ verdict: [], name: {} }], failure: {}, update: {}, picture: 7 },
    [1],
  ]) {
    serviceRuns(nonsense);
    assert.equal((await get(`${INCLUDE}/tile-now.php`)).status, 200, JSON.stringify(nonsense));
    assert.equal(JSON.parse((await get(`${INCLUDE}/marks.php`)).text).service, "on");
  }
});

const answer = (query: string) => get(`${INCLUDE}/answer.php?${query}`);

/** Listens in the service's place; notes what it is asked, and says this. */
async function serviceSays(reply: string): Promise<{ readonly asked: string[]; close(): Promise<void> }> {
  const asked: string[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      asked.push(bytes.toString());
      socket.end(reply);
    });
  });
  await new Promise<void>((resolve) => server.listen(host.at("/run/vfio-watch/control"), resolve));
  return { asked, close: () => new Promise((resolve) => server.close(() => resolve())) };
}
const done = (told: object) => `${JSON.stringify({ kind: "done", answer: told })}\n`;

test(
  "the answer for a start is the service's, asked for the time in which it was tried, and starts nothing",
  needsPhp,
  async () => {
    serviceRuns();
    const explained = { vm: "v", why: HOSTILE, remedies: [], changes: [], lastGoodAt: 1_795_423_800_000 };
    const service = await serviceSays(done({ state: "settled", number: 5, outcome: "failed", explained }));
    const before = Date.now();
    const told = JSON.parse((await answer(`vm=${UUID}&ago=2500`)).text);
    assert.deepEqual([told.state, told.number, told.why], ["failed", 5, HOSTILE]);
    assert.match(told.lastGood, /^2026-11-23 \d\d:\d\d$/);
    const { since, ...asked } = JSON.parse(service.asked.join(""));
    assert.deepEqual(asked, { ask: "start", vm: UUID, waitMs: 8000, history: "/the/history.db" });
    assert.ok(since <= before - 2500 && since > before - 15_000, `${before - since} ms before`);
    assert.ok(!existsSync(host.at(RAN)), "no program has run");
    await service.close();
  },
);

test(
  "there is no answer where the service has none, is off, or says nothing sensible, and none to no question",
  needsPhp,
  async () => {
    serviceRuns();
    for (const said of [
      done({ state: "none" }),
      done({ state: "settled", number: 5, outcome: "started" }),
      '{"kind":"refused","reason":"busy","why":"w","remedy":"r"}\n',
      "nonsense\n",
      '{"kind":"done"}\n',
      "",
    ]) {
      const service = await serviceSays(said);
      assert.equal((await answer(`vm=${UUID}&ago=1`)).text, '{"state":"none"}', said);
      await service.close();
    }
    // It has gone without a word, and somebody else listens nowhere.
    assert.equal((await answer(`vm=${UUID}&ago=1`)).text, '{"state":"none"}');
    const service = await serviceSays(done({ state: "none" }));
    for (const wrong of [
      "",
      "vm=x&ago=1",
      `vm=${UUID}`,
      `vm=${UUID}%0a&ago=1`,
      `vm=${UUID}&ago=-1`,
      `vm[]=${UUID}&ago=1`,
    ])
      assert.equal((await answer(wrong)).status, 400, wrong);
    rmSync(host.at("/run/vfio-watch/state.json"));
    assert.equal((await answer(`vm=${UUID}&ago=1`)).text, '{"state":"off"}');
    assert.deepEqual(service.asked, [], "none of them reached the service");
    await service.close();
  },
);
