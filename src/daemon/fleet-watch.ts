import { retryDelay } from "../alerts/back-off.ts";
import { runProgram } from "../alerts/run-program.ts";
import { type Clock, steadyNow } from "../clock.ts";
import type { Config } from "../config.ts";
import type { FleetJob, FleetResult, FleetState } from "../fleet/job.ts";
import { parseServer, serverName } from "../fleet/server.ts";
import { verdictsFileOf } from "../fleet/verdict-cache.ts";
import type { ServiceLog } from "./log.ts";

/** Not more often than this a child is started (ms). */
const INTERVAL = 60_000;
/** A long history that is new to the server takes minutes (ms). */
const LIMIT = 600_000;
const STATEMENT_LIMIT = 120_000;
const LONGEST_ANSWER = 262_144;
/** Beyond the time in which a VM that dies crashed early (ms). */
const MARGIN = 30_000;

/** Sends what is new to the fleet, where there is one: each time by a child, which alone loads the client. */
export interface FleetWatch {
  /** There is something new. */
  note(): void;
  /** Starts a child where something is new and it is time. Cheap. */
  look(): void;
  /** Settings have changed. */
  reconfigure(): void;
  /** Undefined where the host is of no fleet. */
  state(): FleetState | undefined;
  stop(): void;
}

type FleetConfig = Pick<
  Config,
  | "FLEET_URL"
  | "FLEET_PASSWORD"
  | "FLEET_HOST_LABEL"
  | "FLEET_CLUSTER"
  | "FLEET_SHARE"
  | "CRASH_EARLY_MINUTES"
  | "SETTLING_SECONDS"
>;

export interface FleetWatchOptions {
  readonly config: () => FleetConfig;
  readonly clock: Clock;
  readonly log: Pick<ServiceLog, "info" | "warn">;
  readonly database: string;
  readonly version: string;
  readonly machine: string;
  /** The board's name, for its verdicts. */
  readonly board: () => string | undefined;
  /** Has a child do the job; tests bring their own. */
  readonly run?: (job: FleetJob, signal: AbortSignal) => Promise<FleetResult>;
}

/** Makes the watch. What an earlier run left unsent is not known, so the first look is always worth a child. */
export function createFleetWatch(options: FleetWatchOptions): FleetWatch {
  const { clock, log, config } = options;
  const run = options.run ?? ((job, signal) => runFleetChild(job, clock, signal));
  const ending = new AbortController();
  let isNew = true;
  let isRunning = false;
  let failures = 0;
  /** Steady time before which no child is started. */
  let notBefore = 0;
  let last: Omit<FleetState, "server"> = NOTHING_YET;
  let toldError: string | undefined;

  function jobNow(): FleetJob | { readonly problem: string } | undefined {
    const own = config();
    if (own.FLEET_URL === undefined) return undefined;
    const parsed = parseServer(own.FLEET_URL, own.FLEET_PASSWORD);
    if ("problem" in parsed) return parsed;
    return {
      server: parsed.server,
      database: options.database,
      verdictsFile: verdictsFileOf(options.database),
      board: options.board(),
      what: "export",
      share: own.FLEET_SHARE,
      label: own.FLEET_HOST_LABEL,
      cluster: own.FLEET_CLUSTER,
      machine: options.machine,
      version: options.version,
      goodAfterMs: own.CRASH_EARLY_MINUTES * 60_000 + own.SETTLING_SECONDS * 1000 + MARGIN,
      limitMs: STATEMENT_LIMIT,
    };
  }

  function failed(error: string, needsPerson: boolean): void {
    // Doubling from the interval; where a person has to act from ten minutes.
    const wait = Math.max(
      INTERVAL,
      retryDelay(failures + 4, Math.random(), needsPerson ? { needsPerson } : {}),
    );
    failures += 1;
    isNew = true;
    notBefore = steadyNow(clock) + wait;
    last = { ...last, lastError: error, retryAt: clock.now() + wait };
    if (toldError !== error) log.warn(`nothing could be sent to the fleet: ${error}`);
    toldError = error;
  }

  function done({ exported, position, waiting, nextMs }: Extract<FleetResult, { state: "done" }>): void {
    if (toldError !== undefined) log.info("the fleet's server takes starts again");
    [failures, toldError] = [0, undefined];
    last = { position, waiting, exportedAt: clock.now(), lastError: undefined, retryAt: undefined };
    if (exported > 0) log.info("sent to the fleet", { starts: exported });
    if (nextMs !== undefined) clock.after(nextMs, () => note());
  }

  function note(): void {
    isNew = true;
  }

  function look(): void {
    if (!isNew || isRunning || ending.signal.aborted || steadyNow(clock) < notBefore) return;
    const job = jobNow();
    if (job === undefined) return;
    if ("problem" in job) {
      failed(job.problem, true);
      return;
    }
    [isNew, isRunning] = [false, true];
    notBefore = steadyNow(clock) + INTERVAL;
    void run(job, ending.signal).then((result) => {
      isRunning = false;
      if (ending.signal.aborted) return;
      if (result.state === "done") done(result);
      else failed(result.error, result.needsPerson);
    });
  }

  return {
    note,
    look,
    reconfigure() {
      [isNew, notBefore, failures] = [true, 0, 0];
    },
    state() {
      const { FLEET_URL: url, FLEET_PASSWORD: password } = config();
      if (url === undefined) return undefined;
      const parsed = parseServer(url, password);
      return "problem" in parsed
        ? { server: url.host, ...NOTHING_YET, lastError: parsed.problem }
        : { server: serverName(parsed.server), ...last };
    },
    stop: () => ending.abort(),
  };
}

const NOTHING_YET: Omit<FleetState, "server"> = {
  position: undefined,
  waiting: undefined,
  exportedAt: undefined,
  lastError: undefined,
  retryAt: undefined,
};

/**
 * How Node runs the child. V8 doubles the space for young objects under load, and here nearly all of them die young: a long
 * history took 123 MB instead of 98.
 */
export function fleetChildArguments(script: string): readonly string[] {
  return ["--max-semi-space-size=2", script, "fleet-child"];
}

/** Has a child of this program do the job. Never rejects. */
export async function runFleetChild(
  job: FleetJob,
  clock: Clock,
  signal: AbortSignal,
  timeLimitMs = LIMIT,
): Promise<FleetResult> {
  const [, script = ""] = process.argv;
  const ended = await runProgram({
    program: process.execPath,
    arguments: fleetChildArguments(script),
    input: JSON.stringify(job),
    outputLimit: LONGEST_ANSWER,
    timeLimitMs,
    ...{ clock, signal, onAbort: "end-it" },
  });
  const failure = (error: string): FleetResult => ({ state: "failed", error, needsPerson: false });
  switch (ended.end) {
    case "exited":
      return resultIn(ended.output) ?? failure(`the fleet child ended with code ${ended.code}`);
    case "killed":
      return failure(`the fleet child was ended by ${ended.by}`);
    case "too-long":
      return failure(`the server was not done within ${timeLimitMs / 1000} s`);
    case "aborted":
      return failure("it was not waited for, the service was ending");
    case "not-started":
      return failure(`the fleet child could not be run (${ended.code})`);
  }
}

function resultIn(output: string): FleetResult | undefined {
  try {
    const result = JSON.parse(output) as FleetResult;
    return result.state === "done" || result.state === "failed" ? result : undefined;
  } catch {
    return undefined;
  }
}
