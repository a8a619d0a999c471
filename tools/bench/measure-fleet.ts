import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { fleetChildArguments } from "../../src/daemon/fleet-watch.ts";
import { type FleetConnection, withFleet } from "../../src/fleet/connect.ts";
import { askFleetBlame } from "../../src/fleet/fleet-blame.ts";
import type { FleetJob, FleetResult } from "../../src/fleet/job.ts";
import { addRole, prepareFleet } from "../../src/fleet/owner.ts";
import { beginQuestions, readBoards, readBoardTallies, readOutliers } from "../../src/fleet/questions.ts";
import { type FleetServer, parseServer } from "../../src/fleet/server.ts";
import { verdictsFileOf } from "../../src/fleet/verdict-cache.ts";
import { openStore } from "../../src/store/open.ts";
import { noPostgres, type OwnPostgres, startOwnPostgres } from "../../test/fleet/own-postgres.ts";
import { good, hostFacts, repeat, storeHistory } from "../../test/helpers/made-history.ts";
import { createBenchHost } from "./bench-service.ts";
import { type BudgetRow, median } from "./budget.ts";
import { measureAlert } from "./measure-running.ts";
import { memoryOf } from "./process-figures.ts";

const HOSTS = 10_000;
const STARTS_EACH = 200;
const EXPORTED = 100_000;
const RUNS = 7;
const part = "fleet";

function serverOf(url: string): FleetServer {
  const parsed = parseServer(new URL(url));
  if ("problem" in parsed) throw new Error(parsed.problem);
  return parsed.server;
}

async function asked<T>(server: FleetServer, work: (fleet: FleetConnection) => Promise<T>): Promise<T> {
  const done = await withFleet(server, work);
  if (done.state === "failed") throw new Error(done.error);
  return done.value;
}

async function times(work: () => Promise<unknown>): Promise<readonly number[]> {
  const runs: number[] = [];
  for (let run = 0; run <= RUNS; run += 1) {
    const began = performance.now();
    await work();
    // The first one fills the server's memory.
    if (run > 0) runs.push(performance.now() - began);
  }
  return runs;
}

/** A fleet of many hosts, a real export, and what the service pays for it. */
export async function measureFleet(directory: string, program: string): Promise<readonly BudgetRow[]> {
  if (noPostgres !== false) return [{ part, what: "everything", unit: "", runs: [], method: noPostgres }];
  // Safe against a crash of the machine, as a real one is.
  const postgres = await startOwnPostgres({
    settings: ["fsync = on", "shared_buffers = '256MB'", "work_mem = '32MB'"],
  });
  try {
    const owner = serverOf(await postgres.newDatabase());
    await asked(owner, prepareFleet);
    return [
      ...(await measureExport(owner, directory, program)),
      ...(await measureQuestions(owner)),
      ...(await measureService(postgres, program)),
    ];
  } finally {
    await postgres.remove();
  }
}

/** The child of the release sends a history of many starts. */
async function measureExport(
  owner: FleetServer,
  directory: string,
  program: string,
): Promise<readonly BudgetRow[]> {
  const database = `${directory}/exported.db`;
  const opened = openStore({ path: database, clock: { now: Date.now } });
  if (opened.state === "refused") throw new Error(opened.why);
  storeHistory(opened.store, repeat(EXPORTED / 500, { facts: hostFacts(), starts: [good(500)] }));
  opened.store.close();
  const { role, password } = await asked(owner, (fleet) => addRole(fleet, "exporter", "host"));
  const job: FleetJob = {
    ...{
      server: { ...owner, user: role, password },
      database,
      verdictsFile: verdictsFileOf(database),
      board: "MS-7E49",
    },
    ...{ what: "export", share: "facts", label: "", cluster: "", machine: "bench", version: "bench" },
    ...{ goodAfterMs: 0, limitMs: 120_000 },
  };
  const began = performance.now();
  const child = spawn(process.execPath, fleetChildArguments(program), { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stdin.end(JSON.stringify(job));
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, peakOf(child.pid));
  }, 50);
  await new Promise((resolve) => child.once("close", resolve));
  clearInterval(watch);
  const seconds = (performance.now() - began) / 1000;
  const result = JSON.parse(output) as FleetResult;
  if (result.state === "failed") throw new Error(result.error);
  return [
    {
      part,
      what: "starts a second that one export sends",
      unit: "starts/s",
      runs: [result.exported / seconds],
      limit: { bound: "at least", value: 1_000 },
      method: `${result.exported} starts of one history by the child of the release, from its start to its end, over loopback, each batch of 500 durable; 23 a second are needed for a million hosts`,
    },
    {
      part,
      what: "peak memory of the child",
      unit: "MB",
      runs: [peak / 1024],
      limit: { bound: "at most", value: 120 },
      method: "VmHWM, asked every 50 ms",
    },
  ];
}

/** Kilobytes. */
function peakOf(pid: number | undefined): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/**
 * Generates hosts in the server: 60 boards, most with a dozen BIOS versions of which one breaks, each host for half of
 * its starts on one and then on the next, with one of eight kernels. The trigger counts them as it counts those of hosts.
 */
const GENERATE = `
SET search_path = vfio_watch;
INSERT INTO host (role, added_as, key, first_export, last_export)
  SELECT 'bench_' || n, 'bench ' || n, gen_random_uuid(), now(), now() FROM generate_series(1, ${HOSTS}) AS n;
INSERT INTO history (host, name) SELECT id, 'bench' FROM host WHERE added_as LIKE 'bench %';
INSERT INTO environment (id, facts)
  SELECT ('x' || left(encode(sha256(convert_to(facts::text, 'UTF8')), 'hex'), 16))::bit(64)::bigint, facts FROM (
    SELECT jsonb_build_object('firmware.board.vendor', 'Vendor ' || board % 7, 'firmware.board.name', 'Board ' || board,
      'firmware.bios.version', '1.' || lpad(bios::text, 2, '0'), 'firmware.bios.date', '01/0' || (1 + bios % 9) || '/2026',
      'firmware.agesa', 'ComboAm5PI 1.2.' || bios, 'hardware.cpu.name', 'AMD Ryzen ' || board % 5,
      'kernel.release', '6.' || (8 + kernel) || '.1', 'kernel.parameter', 'listed', 'software.os.name', 'Debian',
      'software.os.version', '13', 'software.qemu', '10.' || kernel % 3) AS facts
    FROM generate_series(1, 60) AS board, generate_series(0, 11) AS bios, generate_series(0, 7) AS kernel) AS made;
INSERT INTO word (word) VALUES ('iommu-direct-mapping-required') ON CONFLICT DO NOTHING;
INSERT INTO device (identity) VALUES ('10de:2805/1462:5174') ON CONFLICT DO NOTHING;
CREATE TEMP TABLE by_place AS SELECT id, substring(board from '\\d+')::integer AS board, right(bios, 2)::integer AS bios,
  substring(facts ->> 'kernel.release' from '6\\.(\\d+)')::integer - 8 AS kernel FROM environment WHERE board LIKE 'Board %';
CREATE UNIQUE INDEX ON by_place (board, bios, kernel);
`;

const STARTS = `
INSERT INTO start (at, host, history, number, environment, device, class, signature, outcome, certainty)
  SELECT timestamptz '2026-01-01' + n * interval '1 hour', host.id, history.id, n, by_place.id,
    (SELECT id FROM device WHERE identity = '10de:2805/1462:5174'),
    CASE WHEN breaks THEN (SELECT id FROM word WHERE word = 'iommu-direct-mapping-required') ELSE 0 END, 0,
    (CASE WHEN breaks THEN 'failed' ELSE 'started' END)::outcome, (CASE WHEN breaks THEN 'certain' END)::certainty
  FROM (SELECT *, 1 + id % 60 AS board FROM host WHERE added_as LIKE 'bench %' AND id % 20 = $1) AS host
  JOIN history ON history.host = host.id
  CROSS JOIN generate_series(1, ${STARTS_EACH}) AS n
  CROSS JOIN LATERAL (SELECT (host.id / 60 + n / ${STARTS_EACH / 2}) % 12 AS bios) AS own
  JOIN by_place ON by_place.board = host.board AND by_place.bios = own.bios AND by_place.kernel = host.id % 8
  CROSS JOIN LATERAL (SELECT own.bios = host.board % 12 AS breaks) AS outcome
`;

async function measureQuestions(owner: FleetServer): Promise<readonly BudgetRow[]> {
  return asked(owner, async (fleet) => {
    await fleet.run(GENERATE);
    const began = performance.now();
    let rows = 0;
    for (let share = 0; share < 20; share += 1) rows += await fleet.affected(STARTS, [share]);
    const seconds = (performance.now() - began) / 1000;
    await fleet.run("VACUUM ANALYZE start, tally, environment, host");
    const [size] = await fleet.rows<{ bytes: number; tallies: number }>(
      `SELECT pg_total_relation_size('start')::float8 / (SELECT count(*) FROM start) AS bytes,
         pg_total_relation_size('tally')::float8 AS tallies`,
    );
    await beginQuestions(fleet);
    const board = async () => {
      const data = await readBoardTallies(fleet, "board7");
      if (data === undefined) throw new Error("no such board");
      return askFleetBlame(data);
    };
    const answer = (await board()).faults[0].answer.blame;
    const described = `${HOSTS} hosts with ${STARTS_EACH} starts each, ${((size?.tallies ?? 0) / 1e6).toFixed(1)} MB of tallies`;
    return [
      {
        part,
        what: "starts a second that the server takes",
        unit: "starts/s",
        runs: [rows / seconds],
        limit: { bound: "at least", value: 1_000 },
        method: `${rows} rows generated in the server in 20 transactions, with indexes, keys and the tally`,
      },
      {
        part,
        what: "bytes a start",
        unit: "bytes",
        runs: [size?.bytes ?? Number.NaN],
        limit: { bound: "at most", value: 150 },
        method: `the table with its index; ${described}`,
      },
      {
        part,
        what: "blame of one board",
        unit: "ms",
        runs: await times(board),
        limit: { bound: "at most", value: 50 },
        method: `its tallies read and weighed; ${described}; the answer: ${answer.certainty}, ${answer.sets[0]?.suspects[0]?.family ?? "nothing"}`,
      },
      {
        part,
        what: "whole fleet: all boards",
        unit: "ms",
        runs: await times(() => readBoards(fleet)),
        limit: { bound: "at most", value: 2_000 },
        method: described,
      },
      {
        part,
        what: "whole fleet: outliers",
        unit: "ms",
        runs: await times(() => readOutliers(fleet)),
        limit: { bound: "at most", value: 2_000 },
        method: described,
      },
    ] satisfies readonly BudgetRow[];
  });
}

/** Long enough for the first export, which comes with the first turn (s). */
const SETTLES = 40;

/** The service with an export that happens, against one without, one after the other. */
async function measureService(postgres: OwnPostgres, program: string): Promise<readonly BudgetRow[]> {
  const url = await postgres.newDatabase();
  await asked(serverOf(url), prepareFleet);
  const { role, password } = await asked(serverOf(url), (fleet) => addRole(fleet, "service", "host"));
  const own = new URL(url);
  own.username = role;
  own.password = password;
  const residents = { on: [] as number[], off: [] as number[] };
  const alerts = { on: [] as number[], off: [] as number[] };
  for (const way of ["off", "on", "off", "on"] as const) {
    const host = await createBenchHost();
    try {
      const service = await host.startService(program, way === "on" ? { FLEET_URL: own.href } : {});
      await pause(SETTLES * 1000);
      residents[way].push(memoryOf(service.pid).private);
      alerts[way].push(...(await measureAlert(host)).flatMap(({ runs }) => runs));
      await service.stop();
    } finally {
      await host.remove();
    }
  }
  const [exported] = await asked(serverOf(url), (fleet) =>
    fleet.rows<{ boots: number }>("SELECT count(*)::integer AS boots FROM vfio_watch.boot"),
  );
  if ((exported?.boots ?? 0) === 0) throw new Error("the service exported nothing");
  return [
    {
      part,
      what: "more memory of the service with export on",
      unit: "MB",
      runs: residents.on.map((value) => value - median(residents.off)),
      limit: { bound: "at most", value: 1 },
      yardstick: { what: "with export off", value: median(residents.off), unit: "MB" },
      method: `private memory ${SETTLES} s after the start, with and without in turns; ${exported?.boots} boots arrived`,
    },
    {
      part,
      what: "last evidence → channel invoked, p90, export on over off",
      unit: "times",
      runs: alerts.on.map((value) => value / median(alerts.off)),
      limit: { bound: "at most", value: 1.2 },
      yardstick: { what: "with export off", value: median(alerts.off), unit: "ms" },
      method: "as the budget of that name, in the services of the row above",
    },
  ];
}
