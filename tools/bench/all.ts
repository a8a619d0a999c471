import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildRelease } from "../build.ts";
import { type BenchHost, type BenchService, createBenchHost } from "./bench-service.ts";
import { type BudgetRow, formatTable, type JudgedRow, judge } from "./budget.ts";
import { historyVersion, measureBlame, measureFlood, measureSnapshots } from "./measure-apart.ts";
import { measureFleet } from "./measure-fleet.ts";
import { measureGrowth } from "./measure-growth.ts";
import {
  measureAlert,
  measureCap,
  measureIdle,
  measureIncidents,
  measureMemory,
  measureRecordToStored,
  measureStart,
} from "./measure-running.ts";
import { measureStorm, measureStormEnd } from "./measure-storm.ts";
import { measureThroughput } from "./measure-throughput.ts";

const HELP = `Measures every budget of the design and prints a table; the numbers go to bench-results.json.

  --long            idle for ten minutes instead of one
  --only PART,…     some of: start, service, cap, throughput, flood, storm, blame, growth, snapshot, fleet
  --mtail FILE      the program to compare with, where it is not on the PATH

Exit code 1 when a budget is missed in the median and in the best run.`;

const PARTS = [
  "start",
  "service",
  "cap",
  "throughput",
  "flood",
  "storm",
  "blame",
  "growth",
  "snapshot",
  "fleet",
] as const;
const CAP_MEGABYTES = 8;
const RESULTS = fileURLToPath(new URL("../../bench-results.json", import.meta.url));

const { values } = parseArgs({
  options: {
    long: { type: "boolean", default: false },
    only: { type: "string", default: PARTS.join(",") },
    mtail: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const rows: JudgedRow[] = [];

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

function take(measured: readonly BudgetRow[]): void {
  for (const row of measured.map(judge)) {
    rows.push(row);
    process.stderr.write(
      `${row.part}, ${row.what}: ${row.median?.toFixed(2) ?? "-"} ${row.unit}, ${row.verdict}\n`,
    );
  }
}

/** A bench that breaks off says so in the table and lets the others go on. */
async function attempt(part: string, work: () => void | Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const method = error instanceof Error ? error.message : String(error);
    take([{ part, what: "could not be measured", unit: "", runs: [], method }]);
    process.exitCode = 1;
  }
}

async function withHost(part: string, use: (host: BenchHost) => Promise<void>): Promise<void> {
  const host = await createBenchHost();
  try {
    await attempt(part, () => use(host));
  } finally {
    await host.remove();
  }
}

async function withService(
  part: string,
  program: string,
  settings: Readonly<Record<string, string>>,
  use: (host: BenchHost, service: BenchService) => Promise<void>,
): Promise<void> {
  await withHost(part, async (host) => {
    const service = await host.startService(program, settings);
    try {
      await use(host, service);
    } finally {
      await service.stop();
    }
  });
}

function findMtail(): string | undefined {
  if (values.mtail !== undefined) return values.mtail;
  try {
    return execFileSync("sh", ["-c", "command -v mtail"], { encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
}

async function measureAll(directory: string): Promise<void> {
  const wanted = new Set(values.only.split(","));
  const release = join(directory, "release");
  await buildRelease(release);
  const program = join(release, "vfio-watch.mjs");
  if (wanted.has("start")) await withHost("start", async (host) => take(await measureStart(host, program)));
  if (wanted.has("service")) {
    // The same process throughout: memory and rest are what they are after a million records.
    await withService("service", program, {}, async (host, service) => {
      take(await measureMemory(host, service));
      take(await measureIdle(host, service, values.long ? 600 : 60));
      take(await measureRecordToStored(host));
      take(await measureAlert(host));
      take(await measureIncidents(host, service));
    });
  }
  if (wanted.has("cap")) {
    const settings = { RETENTION_MEGABYTES: String(CAP_MEGABYTES) };
    await withService("cap", program, settings, async (host, service) =>
      take(await measureCap(host, service, CAP_MEGABYTES)),
    );
  }
  if (wanted.has("throughput"))
    await attempt("kernel log", () => take(measureThroughput(directory, findMtail())));
  if (wanted.has("flood")) await attempt("flood", () => take(measureFlood()));
  if (wanted.has("storm")) {
    await withService("storm", program, {}, async (host, service) => take(await measureStorm(host, service)));
    await withService("storm", program, {}, async (host, service) =>
      take(await measureStormEnd(host, service)),
    );
  }
  if (wanted.has("blame")) await attempt("blame", () => take(measureBlame(program)));
  if (wanted.has("growth")) {
    const kept = join(tmpdir(), "vfio-watch-bench-growth", historyVersion());
    await attempt("growth", async () => take(await measureGrowth(program, kept)));
  }
  if (wanted.has("fleet")) await attempt("fleet", async () => take(await measureFleet(directory, program)));
  if (wanted.has("snapshot")) await attempt("snapshot", () => take(measureSnapshots(directory)));
}

if (values.help) {
  process.stdout.write(`${HELP}\n`);
} else {
  const directory = mkdtempSync(join(tmpdir(), "vfio-watch-bench-"));
  const began = new Date();
  try {
    await measureAll(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  const machine = {
    node: process.version,
    processors: cpus().length,
    model: cpus()[0]?.model,
    load: loadavg(),
  };
  writeFileSync(RESULTS, `${JSON.stringify({ began, machine, rows }, undefined, 2)}\n`);
  process.stdout.write(
    `Node ${process.version}, ${machine.processors} processors, load ${machine.load.map((value) => value.toFixed(1)).join(" ")}\n\n${formatTable(rows)}`,
  );
  if (rows.some(({ verdict }) => verdict === "missed")) process.exitCode = 1;
}
