import type { Clock } from "../clock.ts";
import type { BootIdentity } from "../host/boot-identity.ts";
import type { HostPaths } from "../host-paths.ts";
import type { Gap, KernelRecord } from "../model/observation.ts";
import type { ObservationSink, Source } from "../model/source.ts";
import { createJournalWay } from "./kernel-log/journal-way.ts";
import { createKmsgDevice, type KmsgDevice } from "./kernel-log/kmsg-device.ts";
import { createKmsgWay } from "./kernel-log/kmsg-way.ts";
import { type KernelLogPosition, resumePoint, storedPosition } from "./kernel-log/position.ts";
import type { KmsgRecord } from "./kernel-log/record-parser.ts";
import type { OrdinaryFilter, TextFilter } from "./kernel-log/record-teller.ts";
import { createSyslogWay } from "./kernel-log/syslog-way.ts";
import type { KernelLogWay, WayOptions } from "./kernel-log/way.ts";
import { createHealthKeeper } from "./source-state.ts";

const FIRST_RETRY = 1000;
const LONGEST_RETRY = 60_000;

/** The kernel log as a source. */
export type KernelLogSource = Source & Required<Pick<Source, "position">>;

/**
 * Makes the kernel log source. It reads `/dev/kmsg`; where that may not be opened, the systemd journal; where
 * there is none, a syslog daemon's file; and goes back to the device as soon as it can be read.
 *
 * - `bootIdentity`: tells which boot runs and what its clock's zero stands for; asked again when that changes.
 * - `worthTelling`: judges each text before an observation is made of it (a signature's pre-filter). Without it
 *   every record of the kernel is told.
 * - `isOrdinary`: the same judgement of the device's bytes, where it is certain; see `OrdinaryFilter`.
 * - `seen`: hears of each record of any facility read from the device, before all judgement.
 * - `device`, `journalctl`: what to use in place of `/dev/kmsg` and of the program on the PATH.
 */
export function createKernelLogSource(options: {
  readonly paths: HostPaths;
  readonly clock: Clock;
  readonly bootIdentity: () => BootIdentity;
  readonly worthTelling?: TextFilter;
  readonly isOrdinary?: OrdinaryFilter;
  readonly seen?: (record: KmsgRecord) => void;
  readonly device?: KmsgDevice;
  readonly journalctl?: readonly [string, ...string[]];
}): KernelLogSource {
  const { clock, bootIdentity, paths } = options;
  const device = options.device ?? createKmsgDevice({ paths, clock });
  const journalctl = options.journalctl ?? ["journalctl"];
  const health = createHealthKeeper({ name: "kernel-log", clock });
  let sink: ObservationSink = () => {};
  let position: KernelLogPosition | undefined;
  let way: KernelLogWay | undefined;
  let onDevice = false;
  let stopped = false;
  let takeBackRetry = () => {};
  let retryDelay = FIRST_RETRY;
  /** Settles when the choice of a way that is under way has been made. */
  let choosing: Promise<void> = Promise.resolve();

  function tell(observation: KernelRecord | Gap): void {
    if (stopped) return;
    health.observed(observation.at);
    if (observation.kind === "gap" && !isBeforeFirstRead(observation)) health.lost(observation.lost ?? 0);
    sink(observation);
  }

  /** Takes the first way that works, and says what the best one would take if none does. */
  async function choose(): Promise<void> {
    const boot = bootIdentity().bootId;
    if (boot.state !== "read") {
      const why = boot.state === "absent" ? "/proc is not mounted" : boot.why;
      wait(`the boot cannot be told: ${why}`, "mount /proc");
      return;
    }
    const common: Omit<WayOptions, "position" | "broken"> = {
      paths,
      clock,
      bootId: boot.value,
      bootIdentity,
      tell,
      skipped: health.skipped,
      live: (detail) => health.become({ state: "live", detail }),
      worthTelling: options.worthTelling,
      isOrdinary: options.isOrdinary,
      seen: options.seen,
    };
    const ways = [
      (more: WayOptions) => createKmsgWay({ ...more, device }),
      (more: WayOptions) => createJournalWay({ ...more, journalctl }),
      createSyslogWay,
    ];
    const failures: { why: string; remedy: string }[] = [];
    for (const create of ways) {
      if (stopped) return;
      const candidate = create({ ...common, position, broken: (why) => leave(candidate, why) });
      way = candidate;
      onDevice = failures.length === 0;
      const start = await candidate.start();
      if (start.works) {
        if (!onDevice && !stopped) retryLater();
        return;
      }
      failures.push(start);
      position = candidate.position() ?? position;
      way = undefined;
    }
    const why = failures.map((failure) => failure.why).join("; ");
    wait(why, failures[0]?.remedy ?? "");
  }

  function wait(why: string, remedy: string): void {
    if (stopped) return;
    health.become({ state: "waiting", why, remedy });
    retryLater();
  }

  /** The way in use stopped working by itself. */
  function leave(from: KernelLogWay, why: string): void {
    if (stopped || way !== from) return;
    position = from.position() ?? position;
    way = undefined;
    health.become({ state: "waiting", why, remedy: "nothing: it is tried again by itself" });
    retryLater();
    void from.stop();
  }

  function retryLater(): void {
    takeBackRetry();
    const delay = retryDelay;
    retryDelay = Math.min(retryDelay * 2, LONGEST_RETRY);
    takeBackRetry = clock.after(delay, () => {
      choosing = choosing.then(retry);
    });
  }

  /** Chooses anew where nothing is in use, and goes back to the device where something less is. */
  async function retry(): Promise<void> {
    if (stopped) return;
    if (way !== undefined) {
      if (onDevice || openFailed()) {
        if (!onDevice) retryLater();
        return;
      }
      position = way.position() ?? position;
      const old = way;
      way = undefined;
      await old.stop();
    }
    await choose();
    if (onDevice && way !== undefined) retryDelay = FIRST_RETRY;
  }

  function openFailed(): boolean {
    try {
      device.open().close();
      return false;
    } catch {
      return true;
    }
  }

  return {
    name: "kernel-log",
    async start(to, resume) {
      sink = to;
      position = storedPosition(resume);
      choosing = choose();
      await choosing;
    },
    async stop() {
      stopped = true;
      takeBackRetry();
      await way?.stop();
      await choosing;
      takeBackRetry();
      if (way !== undefined) position = way.position() ?? position;
      health.become({ state: "stopped" });
    },
    health() {
      const now = health.health();
      const sequence = way?.position()?.sequence;
      if (now.state.state !== "live" || sequence === undefined) return now;
      // Of millions of records none may be worth telling, and whoever looks wants to see that they are read.
      const detail = `${now.state.detail}, read to record ${sequence}`;
      return { ...now, state: { ...now.state, detail } };
    },
    position() {
      const now = way?.position() ?? position;
      return now === undefined ? undefined : resumePoint(now);
    },
  };
}

/** What the ring had dropped before anyone read it in this boot is a gap in the history, but no failure to keep up. */
function isBeforeFirstRead({ identity }: Gap): boolean {
  return identity.endsWith(":gap:0");
}
