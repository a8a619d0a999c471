import { type Clock, steadyNow } from "../clock.ts";
import type { FleetState } from "../fleet/job.ts";
import type { BootId } from "../model/identifiers.ts";
import type { Source } from "../model/source.ts";
import type { StoreTrouble } from "../store/refusal.ts";
import type { ServiceLog } from "./log.ts";
import {
  processBeginning,
  type RuntimeState,
  removeRuntimeFile,
  runtimeDirectory,
  stateFile,
  writeRuntimeState,
} from "./runtime-state.ts";

/** How often the state is refreshed while nothing changes (ms). It lies in memory, so no disk wakes for it. */
const TURN = 15_000;

/** Keeps what `vfio-watch status` reads up to date. */
export interface StateWriter {
  write(): void;
  /** One line a source: what it sees, or what is missing and what it would take. */
  describe(): readonly string[];
  /** Whether the loop has turned lately. */
  isFresh(): boolean;
  stop(): void;
}

/** Makes the writer, which writes at once and at each turn; `onTurn` hangs other seldom work on the same timer. */
export function createStateWriter(options: {
  readonly clock: Clock;
  readonly environment: NodeJS.ProcessEnv;
  readonly log: ServiceLog;
  readonly fixed: {
    readonly version: string;
    readonly bootId: BootId;
    readonly startedAt: number;
    readonly database: string;
  };
  /** `startedAt` by the clock that nobody sets. */
  readonly startedSteady: number;
  readonly sources: readonly Source[];
  readonly problems: () => readonly string[];
  readonly troubles: () => readonly StoreTrouble[];
  readonly fleet: () => FleetState | undefined;
  readonly lastObservationAt: () => number | undefined;
  readonly onTurn: () => void;
}): StateWriter {
  const { clock, log } = options;
  const file = stateFile(runtimeDirectory(options.environment));
  const processBegan = processBeginning(process.pid);
  let lastTurn = steadyNow(clock);
  let isStopped = false;

  function state(): RuntimeState {
    const { rss, heapUsed } = process.memoryUsage();
    return {
      ...options.fixed,
      pid: process.pid,
      processBegan,
      writtenAt: clock.now(),
      steady: { startedAt: options.startedSteady, writtenAt: steadyNow(clock) },
      sources: options.sources.map((source) => source.health()),
      problems: options.problems(),
      troubles: options.troubles(),
      fleet: options.fleet(),
      lastObservationAt: options.lastObservationAt(),
      memory: { rssBytes: rss, heapBytes: heapUsed },
    };
  }

  function turn(): void {
    if (isStopped) return;
    lastTurn = steadyNow(clock);
    options.onTurn();
    writeRuntimeState(file, state());
    clock.after(TURN, turn);
  }

  const problem = writeRuntimeState(file, state());
  if (problem !== undefined) log.warn(`'vfio-watch status' will not see the sources: ${problem}`);
  for (const sentence of options.problems()) log.warn(sentence);
  clock.after(TURN, turn);

  return {
    write: () => void writeRuntimeState(file, state()),
    describe: () => options.sources.map(describeSource),
    isFresh: () => steadyNow(clock) - lastTurn <= TURN * 2,
    stop() {
      isStopped = true;
      removeRuntimeFile(file);
    },
  };
}

function describeSource(source: Source): string {
  const { name, state } = source.health();
  switch (state.state) {
    case "live":
      return `${name}: ${state.detail}`;
    case "waiting":
      return `${name}: waiting: ${state.why}; ${state.remedy}`;
    default:
      return `${name}: ${state.state}`;
  }
}
