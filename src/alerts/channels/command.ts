import { basename } from "node:path";
import type { Clock } from "../../clock.ts";
import { commandLine, minimumImportance, whole, yesNo } from "../../settings/value-kinds.ts";
import type { Channel, SendResult } from "../channel.ts";
import { alertJson } from "../message.ts";
import { runProgram } from "../run-program.ts";
import { channelKind } from "./kind.ts";

export const command = channelKind({
  name: "command",
  title: "Own command",
  settings: {
    NOTIFY_COMMAND: yesNo(false, "Run a command, which gets the alert as JSON on standard input."),
    COMMAND_MINIMUM_IMPORTANCE: minimumImportance("runs the command"),
    COMMAND: commandLine(
      "The command with its arguments, e.g. /usr/local/bin/tell 'the admin'. No shell reads it.\nExit code 0 means delivered.",
    ),
    COMMAND_TIMEOUT_SECONDS: whole(
      30,
      { minimum: 1, maximum: 600, unit: "seconds" },
      "Longer than this it may not run.",
    ),
  },
  labels: {
    NOTIFY_COMMAND: "Run it",
    COMMAND_MINIMUM_IMPORTANCE: "From which importance",
    COMMAND: "Command",
    COMMAND_TIMEOUT_SECONDS: "Time limit",
  },
  needs: "COMMAND",
  isOn: ({ NOTIFY_COMMAND, COMMAND }) => NOTIFY_COMMAND && COMMAND !== undefined,
  minimum: (settings) => settings.COMMAND_MINIMUM_IMPORTANCE,
  create: ({ COMMAND, COMMAND_TIMEOUT_SECONDS }, { clock }) =>
    COMMAND === undefined
      ? undefined
      : createCommandChannel({ argv: COMMAND, timeLimitMs: COMMAND_TIMEOUT_SECONDS * 1000, clock }),
});

/** Runs a command with the alert as one line of JSON on standard input; exit code 0 means delivered. */
export function createCommandChannel(options: {
  /** Program and arguments; at least the program. */
  readonly argv: readonly string[];
  readonly timeLimitMs: number;
  readonly clock: Clock;
}): Channel {
  const { argv, timeLimitMs, clock } = options;
  const [program = "", ...rest] = argv;
  return {
    name: "command",
    timeLimitMs,
    async send(message, signal): Promise<SendResult> {
      const input = `${JSON.stringify(alertJson(message))}\n`;
      const ended = await runProgram({
        program,
        arguments: rest,
        input,
        timeLimitMs,
        clock,
        signal,
        onAbort: "end-it",
      });
      if (ended.end === "exited" && ended.code === 0) return { delivered: true };
      // Only the name: arguments may hold tokens.
      const name = basename(program);
      switch (ended.end) {
        case "exited":
          return { delivered: false, error: `${name} ended with code ${ended.code}` };
        case "killed":
          return { delivered: false, error: `${name} was ended by ${ended.by}` };
        case "too-long":
          return { delivered: false, error: `${name} ran longer than ${timeLimitMs / 1000} s` };
        case "aborted":
          return { delivered: false, error: `${name} was not waited for` };
        case "not-started":
          return { delivered: false, error: `${name} could not be run (${ended.code})`, needsPerson: true };
      }
    },
  };
}
