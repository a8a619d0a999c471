import { systemClock } from "../../clock.ts";
import { createServiceLog } from "../../daemon/log.ts";
import { startRestartingDaemon } from "../../daemon/restarting-daemon.ts";
import { createSystemdNotifier } from "../../daemon/systemd-notify.ts";
import { type Command, type CommandIo, EXIT, type ParsedArguments, refusePositionals } from "../command.ts";
import { findSurroundings } from "../surroundings.ts";
import { programVersion } from "../version.ts";

/** Requests to read the settings again that come in a bunch are one (ms). */
const RELOADS_TOGETHER = 200;
/** How long what is left open may keep the ended process alive (ms). */
const LINGER = 500;

/** The service itself. */
export const runCommand: Command = {
  name: "run",
  summary: "Watches this host until it is told to stop.",
  usage: "[--database FILE]",
  help: `
Reads the kernel log, /dev/vfio, libvirt and its logs, on Proxmox VE its VMs and task logs, and stores every VM start
with its evidence. What is missing (root, libvirt, a device) is said once and waited for.

  --database FILE    keep the history here (default: see 'vfio-watch status')

Signals: SIGTERM, SIGINT end it in order; SIGHUP reads the settings again.
Example: vfio-watch run --database /tmp/history.db`,
  options: { database: { type: "string" } },
  async run(args, io) {
    refusePositionals(args);
    // A machine has more programs that are called node: this one is found by its name.
    process.title = "vfio-watch";
    // At a shutdown the log's reader may go first; that must not keep the history from being closed.
    process.stdout.removeAllListeners("error").on("error", () => {});
    const asked = listenToSignals();
    try {
      return await watch(args, io, asked);
    } finally {
      asked.letGo();
      // Whatever went wrong, a process that hangs on would keep its successor from being started.
      setTimeout(() => process.exit(), LINGER).unref();
    }
  },
};

/** Starts the daemon and lets it run until a signal asks to end. */
async function watch(args: ParsedArguments, io: CommandIo, asked: Signals): Promise<number> {
  const database = args.text("database");
  const env = database === undefined ? io.env : { ...io.env, VFIO_WATCH_DATABASE: database };
  const read = () => findSurroundings(env);
  const first = read();
  const { config } = first.loaded;
  const log = createServiceLog({
    level: config.LOG_LEVEL,
    format: config.LOG_FORMAT,
    journal: io.env.JOURNAL_STREAM !== undefined || io.env.LOG_PRIORITIES === "yes",
    write: io.out,
  });
  const version = programVersion();
  const [, script] = process.argv;
  const started = await startRestartingDaemon({
    paths: first.paths,
    clock: systemClock,
    environment: io.env,
    version,
    log,
    loadConfig: () => read().loaded,
    settingsFile: first.settingsFile,
    unraid: first.unraid,
    ...(script !== undefined && { metricsCommand: [process.execPath, script, "status", "--metrics"] }),
    // Nobody else has a web interface that shows it.
    ...(first.unraid &&
      script !== undefined && { overviewCommand: [process.execPath, script, "page", "overview"] }),
  });
  if (started.state === "refused") {
    io.err(`vfio-watch: ${started.why} ${started.remedy}\n`);
    return EXIT.failure;
  }
  const { daemon } = started;
  const sources = daemon.describe();
  for (const line of sources) log.info(line);
  log.info(`vfio-watch ${version} is watching; ${daemon.place()}`);
  const systemd = createSystemdNotifier({ environment: io.env, clock: systemClock, log });
  systemd.ready(`watching; ${sources.length} sources tried`, daemon.isHealthy);
  asked.onReload(() => daemon.reload());
  await asked.toEnd;
  systemd.stopping();
  await daemon.stop();
  log.info("stopped");
  return EXIT.ok;
}

/** What was asked by signals, from the first moment on: a signal that nobody listens to would kill. */
interface Signals {
  /** Resolves at the first signal that asks to end. A second one ends at once, for whoever cannot wait. */
  readonly toEnd: Promise<void>;
  /** Calls `reload` at each SIGHUP; at once if there was one before. */
  onReload(reload: () => void): void;
  /** Listening no longer keeps the process alive. */
  letGo(): void;
}

function listenToSignals(): Signals {
  // Timers of the sources do not keep the process alive; this one does.
  const alive = setInterval(() => {}, 2 ** 30);
  let reload: (() => void) | undefined;
  let isReloadDue = false;
  let isReloadNear = false;
  process.on("SIGHUP", () => {
    if (reload === undefined) isReloadDue = true;
    if (reload === undefined || isReloadNear) return;
    isReloadNear = true;
    setTimeout(() => {
      isReloadNear = false;
      reload?.();
    }, RELOADS_TOGETHER).unref();
  });
  // Node would open a debugger's port, and this program listens on nothing.
  process.on("SIGUSR1", () => {});
  const toEnd = new Promise<void>((resolve) => {
    let asked = false;
    const end = () => {
      if (asked) process.exit(EXIT.failure);
      asked = true;
      clearInterval(alive);
      resolve();
    };
    process.on("SIGTERM", end);
    process.on("SIGINT", end);
  });
  return {
    toEnd,
    onReload(next) {
      reload = next;
      if (isReloadDue) next();
    },
    letGo: () => clearInterval(alive),
  };
}
