import { systemClock } from "../../clock.ts";
import { startDaemon } from "../../daemon/daemon.ts";
import { createServiceLog } from "../../daemon/log.ts";
import { type Command, EXIT } from "../command.ts";
import { findSurroundings } from "../surroundings.ts";
import { programVersion } from "../version.ts";

/** The service itself. */
export const runCommand: Command = {
  name: "run",
  summary: "Watches this host until it is told to stop.",
  usage: "[--database FILE]",
  help: `
Reads the kernel log, /dev/vfio, libvirt and its logs, and stores every VM start with its evidence.
What is missing (root, libvirt, a device) is said once and waited for.

  --database FILE    keep the history here (default: see 'vfio-watch status')

Signals: SIGTERM, SIGINT end it in order; SIGHUP reads the settings again.
Example: vfio-watch run --database /tmp/history.db`,
  options: { database: { type: "string" } },
  async run(args, io) {
    const database = args.text("database");
    const env = database === undefined ? io.env : { ...io.env, VFIO_WATCH_DATABASE: database };
    const read = () => findSurroundings(env);
    const first = read();
    const { config } = first.loaded;
    const log = createServiceLog({
      level: config.LOG_LEVEL,
      format: config.LOG_FORMAT,
      journal: io.env.JOURNAL_STREAM !== undefined,
      write: io.out,
    });
    const version = programVersion();
    const started = await startDaemon({
      paths: first.paths,
      clock: systemClock,
      environment: io.env,
      version,
      log,
      loadConfig: () => read().loaded,
      settingsFile: first.settingsFile,
      unraid: first.unraid,
    });
    if (started.state === "refused") {
      io.err(`vfio-watch: ${started.why} ${started.remedy}\n`);
      return EXIT.failure;
    }
    const { daemon } = started;
    for (const line of daemon.describe()) log.info(line);
    log.info(`vfio-watch ${version} is watching; the history is ${first.database}`);
    await endSignal(() => daemon.reload());
    await daemon.stop();
    log.info("stopped");
    return EXIT.ok;
  },
};

/** Resolves at the first signal that asks to end. A second one ends at once, for whoever cannot wait. */
function endSignal(reload: () => void): Promise<void> {
  return new Promise((resolve) => {
    // Timers of the sources do not keep the process alive; this one does.
    const alive = setInterval(() => {}, 2 ** 30);
    let asked = false;
    const end = () => {
      if (asked) process.exit(EXIT.failure);
      asked = true;
      clearInterval(alive);
      resolve();
    };
    process.on("SIGTERM", end);
    process.on("SIGINT", end);
    process.on("SIGHUP", reload);
  });
}
