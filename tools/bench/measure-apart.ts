import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createHostPaths } from "../../src/host-paths.ts";
import { buildTenYears, measureQuestions } from "./blame.ts";
import { type BudgetRow, median } from "./budget.ts";
import { buildSyntheticServer, snapshotTimes } from "./host-snapshot.ts";

const FLOOD = fileURLToPath(new URL("kernel-log-flood.ts", import.meta.url));
const FLOOD_RECORDS = 200_000;
const BIG_SERVER = 4_000;

interface FloodResult {
  readonly written: number;
  readonly seconds: number;
  readonly seen: number;
  readonly lost: number;
  readonly repeated: number;
  readonly delays: { readonly p50: number; readonly p99: number; readonly worst: number };
}

/** The kernel's own log, flooded. */
export function measureFlood(): readonly BudgetRow[] {
  const part = "flood";
  const what = `of ${FLOOD_RECORDS} records at full speed neither seen nor counted as lost`;
  try {
    accessSync("/dev/kmsg", constants.R_OK | constants.W_OK);
  } catch {
    return [{ part, what, unit: "records", runs: [], method: "needs root and /dev/kmsg" }];
  }
  const run = (...options: readonly string[]) =>
    JSON.parse(
      execFileSync(process.execPath, [FLOOD, "--json", "--idle", "0", ...options], { encoding: "utf8" }),
    ) as FloodResult;
  const flood = run("--records", String(FLOOD_RECORDS));
  const calm = run("--records", "1000", "--per-second", "200");
  return [
    {
      part,
      what,
      unit: "records",
      runs: [Math.abs(flood.written - flood.seen - flood.lost) + flood.repeated],
      limit: { bound: "at most", value: 0 },
      method: `the real /dev/kmsg, ${Math.round(flood.written / flood.seconds)} records a second: ${flood.seen} seen, ${flood.lost} told as a gap, ${flood.repeated} repeated; other writers' records in the same gap would show here`,
    },
    {
      part,
      what: "kernel record → source, p99",
      unit: "ms",
      runs: [calm.delays.p99],
      yardstick: { what: "during the flood, p99", value: flood.delays.p99, unit: "ms" },
      method:
        "the real /dev/kmsg and its dd child, 1000 records at 200 a second: the part of the delay that the pipe below cannot show",
    },
  ];
}

/** A name that changes with whatever a kept history is made by. */
export function historyVersion(): string {
  const sources = [
    "store-ten-years.ts",
    "ten-year-facts.ts",
    "../../src/store/schema.ts",
    "../../src/store/database.ts",
  ];
  const hash = createHash("sha256");
  for (const source of sources) hash.update(readFileSync(new URL(source, import.meta.url)));
  return hash.digest("hex").slice(0, 16);
}

/** `blame` over ten years; the history is built once and kept for the next run. */
export function measureBlame(program: string): readonly BudgetRow[] {
  const directory = join(tmpdir(), "vfio-watch-bench-ten-years");
  const path = join(directory, `${historyVersion()}.db`);
  mkdirSync(directory, { recursive: true });
  if (!existsSync(path)) {
    // Under another name until it is whole.
    const building = `${path}.${process.pid}`;
    buildTenYears(building);
    renameSync(building, path);
  }
  const times = measureQuestions(path, program);
  const bare = Array.from({ length: 5 }, () => {
    const began = performance.now();
    execFileSync(process.execPath, ["-e", "0"]);
    return performance.now() - began;
  });
  return times.flatMap(({ question, headline, queries, commands }): BudgetRow[] => [
    {
      part: "blame",
      what: ["query", ...question].join(" "),
      unit: "ms",
      runs: queries,
      limit: { bound: "at most", value: 100 },
      method: `4 000 boots, 50 000 starts, 2 million events; the history opened anew each time; the answer: ${headline}`,
    },
    {
      part: "blame",
      what: ["command", ...question].join(" "),
      unit: "ms",
      runs: commands,
      limit: { bound: "at most", value: 250 },
      yardstick: { what: "bare node starts and ends", value: median(bare), unit: "ms" },
      method: "the release, from start to exit",
    },
  ]);
}

/** Reading all facts of a host. */
export function measureSnapshots(directory: string): readonly BudgetRow[] {
  const here = snapshotTimes(createHostPaths());
  const big = snapshotTimes(buildSyntheticServer(join(directory, "server"), BIG_SERVER));
  return [
    {
      part: "snapshot",
      what: "of this host",
      unit: "ms",
      runs: here,
      limit: { bound: "at most", value: 150 },
      method: `the first, cold: ${(here[0] ?? 0).toFixed(1)} ms; without the hardware inventory's child`,
    },
    {
      part: "snapshot",
      what: `of a server with ${BIG_SERVER} PCI functions`,
      unit: "ms",
      runs: big,
      limit: { bound: "at most", value: 1000 },
      method: `a tree of files; the first, cold: ${(big[0] ?? 0).toFixed(0)} ms`,
    },
  ];
}
