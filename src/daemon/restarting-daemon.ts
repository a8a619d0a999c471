import { type Daemon, type DaemonOptions, type DaemonStart, startDaemon } from "./daemon.ts";

/** When the service cannot be started with changed settings, it is tried again so often (ms). */
const TRY_AGAIN = 30_000;

/**
 * Starts the service so that every setting is taken up while the process runs: where a changed one is part of how the
 * service is built, it is stopped in order and started anew; likewise where its history was replaced or damaged under
 * it. The sources resume where they were, so nothing is missed. Where it cannot start again, that is told in the log,
 * and tried until somebody has put it right.
 */
export async function startRestartingDaemon(options: DaemonOptions): Promise<DaemonStart> {
  const { log, clock } = options;
  let current: Daemon | undefined;
  let changing: Promise<void> = Promise.resolve();
  let isStopped = false;
  let isRefused = false;

  const start = () => startDaemon({ ...options, onRestartNeeded: restart });

  function restart(why: string): void {
    log.info(`starting anew, because ${why}`);
    changing = changing.then(startAnew);
  }

  async function startAnew(): Promise<void> {
    if (isStopped) return;
    const before = current;
    current = undefined;
    await before?.stop().catch((error: unknown) => {
      log.error("not stopped in order", { error: error instanceof Error ? error.message : String(error) });
    });
    const started = await start();
    isRefused = started.state === "refused";
    if (started.state === "running") {
      current = started.daemon;
      for (const line of current.describe()) log.info(line);
      return;
    }
    log.error(`not watching: ${started.why} ${started.remedy}`);
    clock.after(TRY_AGAIN, () => {
      changing = changing.then(startAnew);
    });
  }

  const first = await start();
  if (first.state === "refused") return first;
  current = first.daemon;
  return {
    state: "running",
    daemon: {
      describe: () => current?.describe() ?? [],
      place: () => current?.place() ?? "it starts anew",
      // While it starts anew nothing is stuck.
      isHealthy: () => current?.isHealthy() ?? !isRefused,
      reload: () => current?.reload(),
      async stop() {
        isStopped = true;
        await changing;
        await current?.stop();
      },
    },
  };
}
