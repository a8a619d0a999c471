import { basename } from "node:path";
import type { Clock } from "../../clock.ts";
import type { Channel, SendResult } from "../channel.ts";
import { alertJson } from "../message.ts";
import { runProgram } from "../run-program.ts";

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
