import { type ParseArgsOptionsConfig, parseArgs } from "node:util";

/** Exit codes of every command; `--help` and the README name them. */
export const EXIT = {
  ok: 0,
  /** It could not be done; the reason is on standard error. */
  failure: 1,
  /** The arguments are wrong. */
  usage: 2,
  /** It was done and found something to act on: `check` with a blocking finding, `show` of a failed start. */
  findings: 3,
  /** It was done, and what was given is not understood: neither a finding nor an all-clear. */
  notUnderstood: 4,
} as const;

/** Where a command reads and writes; tests bring their own. */
export interface CommandIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Whether escape sequences for colour are wanted: a terminal, and no `NO_COLOR`. */
  readonly color: boolean;
  /** Width for wrapping text, in columns. */
  readonly columns: number;
  /** The same for tables; without an end where the output is no terminal, so that a row stays a line for `grep`. */
  readonly tableColumns: number;
  /** Whether standard error is a terminal, where a line can be written over. */
  readonly errIsTerminal?: boolean;
  readonly env: NodeJS.ProcessEnv;
  /** All of standard input; undefined where it is longer than `limit` bytes. */
  readonly readInput: (limit: number) => Promise<Buffer | undefined>;
  /** The same piece by piece, for what may have no end. */
  readonly input: () => AsyncIterable<Buffer>;
}

/** One command of the program. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows the name: `[--vm NAME] [--json]`. */
  readonly usage: string;
  /** Options and arguments, a line each, and at least one example. */
  readonly help: string;
  readonly options: ParseArgsOptionsConfig;
  /** What it reads stands in the machine's time zone, so that it does `--utc` itself where it prints. */
  readonly readsLocalTimes?: true;
  /** Runs with parsed arguments; returns the exit code. Throws `UsageError` for wrong ones. */
  readonly run: (args: ParsedArguments, io: CommandIo) => Promise<number>;
}

export interface ParsedArguments {
  readonly positionals: readonly string[];
  /** Options by name; an option that was not given is undefined. */
  readonly text: (name: string) => string | undefined;
  readonly flag: (name: string) => boolean;
  readonly list: (name: string) => readonly string[];
}

/** Wrong arguments, with a sentence that says what would be right. */
export class UsageError extends Error {}

/** It could not be done, with sentences that say why and what to do: exit code 1. */
export class Refusal extends Error {}

/** Options that every command has. */
const COMMON: ParseArgsOptionsConfig = { help: { type: "boolean", short: "h" } };

/** Parses the arguments of a command. Throws `UsageError` for unknown options and missing values. */
export function parseCommandArguments(command: Command, args: readonly string[]): ParsedArguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { ...COMMON, ...command.options },
      allowPositionals: true,
      strict: true,
    });
    return {
      positionals,
      text: (name) => {
        const value = values[name];
        return typeof value === "string" ? value : undefined;
      },
      flag: (name) => values[name] === true,
      list: (name) => {
        const value = values[name];
        return Array.isArray(value) ? value.map(String) : [];
      },
    };
  } catch (error) {
    const [firstSentence = ""] = (error instanceof Error ? error.message : String(error)).split(/\.\s/);
    throw new UsageError(firstSentence);
  }
}

/** For commands that take options only: throws `UsageError` that names what else was given, and what is taken. */
export function refusePositionals({ positionals }: ParsedArguments, hint = "takes options only"): void {
  const [first] = positionals;
  if (first !== undefined) throw new UsageError(`${hint}, not '${first}'`);
}

/** The `--help` text of a command. */
export function helpOf(command: Command): string {
  return `${command.summary}\n\nUsage: vfio-watch ${command.name} ${command.usage}\n\n${command.help.replace(/^\n+/, "").trimEnd()}\n`;
}
