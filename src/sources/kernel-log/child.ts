import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import type { Clock } from "../../clock.ts";

/** A child process whose output is followed. */
export interface Child {
  /** Ends it; no bytes come after the call, and it is gone when the promise resolves. */
  stop(): Promise<void>;
}

/** How long a child may take to end before it is killed, in milliseconds. */
const END_PATIENCE = 400;

/**
 * Starts `command` with its output to `bytes`. `ended` is called once when it is over by itself (never after
 * `stop`), with its exit code and what to tell a person; the code is undefined where it never ran.
 */
export function startChild(options: {
  readonly command: readonly [string, ...string[]];
  readonly clock: Clock;
  readonly bytes: (bytes: Buffer) => void;
  readonly ended: (code: number | undefined, why: string) => void;
}): Child {
  const { command, clock, bytes, ended } = options;
  const [program, ...parameters] = command;
  // The root directory, because a child in any other would keep that file system from being unmounted.
  const child = spawn(program, parameters, {
    cwd: "/",
    env: { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  let stopping = false;
  const gone = Promise.withResolvers<void>();

  // Without this it would outlive us until the next kernel record wakes it to a closed pipe.
  const killAtExit = () => {
    child.kill("SIGKILL");
  };
  process.on("exit", killAtExit);
  const over = (code: number | undefined, why: string) => {
    process.off("exit", killAtExit);
    gone.resolve();
    if (!stopping) {
      stopping = true;
      ended(code, why);
    }
  };
  // Node's types do not say so, but there is no stdout when the process is out of file descriptors.
  const output: Readable | undefined = child.stdout;
  output?.on("data", (chunk: Buffer) => {
    if (!stopping) bytes(chunk);
  });
  output?.on("error", () => child.kill());
  child.on("error", (error: NodeJS.ErrnoException) =>
    over(undefined, `${program} cannot be run (${error.code ?? error.message})`),
  );
  child.on("exit", () => {
    if (stopping) gone.resolve();
  });
  // "close" and not "exit": the last of the output comes between the two.
  child.on("close", (code, signal) =>
    over(code ?? undefined, `${program} ended (${signal ?? `exit ${code}`})`),
  );

  return {
    async stop() {
      stopping = true;
      child.kill("SIGTERM");
      const takeBack = clock.after(END_PATIENCE, killAtExit);
      await gone.promise;
      takeBack();
      process.off("exit", killAtExit);
      output?.destroy();
    },
  };
}
