import { dirname, join } from "node:path";
import { type Clock, steadyNow } from "../clock.ts";
import type { ServiceLog } from "./log.ts";
import { printOnce } from "./print-once.ts";
import { removeRuntimeFile, writeRuntimeFile } from "./runtime-state.ts";

/** What happens in a burst (a start, its devices, its failure) is one look (ms). */
const AFTER = 400;
/** At least so long between two looks (ms); a slow one makes it longer, so that a storm of starts stays cheap. */
const PAUSE = 3_000;
const PAUSE_PER_WORK = 4;
/** At most so long, which is also when one that failed is tried again (ms). */
const LONGEST_PAUSE = 60_000;

/** Path of the file in a run-time directory. */
export function overviewFile(directory: string): string {
  return join(directory, "overview.json");
}

/** Keeps the file that a web interface's tile and marks are drawn from. */
export interface OverviewKeeper {
  /** Something changed that may show in it. */
  note(): void;
  stop(): void;
}

/**
 * Makes the keeper. What the file holds is read by a short-lived child, because it takes the history, the catalogue and
 * the host together, which the service neither keeps in memory nor waits for. `command` is the program and its
 * arguments.
 */
export function createOverviewKeeper(options: {
  readonly clock: Clock;
  readonly log: ServiceLog;
  readonly file: string;
  readonly command: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
}): OverviewKeeper {
  const { clock, log, file } = options;
  let isDue = false;
  let isWorking = false;
  let notBefore = Number.NEGATIVE_INFINITY;
  let stopChild = () => {};
  let takeBack = () => {};
  let isStopped = false;
  let told = "";

  // One that was killed has left its own, and who knows how old that is.
  removeRuntimeFile(file);

  function plan(): void {
    takeBack();
    takeBack = clock.after(Math.max(AFTER, notBefore - steadyNow(clock)), work);
  }

  function work(): void {
    isDue = false;
    isWorking = true;
    const begun = steadyNow(clock);
    const { made, stop } = printOnce({ ...options, name: "page overview", directory: dirname(file) });
    stopChild = stop;
    void made.then((outcome) => {
      isWorking = false;
      stopChild = () => {};
      if (isStopped) return;
      const problem = "why" in outcome ? outcome.why : writeRuntimeFile(file, outcome.text);
      if (problem !== undefined && problem !== told)
        log.warn(`the Dashboard and the VMs tab are not up to date: ${problem}`);
      told = problem ?? "";
      const took = steadyNow(clock) - begun;
      const pause = Math.min(Math.max(PAUSE, took * PAUSE_PER_WORK), LONGEST_PAUSE);
      notBefore = steadyNow(clock) + (problem === undefined ? pause : LONGEST_PAUSE);
      isDue ||= problem !== undefined;
      if (isDue) plan();
    });
  }

  return {
    note() {
      if (isStopped || isDue) return;
      isDue = true;
      if (!isWorking) plan();
    },
    stop() {
      isStopped = true;
      takeBack();
      stopChild();
      removeRuntimeFile(file);
    },
  };
}
