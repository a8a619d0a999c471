import { type ChildProcess, spawn } from "node:child_process";
import type { Clock } from "../clock.ts";

/** How a program ended. */
export type ProgramEnd =
  | { readonly end: "exited"; readonly code: number; readonly output: string }
  | { readonly end: "killed"; readonly by: string }
  /** It ran longer than the limit; it and what it started have been told to end. */
  | { readonly end: "too-long" }
  /** Nobody waits for it any more; whether it goes on is up to `onAbort`. */
  | { readonly end: "aborted" }
  | { readonly end: "not-started"; readonly code: string };

/** After a polite request to end, a program is made to end (ms). */
const POLITE = 2_000;

/**
 * Runs a program by argument vector, no shell; its output goes nowhere, for it may hold anything and nobody reads it,
 * unless `outputLimit` says how much of it (characters) is wanted.
 * It gets a session of its own, so that a time limit reaches what it starts too. Never rejects.
 */
export function runProgram(options: {
  readonly program: string;
  readonly arguments: readonly string[];
  /** Written to standard input, which is empty without it. */
  readonly input?: string;
  readonly outputLimit?: number;
  readonly timeLimitMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onAbort: "end-it" | "leave-it";
}): Promise<ProgramEnd> {
  const { program, input, clock, signal, outputLimit = 0 } = options;
  return new Promise((resolve) => {
    let child: ChildProcess;
    try {
      child = spawn(program, options.arguments, {
        detached: true,
        cwd: "/",
        env: environmentForOthers(),
        stdio: [input === undefined ? "ignore" : "pipe", outputLimit > 0 ? "pipe" : "ignore", "ignore"],
      });
    } catch (error) {
      // Thrown for arguments that no program can be given, such as a NUL character.
      resolve({ end: "not-started", code: codeOf(error) });
      return;
    }
    const cancelLimit = clock.after(options.timeLimitMs, () => finish({ end: "too-long" }, true));
    const aborted = () => finish({ end: "aborted" }, options.onAbort === "end-it");
    const finish = (result: ProgramEnd, stopIt = false) => {
      cancelLimit();
      signal.removeEventListener("abort", aborted);
      if (stopIt) stopGroup(child, clock);
      else child.unref();
      resolve(result);
    };
    child.once("error", (error) => finish({ end: "not-started", code: codeOf(error) }));
    let output = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      if (output.length < outputLimit) output += text.slice(0, outputLimit - output.length);
    });
    // "close" waits for the end of the output, which a child of the program may hold open; without one nobody waits.
    child.once(outputLimit > 0 ? "close" : "exit", (code: number | null, by: string | null) => {
      finish(code === null ? { end: "killed", by: by ?? "a signal" } : { end: "exited", code, output });
    });
    // It need not read its input; that it has closed it is no reason for us to fall.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
    if (signal.aborted) aborted();
    else signal.addEventListener("abort", aborted, { once: true });
  });
}

function stopGroup(child: ChildProcess, clock: Clock): void {
  const kill = () => {
    cancel();
    process.off("exit", kill);
    signalGroup(child, "SIGKILL");
  };
  const cancel = clock.after(POLITE, kill);
  // What it has started may not end with it, and we may end before it does.
  child.once("exit", kill);
  process.once("exit", kill);
  signalGroup(child, "SIGTERM");
  child.unref();
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It is gone already.
  }
}

/** Our own settings may hold tokens of other channels. */
function environmentForOthers(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VFIO_WATCH_")));
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown error";
}
