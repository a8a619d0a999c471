import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import type { HostPaths } from "../host-paths.ts";
import type { BootId } from "../model/identifiers.ts";
import type { Observation, ResumePoint } from "../model/observation.ts";
import type { ObservationSink, Source } from "../model/source.ts";
import { createDirectoryWatch, describeWatch } from "./directory-watch.ts";
import {
  createDomainLogParser,
  type DomainLogObservation,
  type DomainLogParser,
  vmOfLogFile,
} from "./domain-logs-parser.ts";
import { createDrainLoop } from "./drain-loop.ts";
import { createFileFollower, type FileFollower, type FollowedLine } from "./file-follower.ts";
import { type FilePosition, readPosition } from "./file-position.ts";
import { createHealthKeeper } from "./source-state.ts";

export interface DomainLogsOptions {
  readonly paths: HostPaths;
  readonly clock: Clock;
  readonly bootId: BootId;
  /**
   * When this boot began (UTC epoch milliseconds, less some slack): what an unknown log says about earlier
   * boots is passed over. Undefined: everything that is there is read.
   */
  readonly since?: number;
  /** Where libvirt keeps its domain logs. */
  readonly directory?: string;
  readonly maxBacklogBytes?: number;
}

interface FollowedLog {
  readonly follower: FileFollower;
  readonly parser: DomainLogParser;
  /** Read for the first time: nothing of it was stored by an earlier run. */
  readonly fresh: boolean;
  /** The stored position is from this boot. */
  readonly sameBoot: boolean;
  problem: string | undefined;
}

/** The VMs' logs, `/var/log/libvirt/qemu/*.log`, each followed through rotation and truncation. */
export function createDomainLogsSource(options: DomainLogsOptions): Source {
  const { clock, bootId, since } = options;
  const directory = options.paths.at(options.directory ?? "/var/log/libvirt/qemu");
  const keeper = createHealthKeeper({ name: "domain-logs", clock });
  const logs = new Map<string, FollowedLog>();
  const isLog = (name: string) => name.endsWith(".log");
  let sink: ObservationSink = () => {};
  let stored: ReadonlyMap<string, string> = new Map();
  let stopped = false;
  let live = false;

  const loop = createDrainLoop(drainAll);
  const watch = createDirectoryWatch({ directory, clock, accept: isLog, onWake: loop.wake });

  async function drainAll(): Promise<void> {
    const names = logNames();
    for (const name of new Set([...names, ...logs.keys()])) {
      if (stopped) return;
      await drain(name);
    }
    tellState();
  }

  function logNames(): string[] {
    try {
      const names = new Set(readdirSync(directory).filter(isLog));
      return [...names].filter((name) => !isHelperLog(name, names));
    } catch {
      return [];
    }
  }

  async function drain(name: string): Promise<void> {
    const log = logs.get(name) ?? openLog(name);
    const result = await log.follower.drain({
      line: (line) => takeLine(name, log, line),
      skipped: ({ bytes, position }) =>
        tellGap(
          name,
          `${bytes} bytes in the middle of ${name} passed over: only its end is read`,
          resumeAt(name, log, position),
        ),
      replaced: ({ unread, offset }) => {
        if (unread && log.sameBoot) {
          tellGap(name, `${name} was replaced; what was written to it after byte ${offset} is lost`);
        }
      },
    });
    log.problem = result.state === "unreadable" ? result.why : undefined;
    if (result.state === "absent") logs.delete(name);
  }

  function openLog(name: string): FollowedLog {
    const resume = readResume(stored.get(resumeKey(name)));
    const log: FollowedLog = {
      follower: createFileFollower({
        path: join(directory, name),
        position: resume?.position,
        since: live ? undefined : since,
        ...(options.maxBacklogBytes === undefined ? {} : { maxBacklogBytes: options.maxBacklogBytes }),
      }),
      parser: createDomainLogParser({
        vm: vmOfLogFile(name),
        state: resume && { vm: resume.vm, at: resume.at },
      }),
      fresh: resume === undefined,
      sameBoot: resume?.boot === bootId || resume === undefined,
      problem: undefined,
    };
    logs.set(name, log);
    return log;
  }

  function takeLine(name: string, log: FollowedLog, line: FollowedLine): void {
    if (line.cut) keeper.skipped(1);
    const said = log.parser.line(line.text, line.offset, clock.now());
    for (const observation of said) {
      // At start an unknown log may reach back years; a known one goes on where it stopped, whichever boot that
      // was, and what is written now belongs to now, even when the clock is set back by years.
      if (log.fresh && !live && since !== undefined && observation.at < since) continue;
      tell(observation, resumeAt(name, log, line.position()));
    }
  }

  function resumeAt(name: string, log: FollowedLog, position: FilePosition): ResumePoint {
    const value = JSON.stringify({ boot: bootId, ...log.parser.state(), position });
    return { key: resumeKey(name), value };
  }

  function tell(observation: DomainLogObservation, resume: ResumePoint): void {
    const thisBoot = live || (since !== undefined && observation.at >= since);
    give({ ...observation, ...(thisBoot ? { bootId } : {}), resume });
  }

  function tellGap(name: string, detail: string, resume?: ResumePoint): void {
    give({
      kind: "gap",
      source: "domain-logs",
      at: clock.now(),
      exactTime: false,
      bootId,
      identity: `${name}:gap:${bootId}:${clock.now()}:${detail}`,
      lost: undefined,
      detail,
      ...(resume === undefined ? {} : { resume }),
    });
  }

  function give(observation: Observation): void {
    if (stopped) return;
    keeper.observed(observation.at);
    sink(observation);
  }

  function tellState(): void {
    const state = watch.state();
    if (state.state === "missing") {
      keeper.become({
        state: "waiting",
        why: `${directory} does not exist`,
        remedy: "install libvirt with its QEMU driver and start a VM once (Unraid: enable the VM manager)",
      });
      return;
    }
    if (state.state === "unreadable") {
      keeper.become({
        state: "waiting",
        why: `${directory}: ${state.why}`,
        remedy: "run vfio-watch as root",
      });
      return;
    }
    const problems = [...logs].filter(([, log]) => log.problem !== undefined);
    const unreadable = problems.map(([name, log]) => `${name}: ${log.problem}`).slice(0, 3);
    const detail = [`${logs.size} logs in ${directory}`, ...unreadable, describeWatch(watch)];
    keeper.become({ state: "live", detail: detail.filter((part) => part !== "").join("; ") });
  }

  return {
    name: "domain-logs",
    async start(to, resume) {
      sink = to;
      stored = resume;
      await watch.start();
      await loop.run();
      live = true;
    },
    async stop() {
      stopped = true;
      for (const log of logs.values()) log.follower.stop();
      await watch.stop();
      await loop.idle();
      keeper.become({ state: "stopped" });
    },
    health: keeper.health,
  };
}

function resumeKey(name: string): string {
  return `domain-log:${name}`;
}

interface StoredResume {
  readonly position: FilePosition;
  readonly boot: string | undefined;
  readonly vm: string | undefined;
  readonly at: number | undefined;
}

function readResume(value: string | undefined): StoredResume | undefined {
  if (value === undefined) return undefined;
  try {
    const stored = JSON.parse(value) as Record<string, unknown>;
    const position = readPosition(stored.position);
    if (position === undefined) return undefined;
    return {
      position,
      boot: typeof stored.boot === "string" ? stored.boot : undefined,
      vm: typeof stored.vm === "string" ? stored.vm : undefined,
      at: typeof stored.at === "number" ? stored.at : undefined,
    };
  } catch {
    return undefined;
  }
}

/** virtiofsd, swtpm and their like write `<VM>-….log` beside the VM's own log. */
function isHelperLog(name: string, names: ReadonlySet<string>): boolean {
  const vm = /^(.+?)(?:-fs\d+)?-(?:virtiofsd|swtpm|passt|slirp|dbus|vhost-user-gpu)\.log$/.exec(name)?.[1];
  return vm !== undefined && names.has(`${vm}.log`);
}
