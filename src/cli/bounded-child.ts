import { spawn } from "node:child_process";
import { documentText } from "./json/document.ts";

/** Commands that read what others wrote, which may be made to take all memory that there is. */
const BOUNDED = new Set(["import"]);
/** Of JavaScript's heap (MB); an import within its own limits needs half of it. */
const HEAP = 80;
const TOO_MUCH = `this took more than the ${HEAP} MB of memory that it may, and was ended. What had been taken in before stays. Give the files one at a time to see which of them it is.`;
const MARK = "VFIO_WATCH_BOUNDED";

/** Whether this command is to be run in a child, and this process is none yet. */
export function needsChild(command: string | undefined, environment: NodeJS.ProcessEnv): boolean {
  return command !== undefined && BOUNDED.has(command) && environment[MARK] === undefined;
}

/**
 * Runs the program again with the same arguments and a bounded heap, which can only be given at its start, and
 * resolves to its exit code. Where the child does not stay within it, that is said in place of V8's own last words.
 */
export function runInChild(script: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [
        ...process.execArgv,
        `--max-old-space-size=${HEAP}`,
        // V8 doubles the space for young objects under load, and here nearly all of them die young.
        "--max-semi-space-size=2",
        script,
        ...args,
      ],
      { stdio: "inherit", env: { ...process.env, [MARK]: "1" } },
    );
    // They go to the whole group where somebody presses Ctrl-C, and to this process alone where a service stops it.
    const passOn = (signal: NodeJS.Signals) => child.kill(signal);
    process.on("SIGTERM", passOn).on("SIGINT", () => {});
    child.on("error", (error) => {
      process.stderr.write(`vfio-watch: ${process.execPath} cannot be run: ${error.message}\n`);
      resolve(1);
    });
    child.on("close", (code, signal) => {
      if (signal === "SIGABRT" || signal === "SIGTRAP" || code === 134) {
        process.stderr.write(`vfio-watch: ${TOO_MUCH}\n`);
        if (args.includes("--json")) process.stdout.write(documentText({ error: TOO_MUCH }));
      }
      resolve(code ?? 1);
    });
  });
}
