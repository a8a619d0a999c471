import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { askService } from "../../src/control/client.ts";
import type { BenchHost, BenchService } from "./bench-service.ts";
import type { BudgetRow } from "./budget.ts";
import { failingStart } from "./measure-running.ts";
import { memoryOf } from "./process-figures.ts";

const VMS = 150;
const STARTS = 1_585;
const PING_EVERY = 20;
const PATIENCE = 120_000;
const CALM = 22_000;
const AT_ONCE = 500;

/** 1 585 failed starts of 150 VMs at one moment, beside a kernel log at full speed; then 500 VMs at once. */
export async function measureStorm(host: BenchHost, service: BenchService): Promise<readonly BudgetRow[]> {
  const method = `${STARTS} failed starts of ${VMS} VMs appended to their logs at one moment, while a process writes kernel records (2 % known) as fast as they are read`;
  const flood = startFlood(host);
  const watched = watch(host, service);
  await sleep(2_000);
  const alertsBefore = alerts(host);
  const began = performance.now();
  appendStarts(host, VMS, STARTS);
  const settled = await untilSettled(host, STARTS, began);
  const alertsAfter = alerts(host);
  await stopFlood(flood);
  const storm = watched.stop();
  await sleep(CALM);
  const after = memoryOf(service.pid);
  const second = watch(host, service);
  appendStarts(host, AT_ONCE, AT_ONCE, "Many");
  const all = await untilSettled(host, STARTS + AT_ONCE, performance.now());
  const many = second.stop();
  await sleep(CALM);
  const atRest = memoryOf(service.pid);
  const row = (
    what: string,
    unit: string,
    value: number,
    limit: BudgetRow["limit"] | undefined,
    how = method,
  ): BudgetRow => ({ part: "storm", what, unit, runs: [value], ...(limit && { limit }), method: how });
  const most = (value: number) => ({ bound: "at most", value }) as const;
  const pinged = `the longest answer of the control socket, asked every ${PING_EVERY} ms from another process`;
  return [
    row("failed starts settled", "a second", (settled.starts / settled.ms) * 1000, {
      ...{ bound: "at least", value: 300 },
    }),
    row(`of ${STARTS} settled within ${PATIENCE / 1000} s`, "starts", settled.starts, {
      ...{ bound: "at least", value: STARTS },
    }),
    row("loop blocked, at the longest", "ms", storm.longestMs, most(100), pinged),
    row("alerts that left meanwhile", "alerts", alertsAfter - alertsBefore, { bound: "at least", value: 1 }),
    row("resident during it, at the most", "MB", storm.mostMemory, most(96)),
    row("resident after it", "MB", after.resident, most(64), `after ${CALM / 1000} s of calm`),
    row(
      `${AT_ONCE} VMs fail at once: settled`,
      "a second",
      ((all.starts - settled.starts) / all.ms) * 1000,
      undefined,
      "no flood",
    ),
    row(`${AT_ONCE} VMs fail at once: loop blocked`, "ms", many.longestMs, most(100), pinged),
    row(`${AT_ONCE} VMs fail at once: resident`, "MB", many.mostMemory, most(96), "the most while it lasts"),
    row(`${AT_ONCE} VMs fail at once: resident after it`, "MB", atRest.resident, most(64), "22 s later"),
  ];
}

/** SIGTERM in the middle of the storm: how long until the process is gone, with everything stored. */
export async function measureStormEnd(host: BenchHost, service: BenchService): Promise<readonly BudgetRow[]> {
  const flood = startFlood(host);
  await sleep(1_000);
  appendStarts(host, VMS, STARTS);
  await sleep(700);
  const began = performance.now();
  await service.stop();
  const ms = performance.now() - began;
  await stopFlood(flood);
  return [
    {
      part: "storm",
      what: "SIGTERM in the middle of it → gone",
      unit: "ms",
      runs: [ms],
      limit: { bound: "at most", value: 2_000 },
      method: "0.7 s after 1 585 failed starts were appended beside a kernel log at full speed",
    },
  ];
}

export function startFlood(host: BenchHost): ChildProcess {
  const writer = fileURLToPath(new URL("flood-writer.ts", import.meta.url));
  const child = spawn(process.execPath, [writer, host.kernelLog, String(host.nextSequence())], {
    stdio: "ignore",
  });
  process.once("exit", () => child.kill("SIGKILL"));
  return child;
}

export async function stopFlood(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

/** Each VM fails again and again, a second apart, until now. */
export function appendStarts(host: BenchHost, vms: number, starts: number, name = "Storm"): void {
  const now = Date.now();
  const each = Math.ceil(starts / vms);
  let left = starts;
  for (let vm = 0; vm < vms && left > 0; vm += 1) {
    const count = Math.min(each, Math.ceil(left / (vms - vm)));
    left -= count;
    const text = Array.from({ length: count }, (_, index) =>
      failingStart(`${name} ${vm}`, now - (count - index) * 1_000).join(""),
    ).join("");
    appendFileSync(join(host.domainLogs, `${name} ${vm}.log`), text);
  }
}

/** Waits until so many have, and no longer than there is patience for: the other figures are wanted all the same. */
async function untilSettled(
  host: BenchHost,
  wanted: number,
  began: number,
): Promise<{ readonly starts: number; readonly ms: number }> {
  const database = new Database(host.database, { readonly: true });
  const settled = database
    .prepare<[], number>("SELECT count(*) FROM attempt WHERE outcome = 'failed'")
    .pluck();
  try {
    for (;;) {
      const starts = settled.get() ?? 0;
      const ms = performance.now() - began;
      if (starts >= wanted || ms > PATIENCE) return { starts, ms };
      await sleep(50);
    }
  } finally {
    database.close();
  }
}

/** Asks the service all the time, as another process: how long it does not answer, so long its loop is blocked. */
export function watch(host: BenchHost, service: BenchService) {
  let isOver = false;
  let longestMs = 0;
  let mostMemory = 0;
  const ping = async () => {
    while (!isOver) {
      const began = performance.now();
      await askService(host.runtime, { ask: "status", history: host.database }, PATIENCE);
      longestMs = Math.max(longestMs, performance.now() - began);
      mostMemory = Math.max(mostMemory, memoryOf(service.pid).resident);
      await sleep(PING_EVERY);
    }
  };
  void ping();
  return {
    stop() {
      isOver = true;
      return { longestMs, mostMemory };
    },
  };
}

function alerts(host: BenchHost): number {
  return existsSync(host.alertTimes) ? readFileSync(host.alertTimes, "latin1").split("\n").length - 1 : 0;
}
