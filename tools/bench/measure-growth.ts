import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Store } from "../../src/store/store.ts";
import { type BenchHost, createBenchHost } from "./bench-service.ts";
import { openHistory } from "./blame.ts";
import { type BudgetRow, median } from "./budget.ts";
import { memoryOf } from "./process-figures.ts";
import { buildHistory } from "./store-ten-years.ts";

/** Attempts on record, each the tenfold of the one before. */
const SIZES = [100, 1_000, 10_000, 100_000] as const;
const ATTEMPTS_A_BOOT = 25;
const RUNS = 3;
/** What the start used is given back in the first calm turn. */
const CALM = 22_000;
const DAY = 86_400_000;
/** A thousand times the history may cost so many times the time: what grows with it is looked up, not gone through. */
const GENTLE = 4;

const COMMANDS = ["starts", "blame", "boots", "report --format html", "check"] as const;
const SERVICE_START = "service start";
const RESIDENT = "resident";
const PRUNE = "prune, its longest step";

/** Of one thing, a value for each size. */
type Curve = Map<string, number[]>;

/**
 * What grows with the history: the same host with 10², 10³, 10⁴ and 10⁵ starts on record. Histories are made once and kept
 * in `directory`. Prints the curve, and returns rows of the largest beside the smallest.
 */
export async function measureGrowth(program: string, directory: string): Promise<readonly BudgetRow[]> {
  const curve: Curve = new Map();
  mkdirSync(directory, { recursive: true });
  for (const attempts of SIZES) {
    const host = await createBenchHost();
    try {
      copyFileSync(historyOf(directory, attempts), host.database);
      await measureOne(host, program, curve);
    } finally {
      await host.remove();
    }
  }
  process.stdout.write(`${curveTable(curve)}\n`);
  return [...curve].flatMap(([what, values]) => rowsOf(what, values));
}

function historyOf(directory: string, attempts: number): string {
  const path = join(directory, `${attempts}.db`);
  if (existsSync(path)) return path;
  // Under another name until it is whole.
  const building = `${path}.${process.pid}`;
  const store = openHistory(building, false);
  buildHistory(store, {
    boots: Math.ceil(attempts / ATTEMPTS_A_BOOT),
    attempts,
    evidencePerAttempt: 8,
    sightedLines: attempts,
    factsPerSnapshot: 400,
  });
  store.close();
  renameSync(building, path);
  return path;
}

async function measureOne(host: BenchHost, program: string, curve: Curve): Promise<void> {
  const add = (what: string, value: number) => curve.set(what, [...(curve.get(what) ?? []), value]);
  // The first start of a new version migrates, or looks whether it has to.
  await (await host.startService(program)).stop();
  const service = await host.startService(program);
  add(SERVICE_START, service.startMs);
  await sleep(CALM);
  add(RESIDENT, memoryOf(service.pid).resident);
  for (const command of COMMANDS) {
    const times: number[] = [];
    for (let run = 0; run < RUNS; run++) times.push(await timeOf(host, program, command.split(" ")));
    add(command, median(times));
  }
  await service.stop();
  add(PRUNE, longestPruneStep(host.database));
}

function timeOf(host: BenchHost, program: string, command: readonly string[]): Promise<number> {
  const began = performance.now();
  // Not waited for in one piece: libvirt, which it asks, answers from this process.
  const child = spawn(process.execPath, [program, ...command, "--database", host.database], {
    env: {
      PATH: process.env.PATH,
      VFIO_WATCH_ROOT: join(host.directory, "root"),
      VFIO_WATCH_RUNTIME_DIRECTORY: host.runtime,
    },
    stdio: "ignore",
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => {
      // 3: something was found, which is an answer.
      if (code === 0 || code === 3) resolve(performance.now() - began);
      else reject(new Error(`${command.join(" ")} ended with ${code}`));
    });
  });
}

/** A tenth of the history is dropped; how long the loop of the service would wait for one step of that (ms). */
function longestPruneStep(database: string): number {
  const store: Store = openHistory(database, false);
  const limits = { now: Date.now(), maxAgeMs: 100 * 365 * DAY, maxBytes: Math.round(store.bytes() * 0.9) };
  let longest = 0;
  for (let done = false; !done; ) {
    const began = performance.now();
    done = store.prune(limits).done;
    longest = Math.max(longest, performance.now() - began);
  }
  store.close();
  rmSync(`${database}-wal`, { force: true });
  return longest;
}

function rowsOf(what: string, values: readonly number[]): readonly BudgetRow[] {
  const [first = Number.NaN, last = Number.NaN] = [values[0], values.at(-1)];
  const unit = what === RESIDENT ? "MB" : "ms";
  const method = `${SIZES.at(-1)} starts on record beside ${SIZES[0]}; median of ${RUNS} for a command`;
  const budget = what === RESIDENT ? 64 : what === SERVICE_START ? 500 : what === PRUNE ? 100 : 300;
  return [
    {
      part: "growth",
      what,
      unit,
      runs: [last],
      limit: { bound: "at most", value: budget },
      yardstick: { what: `with ${SIZES[0]}`, value: first, unit },
      method,
    },
    // A step of dropping is bounded by its rows, and takes next to nothing where there are few.
    ...(what === PRUNE
      ? []
      : [
          {
            part: "growth",
            what: `${what}: grown`,
            unit: "times",
            runs: [last / first],
            limit: { bound: "at most", value: GENTLE } as const,
            method,
          },
        ]),
  ];
}

/** A row for each thing, a column for each size. */
function curveTable(curve: Curve): string {
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(26) : cell.padStart(10))).join("");
  const body = [...curve].map(([what, values]) =>
    line([
      `${what} (${what === RESIDENT ? "MB" : "ms"})`.padEnd(26),
      ...values.map((value) => value.toFixed(value < 10 ? 1 : 0)),
      `${((values.at(-1) ?? Number.NaN) / (values[0] ?? Number.NaN)).toFixed(1)} ×`,
    ]),
  );
  return [line(["starts on record", ...SIZES.map(String), "grown"]), ...body, ""].join("\n");
}
