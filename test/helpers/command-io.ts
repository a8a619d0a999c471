import { COMMAND_SUMMARIES } from "../../src/cli/commands.ts";
import { main } from "../../src/cli/main.ts";

import { assertKeepsContract } from "./json-contract.ts";

/** What a command wrote, and its exit code. */
export interface CommandOutcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What the machine that runs the tests keeps of a service of its own is no part of them. */
const NO_SERVICE = { VFIO_WATCH_RUNTIME_DIRECTORY: "/nonexistent/runtime" };
const NO_HISTORY = { STATE_DIRECTORY: "/nonexistent/state" };

/**
 * Runs the program in this process with an environment of its own, on a machine on which no service has run unless the
 * environment names its places; a document that it prints has to keep the contract.
 */
export async function runProgram(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  options: { readonly columns?: number; readonly color?: boolean; readonly input?: string } = {},
): Promise<CommandOutcome> {
  let out = "";
  let err = "";
  const code = await main(args, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    color: options.color ?? false,
    columns: options.columns ?? 400,
    tableColumns: options.columns ?? 400,
    // Below a root of its own the history is where the root has it.
    env: { ...NO_SERVICE, ...(env.VFIO_WATCH_ROOT === undefined && NO_HISTORY), ...env },
    async *input() {
      yield Buffer.from(options.input ?? "");
    },
    readInput: async (limit) => {
      const input = Buffer.from(options.input ?? "");
      return input.length > limit ? undefined : input;
    },
  });
  const [command = ""] = args;
  if (args.includes("--json") && Object.hasOwn(COMMAND_SUMMARIES, command))
    await assertKeepsContract(command, out);
  return { code, out, err };
}
