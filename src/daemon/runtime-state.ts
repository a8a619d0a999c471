import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeDirectory } from "../make-directory.ts";
import type { SourceHealth } from "../model/source.ts";

/**
 * What the running service says of itself, for `vfio-watch status`. It lies in a directory in memory (`/run`), so
 * that keeping it fresh never touches a disk, and it names the process, so that a stale file fools nobody.
 */
export interface RuntimeState {
  readonly version: string;
  readonly pid: number;
  readonly bootId: string | undefined;
  readonly startedAt: number;
  readonly writtenAt: number;
  readonly database: string;
  readonly sources: readonly SourceHealth[];
  /** Sentences about what does not work, e.g. a setting that is not understood. */
  readonly problems: readonly string[];
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

/** Path of the state file in a run-time directory. */
export function stateFile(directory: string): string {
  return join(directory, "state.json");
}

/** Writes the state in one step, so that no reader sees half of it. Returns why it could not, if it could not. */
export function writeRuntimeState(file: string, state: RuntimeState): string | undefined {
  try {
    makeDirectory(dirname(file), 0o755);
    const temporary = `${file}.new`;
    writeFileSync(temporary, `${JSON.stringify(state)}\n`, { mode: 0o644 });
    renameSync(temporary, file);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Removes the state file at a clean end. */
export function removeRuntimeState(file: string): void {
  rmSync(file, { force: true });
}

/** What a service left about itself, and whether its process still runs; undefined where there is nothing. */
export function readRuntimeState(
  file: string,
): { readonly state: RuntimeState; readonly running: boolean } | undefined {
  try {
    const state = JSON.parse(readFileSync(file, "utf8")) as RuntimeState;
    return { state, running: isRunning(state.pid) };
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
