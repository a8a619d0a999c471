import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { documentText } from "./json/document.ts";

/** A text that is longer may be made to take all memory that there is (bytes). */
const LARGE_TEXT = 1024 ** 2;
/** Of JavaScript's heap (MB); an import within its own limits needs half of it. */
const HEAP = 80;
const TOO_MUCH = `this took more than the ${HEAP} MB of memory that it may, and was ended.`;
const WHAT_TO_DO: Readonly<Record<string, string>> = {
  import: "What had been taken in before stays. Give the files one at a time to see which of them it is.",
  explain: "Cut out the part around the failure.",
};
const MARK = "VFIO_WATCH_BOUNDED";

/**
 * Whether a command with these arguments is to be run in a child, because it reads much of what others wrote, and this
 * process is none yet. What is piped in may be long; a pipe that the shell names is this process's alone.
 */
export function needsChild(
  [command, ...given]: readonly string[],
  environment: NodeJS.ProcessEnv,
  isTerminal: boolean,
): boolean {
  if (environment[MARK] !== undefined) return false;
  if (command === "import") return true;
  const isOther = given.some((argument) => /^--(?:help$|batch(?:=|$))/.test(argument));
  if (command !== "explain" || isOther) return false;
  const files = given.filter((argument) => !argument.startsWith("-"));
  return files.length === 0 || given.includes("-") ? !isTerminal : files.some(isLarge);
}

function isLarge(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  return status?.isFile() === true && status.size > LARGE_TEXT;
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
        const error = `${TOO_MUCH} ${WHAT_TO_DO[args[0] ?? ""] ?? ""}`;
        process.stderr.write(`vfio-watch: ${error}\n`);
        if (args.includes("--json")) process.stdout.write(documentText({ error }));
      }
      resolve(code ?? 1);
    });
  });
}
