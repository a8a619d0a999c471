import type { Clock } from "../../clock.ts";
import type { SendResult } from "../channel.ts";
import { runProgram } from "../run-program.ts";

/** Channels whose library is loaded by a short-lived child of the service alone. */
export type ChildChannel = "mail" | "mqtt";

const LONGEST_ANSWER = 4_096;
const LONGEST_JOB = 4 * 1024 * 1024;
/** What a child needs to be up, beyond what its server may take (ms). */
const STARTING = 10_000;

/**
 * Has a child of this program do one job. The job goes through standard input, for it holds passwords, and the result
 * comes back as one line. Never rejects.
 */
export async function runChannelChild(
  channel: ChildChannel,
  job: unknown,
  options: { readonly timeLimitMs: number; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<SendResult> {
  const [, script = ""] = process.argv;
  const ended = await runProgram({
    program: process.execPath,
    arguments: [script, "channel-child", channel],
    input: JSON.stringify(job),
    outputLimit: LONGEST_ANSWER,
    timeLimitMs: options.timeLimitMs + STARTING,
    clock: options.clock,
    signal: options.signal,
    onAbort: "end-it",
  });
  switch (ended.end) {
    case "exited":
      return (
        resultIn(ended.output) ?? {
          delivered: false,
          error: `the ${channel} child ended with code ${ended.code}`,
        }
      );
    case "killed":
      return { delivered: false, error: `the ${channel} child was ended by ${ended.by}` };
    case "too-long":
      return { delivered: false, error: `nothing was heard for ${options.timeLimitMs / 1000} s` };
    case "aborted":
      return { delivered: false, error: "it was not waited for, the service was ending" };
    case "not-started":
      return { delivered: false, error: `the ${channel} child could not be run (${ended.code})` };
  }
}

function resultIn(output: string): SendResult | undefined {
  try {
    const result = JSON.parse(output) as SendResult;
    return typeof result.delivered === "boolean" ? result : undefined;
  } catch {
    return undefined;
  }
}

/** The child's whole work: reads its job, does it, writes the result. */
export async function runAsChannelChild(
  channel: string | undefined,
  readInput: (limit: number) => Promise<Uint8Array | undefined>,
  write: (line: string) => void,
): Promise<void> {
  const input = (await readInput(LONGEST_JOB)) ?? new Uint8Array();
  const job: unknown = JSON.parse(Buffer.from(input).toString("utf8"));
  const result =
    channel === "mail"
      ? await (await import("./mail-child.ts")).sendMail(
          job as Parameters<typeof import("./mail-child.ts").sendMail>[0],
        )
      : await (await import("./mqtt-child.ts")).publish(
          job as Parameters<typeof import("./mqtt-child.ts").publish>[0],
        );
  write(`${JSON.stringify(result)}\n`);
}
