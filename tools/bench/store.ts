import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { buildHistory, type HistorySizes, TEN_YEARS } from "./store-ten-years.ts";

/**
 * Measures the store. `node tools/bench/store.ts [DATABASE]`: with a path, the ten years are kept there and used
 * again. Prints one line a measure; nothing here fails on a slow machine.
 */
const kept = process.argv[2];
const directory = kept === undefined ? mkdtempSync(join(tmpdir(), "vfio-watch-bench-")) : undefined;
const path = kept ?? join(directory ?? ".", "ten-years.sqlite");
const clock = { now: () => Date.now() };

function open(file: string, readOnly = false): Store {
  const result = openStore({ path: file, clock, readOnly });
  if (result.state === "refused") throw new Error(result.why);
  return result.store;
}

function milliseconds(work: () => unknown): number {
  const begin = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - begin) / 1e6;
}

/** Median of several runs after one that warms up. */
function median(runs: number, work: () => unknown): number {
  const times = Array.from({ length: runs + 1 }, () => milliseconds(work)).slice(1);
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

function say(what: string, value: number, unit: string): void {
  process.stdout.write(`${what.padEnd(64)} ${value.toFixed(value < 10 ? 2 : 0).padStart(9)} ${unit}\n`);
}

function commits(): void {
  const file = join(mkdtempSync(join(tmpdir(), "vfio-watch-bench-")), "commits.sqlite");
  const sizes: HistorySizes = { ...TEN_YEARS, boots: 2, attempts: 2, sightedLines: 0 };
  const store = open(file);
  buildHistory(store, sizes);
  const [example] = store.attempts.list();
  const attempt = store.attempts.full(example?.number ?? 1, () => undefined);
  if (attempt === undefined) throw new Error("no attempt");
  let number = 0;
  const before = store.stats();
  const size = ({ bytes, walBytes }: typeof before) => bytes - walBytes;
  say(
    "one attempt with 30 lines of evidence, durable",
    median(300, () => store.attempts.save({ ...attempt, id: `bench ${number++}` }, { origin: "live" })),
    "ms",
  );
  say("bytes an attempt with 30 lines of evidence", (size(store.stats()) - size(before)) / number, "bytes");
  say(
    "meta value, durable",
    median(300, () => store.durable(() => store.meta.set("x", `${number++}`))),
    "ms",
  );
  say(
    "meta value, batched",
    median(300, () => store.batched(() => store.meta.set("x", `${number++}`))),
    "ms",
  );
  store.close();
  const plain = new Database(join(file, "..", "plain.sqlite"));
  plain.pragma("journal_mode = WAL");
  plain.pragma("synchronous = FULL");
  plain.exec("CREATE TABLE a (b TEXT)");
  const insert = plain.prepare("INSERT INTO a VALUES ('x')");
  say(
    "yardstick: one bare row, synchronous=FULL",
    median(300, () => insert.run()),
    "ms",
  );
  plain.close();
  rmSync(join(file, ".."), { recursive: true });
}

function sizesByTable(file: string): void {
  const plain = new Database(file, { readonly: true });
  const rows = plain
    .prepare<[], { name: string; bytes: number }>(
      "SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name ORDER BY bytes DESC LIMIT 12",
    )
    .all();
  for (const { name, bytes } of rows) say(`  table or index ${name}`, bytes / 1e6, "MB");
  plain.close();
}

commits();
if (!existsSync(path)) {
  const store = open(path);
  say("building ten years", milliseconds(() => buildHistory(store)) / 1000, "s");
  store.close();
}
say(
  "opening for writing",
  median(5, () => open(path).close()),
  "ms",
);
const store = open(path, true);
const stats = store.stats();
for (const [what, count] of Object.entries(stats.rows)) say(`  rows: ${what}`, count, "");
say("database", stats.bytes / 1e6, "MB");
if (process.argv.includes("--tables")) sizesByTable(path);
const filter = { vm: store.attempts.list({ limit: 1 })[0]?.vm ?? ("" as never) };
say(
  "status: stats()",
  median(5, () => store.stats()),
  "ms",
);
say(
  "blame, all VMs: tallies()",
  median(9, () => store.attempts.tallies()),
  "ms",
);
say(
  "blame, one VM: tallies({ vm })",
  median(9, () => store.attempts.tallies(filter)),
  "ms",
);
const snapshotIds = [
  ...new Set(store.attempts.tallies(filter).flatMap(({ snapshotId }) => snapshotId ?? [])),
];
say(
  `blame: series() over ${snapshotIds.length} snapshots, all facts`,
  median(5, () => store.snapshots.series(snapshotIds)),
  "ms",
);
say(
  "blame: list({ vm }), every attempt",
  median(5, () => store.attempts.list(filter)),
  "ms",
);
say(
  "list(), all attempts",
  median(5, () => store.attempts.list()),
  "ms",
);
say(
  "starts: list({ limit: 20 })",
  median(9, () => store.attempts.list({ limit: 20 })),
  "ms",
);
say(
  "boots: list()",
  median(5, () => store.boots.list()),
  "ms",
);
say(
  "show: full(25000)",
  median(9, () => store.attempts.full(25_000, () => undefined)),
  "ms",
);
say(
  "snapshot: get()",
  median(9, () => store.snapshots.get(snapshotIds[900] ?? "")),
  "ms",
);
store.close();
if (directory !== undefined) rmSync(directory, { recursive: true });
