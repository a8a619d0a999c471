import { spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import type { BenchHost, BenchService } from "./bench-service.ts";
import { type BudgetRow, median, percentile } from "./budget.ts";
import { knownTexts, mixedTexts, shippedCatalogue } from "./kernel-lines.ts";
import {
  bytesWrittenBy,
  type MemoryFigures,
  memoryOf,
  processorSecondsOf,
  wakeUpsOf,
} from "./process-figures.ts";

/**
 * A refusal of the kernel waits half a minute for its start and is stored then, and the memory keeper looks every 15 s:
 * after this long both are over (ms).
 */
const SETTLED_AFTER = 60_000;
const RECORDS = 1_000_000;
const BATCH = 5_000;
/** A pause after each batch (ms): no more than 50 000 records a second, which is still a hundred times what ails a host. */
const BUSY = 100;
const FULL_SPEED = 1;
const STARTS = 5;
const LATENCIES = 200;
const ALERTS = 30;
const INCIDENTS = 200;

/** Start → all sources watching. */
export async function measureStart(host: BenchHost, program: string): Promise<readonly BudgetRow[]> {
  const starts: number[] = [];
  const bare: number[] = [];
  for (let run = 0; run < STARTS; run++) {
    const began = performance.now();
    spawnSync(process.execPath, ["-e", "0"], { stdio: "ignore" });
    bare.push(performance.now() - began);
    const service = await host.startService(program);
    starts.push(service.startMs);
    if (run === 0) requireLive(service);
    await service.stop();
  }
  return [
    {
      part: "start",
      what: "process made → all sources watching",
      unit: "ms",
      runs: starts,
      limit: { bound: "at most", value: 500 },
      yardstick: { what: "bare node starts and ends", value: median(bare), unit: "ms" },
      method: `the release, six sources live (libvirtd's protocol spoken by the bench), the first of ${STARTS} starts with no history yet`,
    },
  ];
}

function requireLive(service: BenchService): void {
  const waiting = service.state().sources.filter(({ state }) => state.state !== "live");
  if (waiting.length > 0) throw new Error(`sources that do not work: ${JSON.stringify(waiting)}`);
}

/** Memory after a start, after a million records, after two million. */
export async function measureMemory(host: BenchHost, service: BenchService): Promise<readonly BudgetRow[]> {
  const bare = spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)"], { stdio: "ignore" });
  try {
    await sleep(SETTLED_AFTER);
    const atStart = memoryOf(service.pid);
    const figures: MemoryFigures[] = [];
    for (const pause of [BUSY, BUSY, FULL_SPEED]) {
      await floodWith(host, RECORDS, pause);
      await sleep(SETTLED_AFTER);
      figures.push(memoryOf(service.pid));
    }
    const yardstick = memoryOf(bare.pid ?? 0);
    const [first, second, flooded] = figures;
    if (first === undefined || second === undefined || flooded === undefined) return [];
    const method = `${RECORDS} kernel records of facility 0 (2 % known), at most ${(BATCH * 1000) / BUSY} a second, through a pipe in place of /dev/kmsg, then ${SETTLED_AFTER / 1000} s of calm; no hardware inventory; before them ${atStart.resident.toFixed(1)} MB resident, ${atStart.anonymous.toFixed(1)} MB anonymous`;
    const node = "bare node, idle";
    return [
      {
        part: "memory",
        what: "resident, after a million records",
        unit: "MB",
        runs: [first.resident],
        limit: { bound: "at most", value: 64 },
        yardstick: { what: node, value: yardstick.resident, unit: "MB" },
        method,
      },
      {
        part: "memory",
        what: "private (anonymous), after a million records",
        unit: "MB",
        runs: [first.anonymous],
        limit: { bound: "at most", value: 18 },
        yardstick: { what: node, value: yardstick.anonymous, unit: "MB" },
        method: `RssAnon; private pages with those of files (smaps_rollup): ${first.private.toFixed(1)} MB, of bare node ${yardstick.private.toFixed(1)}; PSS ${first.proportional.toFixed(1)} MB`,
      },
      {
        part: "memory",
        what: "growth from one million records to two",
        unit: "MB",
        runs: [second.anonymous - first.anonymous],
        limit: { bound: "at most", value: 1 },
        method: `flat: resident from ${first.resident.toFixed(1)} to ${second.resident.toFixed(1)} MB`,
      },
      {
        part: "memory",
        what: "resident, after a third million at full speed",
        unit: "MB",
        runs: [flooded.resident],
        yardstick: { what: node, value: yardstick.resident, unit: "MB" },
        method: `a flood brings V8's optimizing compiler into memory, pages of the node binary that every Node process shares; anonymous ${flooded.anonymous.toFixed(1)} MB`,
      },
    ];
  } finally {
    bare.kill();
  }
}

async function floodWith(host: BenchHost, count: number, pause: number): Promise<void> {
  let batch: string[] = [];
  for (const text of mixedTexts(shippedCatalogue(), count)) {
    batch.push(text);
    if (batch.length < BATCH) continue;
    host.writeKernelRecords(batch);
    batch = [];
    // libvirtd's stand-in lives in this process and has to answer.
    await sleep(pause);
  }
  host.writeKernelRecords(batch);
}

/** Processor time and disk while nothing happens. */
export async function measureIdle(
  host: BenchHost,
  service: BenchService,
  seconds: number,
): Promise<readonly BudgetRow[]> {
  const files = [host.database, `${host.database}-wal`];
  const look = () =>
    files
      .map((file) => (existsSync(file) ? statSync(file) : undefined))
      .map((stat) => `${stat?.size} ${stat?.mtimeMs}`)
      .join(", ");
  const filesBefore = look();
  const writtenBefore = bytesWrittenBy(service.pid);
  const cpuBefore = processorSecondsOf(service.pid);
  const wakeUpsBefore = wakeUpsOf(service.pid);
  await sleep(seconds * 1000);
  const cpu = processorSecondsOf(service.pid) - cpuBefore;
  const wakeUps = wakeUpsOf(service.pid) - wakeUpsBefore;
  const written = bytesWrittenBy(service.pid) - writtenBefore;
  const touched = look() === filesBefore ? 0 : 1;
  return [
    {
      part: "idle",
      what: `processor time over ${seconds} s`,
      unit: "% of a core",
      runs: [(cpu / seconds) * 100],
      limit: { bound: "at most", value: 0.05 },
      method: `service and its children, every thread, by the scheduler's count; ${(wakeUps / seconds).toFixed(2)} wake-ups a second`,
    },
    {
      part: "disk",
      what: `bytes written in ${seconds} idle seconds`,
      unit: "bytes",
      runs: [written],
      limit: { bound: "at most", value: 0 },
      method: "write_bytes of /proc/PID/io; the state for `status` lies in memory",
    },
    {
      part: "disk",
      what: "history or its log touched while idle",
      unit: "times",
      runs: [touched],
      limit: { bound: "at most", value: 0 },
      method: "size and modification time of the database and its -wal",
    },
  ];
}

/** Kernel record → stored, seen from another process as a reader of the database would. */
export async function measureRecordToStored(host: BenchHost): Promise<readonly BudgetRow[]> {
  const floor = await pipeFloor(host.directory);
  const database = new Database(host.database, { readonly: true });
  const count = database.prepare<[], number>("SELECT coalesce(sum(count), 0) FROM sighting").pluck();
  const known = knownTexts(shippedCatalogue());
  const rounds: number[] = [];
  try {
    for (let round = 0; round < 3; round++) {
      const times: number[] = [];
      for (let index = 0; index < LATENCIES; index++) {
        const before = count.get() ?? 0;
        // At no fixed distance from the service's own timers.
        await sleep(5 + ((index * 7) % 60));
        const began = performance.now();
        host.writeKernelRecords([known[index % known.length] ?? ""]);
        while ((count.get() ?? 0) <= before) {
          if (performance.now() - began > 5_000)
            throw new Error(`not stored: ${known[index % known.length]}`);
          await sleep(1);
        }
        times.push(performance.now() - began);
      }
      rounds.push(percentile(times, 0.99));
    }
  } finally {
    database.close();
  }
  return [
    {
      part: "delay",
      what: "kernel record → stored, p99",
      unit: "ms",
      runs: rounds,
      limit: { bound: "at most", value: 50 },
      yardstick: { what: "record → reader of a dd child, p99", value: floor, unit: "ms" },
      method: `the release with a pipe in place of /dev/kmsg (the kernel gives what programs write to the device facility 1, which is refused); from the write until another process reads the row, looked for every millisecond; 3 rounds of ${LATENCIES} records, one at a time`,
    },
  ];
}

/** What a pipe and dd cost alone. */
async function pipeFloor(directory: string): Promise<number> {
  const fifo = join(directory, "floor");
  spawnSync("mkfifo", [fifo]);
  const descriptor = openSync(fifo, constants.O_RDWR);
  const child = spawn("dd", [`if=${fifo}`, "bs=8192"], { stdio: ["ignore", "pipe", "ignore"] });
  const times: number[] = [];
  try {
    for (let index = 0; index <= LATENCIES; index++) {
      const arrived = new Promise((resolve) => child.stdout.once("data", resolve));
      await sleep(2);
      const began = performance.now();
      writeSync(descriptor, "record\n");
      await arrived;
      // The first waits for dd to start.
      if (index > 0) times.push(performance.now() - began);
    }
  } finally {
    child.kill();
    closeSync(descriptor);
  }
  return percentile(times, 0.99);
}

/** Last evidence → the channel's program runs. */
export async function measureAlert(host: BenchHost): Promise<readonly BudgetRow[]> {
  const times: number[] = [];
  for (let index = 0; index < ALERTS; index++) {
    const vm = `Alert ${index}`;
    appendFileSync(join(host.domainLogs, `${vm}.log`), failingStart(vm).slice(0, -1).join(""));
    await sleep(40 + ((index * 7) % 30));
    const before = alertsTold(host).length;
    const last = failingStart(vm).at(-1) ?? "";
    const began = Date.now();
    appendFileSync(join(host.domainLogs, `${vm}.log`), last);
    let told = alertsTold(host);
    while (told.length <= before) {
      if (Date.now() - began > 10_000) throw new Error(`no alert for ${vm}`);
      await sleep(5);
      told = alertsTold(host);
    }
    times.push((told.at(-1) ?? 0) * 1000 - began);
    // The alerts of one moment would queue behind one another.
    await sleep(20);
  }
  const thirds = [0, 1, 2].map((third) => percentile(times.slice(third * 10, third * 10 + 10), 0.9));
  const began = performance.now();
  spawnSync(join(host.directory, "channel"));
  const bare = performance.now() - began;
  writeFileSync(host.alertTimes, "");
  return [
    {
      part: "delay",
      what: "last evidence → channel invoked, p90",
      unit: "ms",
      runs: thirds,
      limit: { bound: "at most", value: 300 },
      yardstick: { what: "running the channel's program alone", value: bare, unit: "ms" },
      method: `${ALERTS} VMs fail, one after the other; from the append of the last line of the VM's log until the command of the channel, already running, takes the time; median ${median(times).toFixed(0)} ms, worst ${Math.max(...times).toFixed(0)} ms`,
    },
  ];
}

function alertsTold(host: BenchHost): readonly number[] {
  if (!existsSync(host.alertTimes)) return [];
  return readFileSync(host.alertTimes, "latin1").split("\n").filter(Boolean).map(Number);
}

/** What libvirt and QEMU write into a VM's log when its device is refused. */
export function failingStart(vm: string, at = Date.now()): readonly string[] {
  const time = new Date(at).toISOString();
  const stamp = `${time.slice(0, 10)} ${time.slice(11, 23)}+0000`;
  const arguments_ = Array.from(
    { length: 20 },
    (_, index) => `-device '{"driver":"pcie-root-port","port":${index}}' \\\n`,
  );
  return [
    `${stamp}: starting up libvirt version: 11.3.0, package: 11.3.0-3, qemu version: 10.0.13, kernel: 6.12.107, hostname: tower\n`,
    `LC_ALL=C \\\nPATH=/usr/sbin:/usr/bin \\\n/usr/bin/qemu-system-x86_64 \\\n-name 'guest=${vm},debug-threads=on' \\\n${arguments_.join("")}`,
    `-device '{"driver":"vfio-pci","host":"0000:02:00.0","id":"hostdev0","bus":"pci.1","addr":"0x0"}' \\\n-msg timestamp=on\n`,
    `${time.replace("Z", "000Z")} qemu-system-x86_64: -device {"driver":"vfio-pci","host":"0000:02:00.0","id":"hostdev0","bus":"pci.1","addr":"0x0"}: vfio 0000:02:00.0: failed to setup container for group 9: Failed to set group container: Invalid argument\n`,
    `${stamp}: shutting down, reason=failed\n`,
  ];
}

/** What an incident costs on the disk. */
export async function measureIncidents(
  host: BenchHost,
  service: BenchService,
): Promise<readonly BudgetRow[]> {
  const database = new Database(host.database, { readonly: true });
  const pages = () =>
    Number(database.pragma("page_count", { simple: true })) -
    Number(database.pragma("freelist_count", { simple: true }));
  const pageSize = Number(database.pragma("page_size", { simple: true }));
  const attempts = database
    .prepare<[], number>("SELECT count(*) FROM attempt WHERE outcome = 'failed'")
    .pluck();
  const pagesBefore = pages();
  const before = attempts.get() ?? 0;
  const writtenBefore = bytesWrittenBy(service.pid);
  for (let index = 0; index < INCIDENTS; index++) {
    const vm = `Incident ${index % 20}`;
    appendFileSync(join(host.domainLogs, `${vm}.log`), failingStart(vm).join(""));
    await sleep(25);
    // One VM is not started twice within its own start.
    if (index % 20 === 19) await sleep(500);
  }
  const began = performance.now();
  while ((attempts.get() ?? 0) < before + INCIDENTS) {
    if (performance.now() - began > 30_000)
      throw new Error(`${(attempts.get() ?? 0) - before} of ${INCIDENTS} failed starts were stored`);
    await sleep(100);
  }
  await sleep(2_000);
  const grown = ((pages() - pagesBefore) * pageSize) / INCIDENTS / 1024;
  const written = (bytesWrittenBy(service.pid) - writtenBefore) / INCIDENTS / 1024;
  database.close();
  return [
    {
      part: "disk",
      what: "history grows, for each incident",
      unit: "KB",
      runs: [grown],
      limit: { bound: "at most", value: 64 },
      method: `${INCIDENTS} failed starts of 20 VMs with their evidence, diagnosis and alerts; pages in use`,
    },
    {
      part: "disk",
      what: "written to the disk, for each incident",
      unit: "KB",
      runs: [written],
      limit: { bound: "at most", value: 64 },
      yardstick: { what: "growth of the history", value: grown, unit: "KB" },
      method:
        "write_bytes of /proc/PID/io over the same starts: every page that SQLite wrote to its log and back",
    },
  ];
}

/** The size cap while known lines, failed starts and alerts pour in. */
export async function measureCap(
  host: BenchHost,
  service: BenchService,
  capMegabytes: number,
): Promise<readonly BudgetRow[]> {
  const size = () =>
    [host.database, `${host.database}-wal`].reduce(
      (sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0),
      0,
    ) /
    1024 /
    1024;
  let peak = 0;
  let starts = 0;
  const began = performance.now();
  const long = "x".repeat(3_000);
  while (performance.now() - began < 45_000) {
    const now = Date.now();
    for (let vm = 0; vm < 20; vm++) {
      const lines = [...failingStart(`Flood ${vm}`, now)];
      // Evidence that does not collapse: each line is another.
      const noise = Array.from(
        { length: 30 },
        (_, index) =>
          `${new Date(now).toISOString().replace("Z", "000Z")} qemu-system-x86_64: warning: ${starts} ${index} ${long}\n`,
      );
      lines.splice(4, 0, ...noise);
      appendFileSync(join(host.domainLogs, `Flood ${vm}.log`), lines.join(""));
      starts += 1;
    }
    host.writeKernelRecords([...mixedTexts(shippedCatalogue(), 2_000)]);
    await sleep(400);
    peak = Math.max(peak, size());
  }
  await sleep(35_000);
  const database = new Database(host.database, { readonly: true });
  const stored = database.prepare<[], number>("SELECT count(*) FROM attempt").pluck().get() ?? 0;
  database.close();
  await service.stop();
  return [
    {
      part: "disk",
      what: `history after a flood, cap of ${capMegabytes} MB`,
      unit: "MB",
      runs: [size()],
      limit: { bound: "at most", value: capMegabytes * 1.1 },
      yardstick: { what: "largest during the flood, with its log", value: peak, unit: "MB" },
      method: `${starts} failed starts of 20 VMs with 100 KB of evidence each in 45 s; ${stored} starts are still stored; retention comes forward at 1.1 times the cap, looked at every 15 s`,
    },
  ];
}
