import { main } from "../../src/cli/main.ts";

/** What a command wrote, and its exit code. */
export interface CommandOutcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the program in this process with an environment of its own. */
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
    env,
    readInput: async (limit) => {
      const input = Buffer.from(options.input ?? "");
      return input.length > limit ? undefined : input;
    },
  });
  return { code, out, err };
}
