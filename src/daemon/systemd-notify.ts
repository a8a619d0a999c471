import { spawn } from "node:child_process";
import type { Clock } from "../clock.ts";
import { oneLine } from "../hostile-text.ts";
import type { ServiceLog } from "./log.ts";

/** Fed this often within the watchdog's time, so that one ping may be lost. */
const PINGS = 2.5;
const LONGEST_STATUS = 200;

/** Tells systemd how the service fares; does nothing where systemd did not start it. */
export interface SystemdNotifier {
  /** Every source has been tried. From now on the watchdog is fed as long as `isHealthy` says so. */
  ready(status: string, isHealthy: () => boolean): void;
  /** The line that `systemctl status` shows. */
  status(status: string): void;
  stopping(): void;
}

/**
 * Makes the notifier. systemd listens on a datagram socket, which Node cannot open, so each message is a
 * `systemd-notify` child of some milliseconds; the unit has to say `NotifyAccess=all`. `program` is that command.
 */
export function createSystemdNotifier(options: {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: ServiceLog;
  readonly program?: string;
  readonly pid?: number;
}): SystemdNotifier {
  const { environment, clock, log, program = "systemd-notify", pid = process.pid } = options;
  const isWanted = (environment.NOTIFY_SOCKET ?? "") !== "";
  const intervalMs = watchdogInterval(environment, pid);
  let isStopping = false;
  let wasHealthy = true;
  let hasFailed = false;

  function send(...assignments: readonly string[]): void {
    if (!isWanted) return;
    const child = spawn(program, [...assignments], { stdio: "ignore", env: { ...environment } });
    child.on("error", (error) => failed(error.message));
    child.on("close", (code) => {
      if (code !== 0 && code !== null) failed(`it ended with ${code}`);
    });
    child.unref();
  }

  function failed(why: string): void {
    if (hasFailed || isStopping) return;
    hasFailed = true;
    log.error(
      `systemd cannot be told that the service runs (${program}: ${why}) and will end it in time: ` +
        "install systemd-notify, or set Type=simple and WatchdogSec=0 in a drop-in of the unit.",
    );
  }

  function feed(isHealthy: () => boolean, everyMs: number): void {
    if (isStopping) return;
    const healthy = isHealthy();
    if (healthy) send("WATCHDOG=1");
    else if (wasHealthy) log.error("the service does not get on with its work; systemd will restart it");
    wasHealthy = healthy;
    clock.after(everyMs, () => feed(isHealthy, everyMs));
  }

  return {
    ready(status, isHealthy) {
      send("READY=1", `STATUS=${oneLine(status, LONGEST_STATUS)}`);
      if (intervalMs !== undefined) clock.after(intervalMs, () => feed(isHealthy, intervalMs));
    },
    status: (status) => send(`STATUS=${oneLine(status, LONGEST_STATUS)}`),
    stopping() {
      isStopping = true;
      send("STOPPING=1");
    },
  };
}

/** Milliseconds between two pings, or undefined where systemd does not watch this process. */
function watchdogInterval(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  const microseconds = Number(environment.WATCHDOG_USEC);
  const meantFor = environment.WATCHDOG_PID;
  if (!(microseconds > 0) || (meantFor !== undefined && Number(meantFor) !== pid)) return undefined;
  return microseconds / 1000 / PINGS;
}
