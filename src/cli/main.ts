import { printable } from "../terminal-text.ts";
import { inUtc } from "../time-words.ts";
import {
  type Command,
  type CommandIo,
  EXIT,
  helpOf,
  type ParsedArguments,
  parseCommandArguments,
  Refusal,
  UsageError,
} from "./command.ts";
import { COMMAND_LOADERS } from "./commands.ts";
import { documentText } from "./json/document.ts";
import { nearest } from "./nearest.ts";
import { versionText } from "./version.ts";

/** Runs the program with its arguments (without node and script) and returns the exit code. Never throws. */
export async function main(args: readonly string[], io: CommandIo = processIo()): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) {
    const code = await tellState(io);
    if (code !== undefined) return code;
  }
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    const topic = name === "help" ? rest[0] : undefined;
    if (topic !== undefined) return isCommand(topic) ? main([topic, "--help"], io) : refuseCommand(topic, io);
    // Apart, since the service loads this module and prints no tables.
    const { overview } = await import("./overview.ts");
    (name === undefined ? io.err : io.out)(overview(io.columns));
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  if (name === "--version" || name === "-V" || name === "version") {
    io.out(`${await versionText(io)}\n`);
    return EXIT.ok;
  }
  if (name === "complete") {
    // Not for people: a shell asks so what can come next.
    const { completionsFor } = await import("./complete.ts");
    const offers = await completionsFor(rest, io);
    io.out(offers.map(({ word, meaning = "" }) => `${printable(word)}\t${printable(meaning)}\n`).join(""));
    return EXIT.ok;
  }
  if (name === "hardware-child") {
    // Not for people: the service starts itself so, once a boot.
    const { runHardwareChild } = await import("../host/hardware-child.ts");
    await runHardwareChild(io.out);
    return EXIT.ok;
  }
  if (name === "channel-child") {
    // Not for people: the service sends mail and the like so.
    const { runAsChannelChild } = await import("../alerts/channels/channel-child.ts");
    await runAsChannelChild(rest[0], io.readInput, io.out);
    return EXIT.ok;
  }
  if (name === "second-copy-child") {
    // Likewise, once a day.
    const { writeSecondCopy } = await import("../store/second-copy.ts");
    const [database = "", directory = ""] = rest;
    const written = writeSecondCopy(database, directory);
    if (typeof written === "string") io.err(`${written}\n`);
    return typeof written === "string" ? EXIT.failure : EXIT.ok;
  }
  if (name === "fleet-child") {
    // Likewise, when there is something new for the fleet.
    const { runFleetChild } = await import("../fleet/fleet-child.ts");
    await runFleetChild(io.readInput, io.out);
    return EXIT.ok;
  }
  if (!isCommand(name)) {
    if (rest.includes("--json")) writeError(`there is no command '${name}'`, io);
    return refuseCommand(name, io);
  }
  const command = await COMMAND_LOADERS[name]();
  return runCommand(command, rest, io);
}

/** What `vfio-watch` alone says on a host with a history; undefined where there is none. */
async function tellState(io: CommandIo): Promise<number | undefined> {
  const { doctorCommand, printBrief } = await import("./commands/doctor.ts");
  let code: number | undefined;
  const run = async () => {
    code = await printBrief(io);
    return code ?? EXIT.ok;
  };
  const told = await runForPeople({ ...doctorCommand, run }, parseCommandArguments(doctorCommand, []), io);
  return code === undefined && told === EXIT.ok ? undefined : told;
}

function refuseCommand(name: string, io: CommandIo): number {
  io.err(
    `vfio-watch: there is no command '${printable(name)}'. ${suggestion(name)}'vfio-watch --help' lists them.\n`,
  );
  return EXIT.usage;
}

function isCommand(name: string): name is keyof typeof COMMAND_LOADERS {
  return Object.hasOwn(COMMAND_LOADERS, name);
}

async function runCommand(command: Command, args: readonly string[], io: CommandIo): Promise<number> {
  try {
    const parsed = parseCommandArguments(command, args);
    if (parsed.flag("help")) {
      io.out(helpOf(command));
      return EXIT.ok;
    }
    const run = () =>
      parsed.flag("json") || parsed.text("format") === "json"
        ? runForProgram(command, parsed, io)
        : runForPeople(command, parsed, io);
    return await (parsed.flag("utc") && command.readsLocalTimes !== true ? inUtc(run) : run());
  } catch (error) {
    if (error instanceof UsageError) {
      if (wantsJson(command, args)) writeError(error.message, io);
      io.err(
        `vfio-watch ${command.name}: ${printable(error.message)}\nUsage: vfio-watch ${command.name} ${command.usage}\n`,
      );
      return EXIT.usage;
    }
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (wantsJson(command, args)) writeError(`unexpected error, please report it: ${detail}`, io);
    io.err(`vfio-watch ${command.name}: unexpected error, please report it:\n${detail}\n`);
    return EXIT.failure;
  }
}

/** Runs the command; what a damaged history makes it throw is told as that. */
async function runForPeople(command: Command, parsed: ParsedArguments, io: CommandIo): Promise<number> {
  try {
    return await command.run(parsed, io);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (error instanceof Refusal) {
      io.err(`vfio-watch: ${printable(error.message)}\n`);
      return EXIT.failure;
    }
    const { whyDamaged } = await import("./damaged-history.ts");
    const why = whyDamaged(error, parsed.text("database"), io);
    if (why === undefined) throw error;
    io.err(`vfio-watch: ${printable(why)}\n`);
    return EXIT.failure;
  }
}

/** With `--json`, or `--format json`, standard output holds one document even where nothing could be done: `{"error"}`, as said to people. */
async function runForProgram(command: Command, parsed: ParsedArguments, io: CommandIo): Promise<number> {
  let isAnswered = false;
  let complaints = "";
  const code = await runForPeople(command, parsed, {
    ...io,
    out: (text) => {
      isAnswered = true;
      io.out(text);
    },
    err: (text) => {
      complaints += text;
      io.err(text);
    },
  });
  if (code === EXIT.failure && !isAnswered) {
    writeError(complaints.replace(/^vfio-watch: /gm, "").trim(), io);
  }
  return code;
}

function writeError(error: string, io: CommandIo): void {
  io.out(documentText({ error }));
}

/** Whether wrong arguments came from a program that will read a document. */
function wantsJson({ options }: Command, args: readonly string[]): boolean {
  return "json" in options && (args.includes("--json") || /--format[ =]json\b/.test(args.join(" ")));
}

/** The command that is written alike, when somebody mistypes. */
function suggestion(name: string): string {
  const [close] = nearest(name, Object.keys(COMMAND_LOADERS), 1);
  return close === undefined ? "" : `Did you mean '${close}'? `;
}

function processIo(): CommandIo {
  const { stdout, stderr, env } = process;
  // A reader that goes away (`| head`) is no error.
  stdout.on("error", (error: NodeJS.ErrnoException) =>
    process.exit(error.code === "EPIPE" ? EXIT.ok : EXIT.failure),
  );
  // A shell that exports COLUMNS wants that width of a pipe, too.
  const wanted =
    stdout.columns ?? (/^[1-9]\d{0,3}$/.test(env.COLUMNS ?? "") ? Number(env.COLUMNS) : undefined);
  const columns = Math.max(40, Math.min(wanted ?? 100, 120));
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    color: stdout.isTTY === true && (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb",
    columns,
    errIsTerminal: stderr.isTTY === true,
    tableColumns: wanted === undefined ? Number.POSITIVE_INFINITY : columns,
    env,
    input: () => process.stdin,
    readInput: async (limit) => {
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of process.stdin) {
        chunks.push(Buffer.from(chunk));
        length += chunk.length;
        if (length > limit) return undefined;
      }
      return Buffer.concat(chunks);
    },
  };
}
