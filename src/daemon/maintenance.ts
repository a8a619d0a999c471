import { type ScheduledTask, schedule } from "node-cron";
import type { Config } from "../config.ts";
import type { Store } from "../store/store.ts";
import type { ServiceLog } from "./log.ts";

const DAY = 86_400_000;
const MEGABYTE = 1024 * 1024;
/** A flood can fill the history between two scheduled times; this much over the cap brings retention forward. */
const OVERFULL = 1.1;

/** What is done on a schedule: retention, and reading the facts again. */
export interface Maintenance {
  reschedule(config: Config): void;
  /** Brings retention forward when the history has outgrown its cap. Cheap when it has not. */
  guardSize(): void;
  /** Whether retention has to wait: somebody takes older material in, of which nothing may be dropped in the middle. */
  hold(isHeld: boolean): void;
  stop(): void;
}

/** Makes the schedules. `snapshot` takes the facts. */
export function createMaintenance(options: {
  readonly config: Config;
  readonly log: ServiceLog;
  readonly store: Store;
  readonly now: () => number;
  readonly snapshot: () => void;
}): Maintenance {
  const { log, store, now } = options;
  let config = options.config;
  let tasks: readonly ScheduledTask[] = [];
  let isHeld = false;
  let isDue = false;
  let isRunning = false;
  let isStopped = false;

  function prune(): void {
    isDue = isHeld;
    if (isHeld || isRunning) return;
    isRunning = true;
    let rows = 0;
    const limits = {
      now: now(),
      maxAgeMs: config.RETENTION_DAYS * DAY,
      maxBytes: config.RETENTION_MEGABYTES * MEGABYTE,
    };
    const end = () => {
      isRunning = false;
      if (rows > 0) log.info("old history removed", { rows });
    };
    // One bounded step a turn of the loop, so that a start that fails meanwhile is not kept waiting.
    const step = () => {
      if (isHeld) isDue = true;
      if (isHeld || isStopped) return end();
      const { done, dropped } = store.prune(limits);
      rows += Object.values(dropped).reduce((sum, count) => sum + count, 0);
      if (done) end();
      else setImmediate(step);
    };
    step();
  }

  function reschedule(next: Config): void {
    config = next;
    for (const task of tasks) void task.stop();
    tasks = [
      ...(config.PRUNE_SCHEDULE === undefined ? [] : [schedule(config.PRUNE_SCHEDULE, prune)]),
      ...(config.SNAPSHOT_SCHEDULE === undefined
        ? []
        : [schedule(config.SNAPSHOT_SCHEDULE, options.snapshot)]),
    ];
  }

  reschedule(config);
  return {
    reschedule,
    guardSize() {
      if (store.bytes() > config.RETENTION_MEGABYTES * MEGABYTE * OVERFULL) prune();
    },
    hold(held) {
      isHeld = held;
      if (!held && isDue) prune();
    },
    stop() {
      isStopped = true;
      for (const task of tasks) void task.stop();
    },
  };
}
