import { renameSync, rmSync, writeFileSync } from "node:fs";
import { type Clock, steadyNow } from "../clock.ts";
import type { ServiceLog } from "./log.ts";
import { printOnce } from "./print-once.ts";

/** Not more often than this a child reads them (ms). */
const PAUSE = 10_000;
/** While nothing changes the file is made anew so often (ms): its age tells a collector whether anybody still writes it. */
const REFRESH = 3_600_000;
/** One that failed is tried again after this (ms). */
const RETRY = 60_000;

/** What the file says once nobody watches any more; the rest cannot be known then. */
export const ENDED =
  "# HELP vfio_watch_up Whether the service runs.\n# TYPE vfio_watch_up gauge\nvfio_watch_up 0\n";
/** What changes all the time while nothing happens. */
const VOLATILE =
  /^vfio_watch_(?:resident_memory_bytes|last_observation_timestamp_seconds|observations_total|history_bytes)\b.*\n/gm;

/** Keeps a file for node_exporter's textfile collector, where one is set. */
export interface MetricsFile {
  /** Something changed that may show in it. */
  note(): void;
  /** Reads and writes where something is new. Cheap. */
  look(): void;
  /** Says in the file that nobody watches any more. */
  stop(): void;
}

/**
 * Makes the keeper. What the file holds takes the history and the host together, so a short-lived child reads it, and
 * it is written only where it says something else than before. `command` is the program and its arguments.
 */
export function createMetricsFile(options: {
  readonly file: () => string;
  readonly clock: Clock;
  readonly log: Pick<ServiceLog, "warn">;
  readonly command: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** The service's run-time directory. */
  readonly directory: string;
  /** What the service itself sees of its health; when that changes, the file does. */
  readonly health: () => string;
  /** Runs the command; tests bring their own. */
  readonly print?: typeof printOnce;
}): MetricsFile {
  const { clock, log, file, print = printOnce } = options;
  let isDue = true;
  let notBefore = Number.NEGATIVE_INFINITY;
  let stopChild: (() => void) | undefined;
  let isStopped = false;
  let health = "";
  let written: { readonly file: string; readonly text: string; readonly at: number } | undefined;
  let told = "";

  function take(text: string, place: string): string | undefined {
    const isOld = written === undefined || steadyNow(clock) - written.at >= REFRESH;
    const isSame = written?.file === place && steadyPart(written.text) === steadyPart(text);
    if (isSame && !isOld) return undefined;
    const problem = replace(place, text);
    if (problem === undefined) written = { file: place, text, at: steadyNow(clock) };
    return problem;
  }

  return {
    note() {
      isDue = true;
    },
    look() {
      const place = file();
      if (place === "" || isStopped || stopChild !== undefined || steadyNow(clock) < notBefore) return;
      const now = options.health();
      const isOld = written === undefined || steadyNow(clock) - written.at >= REFRESH;
      if (!isDue && !isOld && now === health && written?.file === place) return;
      [isDue, health] = [false, now];
      const { made, stop } = print({ ...options, name: "status --metrics" });
      stopChild = stop;
      void made.then((printed) => {
        stopChild = undefined;
        if (isStopped) return;
        const problem = "why" in printed ? printed.why : take(printed.text, place);
        notBefore = steadyNow(clock) + (problem === undefined ? PAUSE : RETRY);
        if (problem === undefined) told = "";
        else {
          isDue = true;
          if (problem !== told) log.warn(`the metrics in ${place} are not up to date: ${problem}`);
          told = problem;
        }
      });
    },
    stop() {
      if (isStopped) return;
      isStopped = true;
      stopChild?.();
      if (written !== undefined) replace(written.file, ENDED);
    },
  };
}

/** By this is told whether it is worth writing. */
function steadyPart(metrics: string): string {
  return metrics.replace(VOLATILE, "");
}

/** In one step, and readable for a collector that runs as somebody else; returns why it could not. */
function replace(file: string, text: string): string | undefined {
  const temporary = `${file}.new`;
  try {
    // What lies there, be it a link, is not written through.
    rmSync(temporary, { force: true });
    writeFileSync(temporary, text, { mode: 0o644, flag: "wx" });
    renameSync(temporary, file);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
