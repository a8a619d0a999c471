import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { uptime } from "node:os";
import { dirname, join } from "node:path";
import { systemClock } from "../clock.ts";
import { ownDirectory, ownershipProblem } from "../control/place.ts";
import type { FleetState } from "../fleet/job.ts";
import type { SourceHealth } from "../model/source.ts";
import type { StoreTrouble } from "../store/refusal.ts";

/** The service writes its state every 15 seconds; after so long without it (ms) it is stuck. */
export const STUCK_AFTER = 90_000;

/**
 * What the running service says of itself, for `vfio-watch status`. It lies in a directory in memory (`/run`), so
 * that keeping it fresh never touches a disk, and it names the process, so that a stale file fools nobody.
 */
export interface RuntimeState {
  readonly version: string;
  readonly pid: number;
  /** When the process began, in the kernel's words: after a power cut another one may have the same number. */
  readonly processBegan?: string | undefined;
  readonly bootId: string | undefined;
  readonly startedAt: number;
  readonly writtenAt: number;
  /** Both by the clock that nobody sets (`Clock.steady`). */
  readonly steady?: { readonly startedAt: number; readonly writtenAt: number } | undefined;
  readonly database: string;
  readonly sources: readonly SourceHealth[];
  /** Sentences about what does not work, e.g. a setting that is not understood. */
  readonly problems: readonly string[];
  /** The history's own troubles that last: those that keep it from being written cannot be read in it. */
  readonly troubles?: readonly StoreTrouble[] | undefined;
  /** How the export to a fleet fares; undefined where the host is of none. */
  readonly fleet?: FleetState | undefined;
  /** When the last observation arrived; undefined before the first. */
  readonly lastObservationAt: number | undefined;
  readonly memory: { readonly rssBytes: number; readonly heapBytes: number };
}

/** The directory for run-time files: systemd's, else `/run/vfio-watch`, else one of the user's own. */
export function runtimeDirectory(env: NodeJS.ProcessEnv): string {
  if (env.VFIO_WATCH_RUNTIME_DIRECTORY) return env.VFIO_WATCH_RUNTIME_DIRECTORY;
  if (env.RUNTIME_DIRECTORY) return env.RUNTIME_DIRECTORY;
  if (process.getuid?.() === 0) return "/run/vfio-watch";
  return env.XDG_RUNTIME_DIR
    ? join(env.XDG_RUNTIME_DIR, "vfio-watch")
    : join("/tmp", `vfio-watch-${process.getuid?.() ?? 0}`);
}

/**
 * Whether a service may run of which this user can see nothing: root's own directory is for root alone. Who names the
 * directory asks for that service, and not for root's.
 */
export function mayBeHidden(
  env: NodeJS.ProcessEnv,
  uid = process.getuid?.() ?? 0,
  rootsOwn = "/run/vfio-watch",
): boolean {
  const isNamed = Boolean(env.VFIO_WATCH_RUNTIME_DIRECTORY || env.RUNTIME_DIRECTORY);
  return uid !== 0 && !isNamed && existsSync(rootsOwn);
}

/** Path of the state file in a run-time directory. */
export function stateFile(directory: string): string {
  return join(directory, "state.json");
}

/** Writes the state. Returns why it could not, if it could not. */
export function writeRuntimeState(file: string, state: RuntimeState): string | undefined {
  return writeRuntimeFile(file, `${JSON.stringify(state)}\n`);
}

/**
 * Writes a file of the run-time directory in one step, so that no reader sees half of it. Returns why it could not, if it
 * could not.
 */
export function writeRuntimeFile(file: string, text: string): string | undefined {
  try {
    const problem = ownDirectory(dirname(file));
    if (problem !== undefined) return problem;
    const temporary = `${file}.new`;
    // What lies there, be it a link that somebody put there before the directory was ours, is not written through.
    rmSync(temporary, { force: true });
    writeFileSync(temporary, text, { mode: 0o600, flag: "wx" });
    renameSync(temporary, file);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Removes a file of the run-time directory at a clean end. */
export function removeRuntimeFile(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // Something else is in its place, which was told when it could not be written.
  }
}

/** Tells the process with this number from every other that has had it, or will; undefined where there is none. */
export function processBeginning(pid: number): string | undefined {
  try {
    // The name in the second field may hold anything, brackets too. The 22nd is the start in ticks since boot.
    const [, rest = ""] = /^.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, "latin1")) ?? [];
    return rest.split(" ")[19];
  } catch {
    return undefined;
  }
}

/** The machine's clocks at one moment. */
interface Clocks {
  readonly now: number;
  readonly steady: number;
  /** How long the machine slept in this boot (ms), while the steady clock stood still. */
  readonly slept: number;
}

function clocksNow(): Clocks {
  const steady = systemClock.steady?.() ?? 0;
  // CLOCK_BOOTTIME, which runs on in a sleep; inside a container lxcfs may count from its beginning instead.
  return { now: systemClock.now(), steady, slept: Math.max(0, uptime() * 1000 - steady) };
}

/**
 * What a service left about itself, and whether its process still runs; undefined where there is nothing, or nothing
 * that a service wrote. Of one that runs the times are those that the wall clock of now gives them: it may have been set
 * since they were written down.
 */
export function readRuntimeState(
  file: string,
): { readonly state: RuntimeState; readonly running: boolean } | undefined {
  try {
    if (ownershipProblem(dirname(file)) !== undefined) return undefined;
    const state: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (!isRuntimeState(state)) return undefined;
    const running = isRunning(state);
    return { state: running ? onWallClockOfNow(state, clocksNow()) : state, running };
  } catch {
    return undefined;
  }
}

function onWallClockOfNow(state: RuntimeState, clocks: Clocks): RuntimeState {
  const { steady, startedAt, writtenAt, sources } = state;
  return {
    ...state,
    startedAt: placed(startedAt, steady?.startedAt, clocks),
    writtenAt: placed(writtenAt, steady?.writtenAt, clocks),
    sources: sources.map((source) =>
      source.lastSeenAt === undefined
        ? source
        : { ...source, lastSeenAt: placed(source.lastSeenAt, source.lastSeenSteady, clocks) },
    ),
  };
}

/** Clocks are read one after the other, and NTP slews them (ms). */
const TOLERANCE = 2_000;

/** A wall time stays what it is where it can be true: as long ago as the machine was awake since, or asleep as well. */
function placed(at: number, steady: number | undefined, clocks: Clocks): number {
  if (steady === undefined) return at;
  const awake = clocks.steady - steady;
  const age = clocks.now - at;
  const canBe = age >= awake - TOLERANCE && age <= awake + clocks.slept + TOLERANCE;
  return canBe ? at : clocks.now - awake;
}

function isRuntimeState(value: unknown): value is RuntimeState {
  const { pid, startedAt, writtenAt, sources, problems, memory } = (value ?? {}) as Partial<RuntimeState>;
  return (
    [pid, startedAt, writtenAt, memory?.rssBytes].every(Number.isFinite) &&
    Array.isArray(sources) &&
    Array.isArray(problems)
  );
}

function isRunning({ pid, processBegan }: RuntimeState): boolean {
  const begun = processBeginning(pid);
  // /proc may be mounted so that it hides what belongs to others (hidepid).
  if (begun !== undefined && processBegan !== undefined) return begun === processBegan;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
