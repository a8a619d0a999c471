import { readdirSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../clock.ts";
import type { HostPaths } from "../host-paths.ts";
import type { BootId } from "../model/identifiers.ts";
import type { Source } from "../model/source.ts";
import { createDirectoryWatch, describeWatch } from "./directory-watch.ts";
import {
  createDomainLogParser,
  type DomainLogParser,
  type DomainLogParserState,
  vmOfLogFile,
} from "./domain-logs-parser.ts";
import { createDrainLoop } from "./drain-loop.ts";
import { createFollowedLogs, liveState, problemsOf, type StoredLog } from "./followed-logs.ts";
import { createHealthKeeper } from "./source-state.ts";

/** Logs are read for so long at a time; then what else waits has its turn (ms). */
const TURN_MS = 20;

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

/** The VMs' logs, `/var/log/libvirt/qemu/*.log`, each followed through rotation and truncation. */
export function createDomainLogsSource(options: DomainLogsOptions): Source {
  const { clock } = options;
  const directory = options.paths.at(options.directory ?? "/var/log/libvirt/qemu");
  const keeper = createHealthKeeper({ name: "domain-logs", clock });
  const isLog = (name: string) => name.endsWith(".log");
  let stopped = false;

  const logs = createFollowedLogs<DomainLogParser>({
    source: "domain-logs",
    key: "domain-log",
    directory,
    clock,
    bootId: options.bootId,
    since: options.since,
    maxBacklogBytes: options.maxBacklogBytes,
    keeper,
    makeParser: (name, stored) =>
      createDomainLogParser({ vm: vmOfLogFile(name), state: stored && parserStateOf(stored) }),
    remember: (parser) => parser.state(),
    line(log, line) {
      for (const said of log.parser.line(line.text, line.offset, clock.now()))
        logs.tell(log, said, line.position());
    },
  });
  const loop = createDrainLoop(drainAll);
  const watch = createDirectoryWatch({ directory, clock, accept: isLog, onWake: loop.wake });

  async function drainAll(): Promise<void> {
    let since = performance.now();
    for (const name of new Set([...logNames(), ...logs.all().map((log) => log.name)])) {
      if (stopped) return;
      await logs.drain(name);
      // A hundred VMs that fail at one moment have a hundred logs.
      if (performance.now() - since > TURN_MS) {
        await nextTurn();
        since = performance.now();
      }
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
    const all = logs.all();
    const unreadable = problemsOf(all).slice(0, 3);
    keeper.become(liveState([`${all.length} logs in ${directory}`, ...unreadable, describeWatch(watch)]));
  }

  return {
    name: "domain-logs",
    async start(to, resume) {
      logs.open(to, resume);
      await watch.start();
      await loop.run();
      logs.becomeLive();
    },
    async stop() {
      stopped = true;
      logs.close();
      await watch.stop();
      await loop.idle();
      keeper.become({ state: "stopped" });
    },
    health: keeper.health,
  };
}

function parserStateOf({ vm, at }: StoredLog): DomainLogParserState {
  return {
    vm: typeof vm === "string" ? vm : undefined,
    at: typeof at === "number" ? at : undefined,
  };
}

/** virtiofsd, swtpm and their like write `<VM>-….log` beside the VM's own log. */
function isHelperLog(name: string, names: ReadonlySet<string>): boolean {
  const vm = /^(.+?)(?:-fs\d+)?-(?:virtiofsd|swtpm|passt|slirp|dbus|vhost-user-gpu)\.log$/.exec(name)?.[1];
  return vm !== undefined && names.has(`${vm}.log`);
}
