import type { Clock } from "../clock.ts";
import type { HostPaths } from "../host-paths.ts";
import type { VmStatus } from "../model/host-state.ts";
import type { BootId } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import type { ObservationSink, Source } from "../model/source.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { installedVersion } from "../proxmox/installed-package.ts";
import { movedStatus, numberIn, readMovedVms } from "../proxmox/moved-vms.ts";
import {
  PID_FILES,
  type ProcessCheck,
  type ProxmoxVm,
  processExists,
  readProxmoxVms,
  runningQemu,
} from "../proxmox/read-vms.ts";
import { TASKS } from "../proxmox/task.ts";
import { createDirectoryWatch, describeWatch } from "./directory-watch.ts";
import { createDrainLoop } from "./drain-loop.ts";
import { liveState } from "./followed-logs.ts";
import { createTaskMemory } from "./proxmox-resume.ts";
import { createProxmoxStarts, KINDS_OF_TASKS, type ProxmoxStarts } from "./proxmox-starts.ts";
import { createProxmoxTasks, type ProxmoxTasks } from "./proxmox-tasks.ts";
import { createHealthKeeper } from "./source-state.ts";

export interface ProxmoxOptions {
  readonly paths: HostPaths;
  readonly clock: Clock;
  readonly bootId: BootId;
  /** When this boot began (UTC epoch milliseconds, less some slack): older tasks are passed over. Undefined: none. */
  readonly since?: number;
  readonly isAlive?: ProcessCheck;
}

const VMS_KEY = "proxmox-vms";
/** Proxmox tells of a task that begins or ends by `active` only, and what kvm writes meanwhile is looked for (ms). */
const LOOK_WHILE_OPEN_MS = 1_000;
/** pve-cluster comes up at boot at about the same time, and the VMs with autostart soon after it (ms). */
const LOOK_FOR_VMS_MS = 5_000;

/**
 * Proxmox VE, which runs QEMU without libvirt. Its starts and stops of VMs are tasks, and a task's log holds what
 * QEMU said and how it ended; the VMs are in the configurations of the cluster's file system, and QEMU's process id
 * tells which of them run.
 */
export function createProxmoxSource(options: ProxmoxOptions): Source {
  const { paths, clock, bootId, since, isAlive = processExists } = options;
  const keeper = createHealthKeeper({ name: "proxmox", clock });
  const directory = paths.at(TASKS);
  const loop = createDrainLoop(look);
  const taskWatch = createDirectoryWatch({
    directory,
    clock,
    accept: (name) => name === "active",
    onWake: loop.wake,
  });
  const runWatch = createDirectoryWatch({
    directory: paths.at(PID_FILES),
    clock,
    accept: (name) => name.endsWith(".pid"),
    onWake: loop.wake,
  });
  let sink: ObservationSink = () => {};
  let tasks: ProxmoxTasks | undefined;
  let starts: ProxmoxStarts | undefined;
  let told = "";
  /** The VMs that are here or have been, by number and identity: those that are not here may have moved. */
  let known: ReadonlyMap<string, string> = new Map();
  let moved: readonly VmDefinition[] = [];
  /** What the VMs have that run; their next starts may get something else. */
  let inForce: ReadonlyMap<string, VmDefinition> = new Map();
  let stopped = false;
  let cancelLook = () => {};
  /** Nothing is known to have happened: only the tasks that are open are looked at. */
  let isForOpenTasks = false;

  function give(observation: Observation): void {
    if (stopped) return;
    keeper.observed(observation.at);
    sink(observation);
  }

  function tellGap(what: string): void {
    const at = clock.now();
    const identity = `gap:${bootId}:${at}:${what}`;
    const detail = `Proxmox's task log: ${what} passed over`;
    give({ kind: "gap", source: "proxmox", at, exactTime: false, bootId, identity, lost: undefined, detail });
  }

  function lookAgainIn(milliseconds: number, isForTasks: boolean): void {
    cancelLook();
    cancelLook = clock.after(milliseconds, () => {
      isForOpenTasks = isForTasks;
      loop.wake();
    });
  }

  async function look(): Promise<void> {
    if (stopped || starts === undefined || tasks === undefined) return;
    const found = tasks.discover();
    for (const task of found) starts.add(task);
    const isQuick = isForOpenTasks && found.length === 0;
    isForOpenTasks = false;
    if (!isQuick && !learnVms(starts)) return;
    for (const task of starts.open()) {
      if (stopped) return;
      await starts.follow(task);
    }
    const isNews = starts.settleRuns();
    tellInventory(starts.definitions(), isNews);
    if (starts.open().length > 0) lookAgainIn(LOOK_WHILE_OPEN_MS, true);
    tellState(starts.definitions().size);
  }

  /** False where they cannot be read: the tasks wait until it is known what they are about. */
  function learnVms(of: ProxmoxStarts): boolean {
    const vms = readProxmoxVms(paths);
    if (vms.state === "read") {
      of.learn(new Map(vms.value.map(({ vmid, definition }) => [vmid, definition])));
      inForce = new Map(vms.value.map(({ vmid, running }) => [vmid, running]));
      learnMoved(vms.value);
      return true;
    }
    const why = vms.state === "unreadable" ? vms.why : "there are no configurations of VMs";
    const remedy = "it is looked for again; run vfio-watch as root, and see 'systemctl status pve-cluster'";
    keeper.become({ state: "waiting", why, remedy });
    lookAgainIn(LOOK_FOR_VMS_MS, false);
    return false;
  }

  /** A VM that was here and is on another node has moved; one that is on none is gone. */
  function learnMoved(here: readonly ProxmoxVm[]): void {
    const local = new Map(here.map(({ vmid, definition }) => [vmid, definition.uuid]));
    const away = new Map([...known].filter(([vmid, identity]) => local.get(vmid) !== identity));
    const found = readMovedVms(paths, away);
    // While it cannot be read nobody has moved on or come back.
    if (found.state === "read") moved = found.value;
    known = new Map([...moved.map(({ uuid }) => [numberIn(uuid), uuid] as const), ...local]);
  }

  /** pmxcfs has no inotify: what the configurations say is compared with what was told last. */
  function tellInventory(definitions: ReadonlyMap<string, VmDefinition>, isNews: boolean): void {
    const content = JSON.stringify([[...definitions], [...inForce], moved]);
    if (content === told && !isNews) return;
    told = content;
    const at = clock.now();
    give({
      kind: "vm-inventory",
      source: "proxmox",
      at,
      exactTime: false,
      bootId,
      identity: `inventory:${bootId}:${at}`,
      resume: { key: VMS_KEY, value: JSON.stringify([...known]) },
      vms: [
        ...[...definitions].map(([vmid, definition]) => statusOf(vmid, definition)),
        ...moved.map((definition) => movedStatus(definition)),
      ],
    });
  }

  function statusOf(vmid: string, definition: VmDefinition): VmStatus {
    if (!starts?.isRunning(vmid))
      return { definition, state: { state: "shutoff", reason: "QEMU does not run" } };
    const running = { ...(inForce.get(vmid) ?? definition), name: definition.name };
    return { definition, state: { state: "running", reason: "QEMU runs" }, running };
  }

  function tellState(count: number): void {
    const state = taskWatch.state();
    if (state.state === "unreadable") {
      keeper.become({
        state: "waiting",
        why: `${directory}: ${state.why}`,
        remedy: "run vfio-watch as root",
      });
      return;
    }
    const where = state.state === "missing" ? `no task yet in ${directory}` : `tasks in ${directory}`;
    keeper.become(
      liveState([
        `${count === 1 ? "1 VM" : `${count} VMs`}, ${where}`,
        tasks?.problem() ?? "",
        describeWatch(taskWatch),
      ]),
    );
  }

  return {
    name: "proxmox",
    async start(to, resume) {
      sink = to;
      const memory = createTaskMemory(bootId, resume);
      known = readKnown(resume.get(VMS_KEY));
      tasks = createProxmoxTasks({
        directory,
        kinds: KINDS_OF_TASKS,
        isWanted: (task) => (since === undefined || task.startedAt >= since) && !memory.isDone(task),
        isAlive,
        passedOver(what) {
          keeper.skipped(1);
          tellGap(what);
        },
      });
      starts = createProxmoxStarts({
        memory,
        bootId,
        now: clock.now,
        qemuVersion: () => installedVersion(paths, "pve-qemu-kvm"),
        qemuOf: (vmid) => runningQemu(paths, vmid, isAlive),
        give,
      });
      await taskWatch.start();
      await runWatch.start();
      await loop.run();
    },
    async stop() {
      stopped = true;
      cancelLook();
      await Promise.all([taskWatch.stop(), runWatch.stop()]);
      await loop.idle();
      keeper.become({ state: "stopped" });
    },
    health: keeper.health,
  };
}

function readKnown(stored: string | undefined): ReadonlyMap<string, string> {
  try {
    const pairs: unknown = JSON.parse(stored ?? "[]");
    const isPair = (pair: unknown): pair is readonly [string, string] =>
      Array.isArray(pair) && typeof pair[0] === "string" && typeof pair[1] === "string";
    return new Map(Array.isArray(pairs) ? pairs.filter(isPair) : []);
  } catch {
    return new Map();
  }
}
