import { spawn } from "node:child_process";

/** A child that takes longer is given up (ms). */
const LIMIT = 30_000;
const LONGEST = 1024 * 1024;

/** What a command of this program printed, or why it printed nothing that is of use. */
export type Printed = { readonly text: string } | { readonly why: string };

/** Runs it once in a child, with the service's own run-time directory. Never rejects. */
export function printOnce({
  command: [program = "", ...args],
  environment,
  directory,
  name,
}: {
  readonly command: readonly string[];
  /** As it is told where it fails: `page overview`. */
  readonly name: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly directory: string;
}): { readonly made: Promise<Printed>; readonly stop: () => void } {
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "ignore"],
    timeout: LIMIT,
    killSignal: "SIGKILL",
    env: { ...environment, VFIO_WATCH_RUNTIME_DIRECTORY: directory },
  });
  const stop = () => void child.kill("SIGKILL");
  const made = new Promise<Printed>((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    child.on("error", (error) => resolve({ why: `${program} did not start: ${error.message}` }));
    child.stdout.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > LONGEST) stop();
      else chunks.push(chunk);
    });
    child.on("close", (code) => {
      if (code === 0) resolve({ text: Buffer.concat(chunks).toString("utf8") });
      else resolve({ why: `'vfio-watch ${name}' ${endOf(code, length)}` });
    });
  });
  return { made, stop };
}

function endOf(code: number | null, length: number): string {
  if (length > LONGEST) return "has more to say than fits";
  return code === null ? `was ended by a signal, or took more than ${LIMIT / 1000} s` : `ended with ${code}`;
}
