import type { BootId, VmName } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { RunningQemu } from "../proxmox/read-vms.ts";
import { ALREADY_RUNNING, STARTED_FROM_DISK, STARTS, STOPS } from "../proxmox/task.ts";
import type { TaskMemory } from "./proxmox-resume.ts";
import type { FollowedTask, TaskLine, TaskNews, TaskResult } from "./proxmox-tasks.ts";

/** QEMU leaves its process id before it opens devices, so a VM that no task started runs only after a while (ms). */
const RUNS_AFTER_MS = 60_000;
const MOST_LINES = 2_000;

/** The kinds of tasks that start or stop VMs. */
export const KINDS_OF_TASKS: ReadonlySet<string> = new Set([...STARTS, ...Object.keys(STOPS)]);

/** A task that has not been read to its end. */
export interface OpenTask extends FollowedTask {
  /** The VM as its start has been told; undefined before. It may be gone from this node when the start has failed. */
  begun: VmDefinition | undefined;
  /** Read and not told yet. */
  lines: TaskLine[];
}

/** What tasks and processes mean for starts and runs of VMs. */
export interface ProxmoxStarts {
  /** The VMs as their configurations are now, by number. */
  learn(definitions: ReadonlyMap<string, VmDefinition>): void;
  add(task: FollowedTask): void;
  open(): readonly OpenTask[];
  follow(task: OpenTask): Promise<void>;
  /** Notices VMs that ended without a task, and gives whether one runs that no task was seen to start. */
  settleRuns(): boolean;
  isRunning(vmid: string): boolean;
  /** A VM that is renamed while it runs keeps its name until it ends, so that its run stays one. */
  definitions(): ReadonlyMap<string, VmDefinition>;
}

type Content<T = Observation> = T extends Observation ? Omit<T, "source" | "bootId"> : never;

export function createProxmoxStarts(options: {
  readonly memory: TaskMemory;
  readonly bootId: BootId;
  readonly now: () => number;
  readonly qemuOf: (vmid: string) => RunningQemu | undefined;
  /** The version of the QEMU that would be run now. */
  readonly qemuVersion: () => string | undefined;
  readonly give: (observation: Observation) => void;
}): ProxmoxStarts {
  const { memory, bootId, now, qemuOf } = options;
  const { running } = memory;
  const open = new Map<string, OpenTask>();
  let configured: ReadonlyMap<string, VmDefinition> = new Map();

  function give(content: Content): void {
    options.give({ ...content, source: "proxmox", bootId, resume: memory.resume(open.keys()) });
  }

  function definitionOf(vmid: string): VmDefinition | undefined {
    const definition = configured.get(vmid);
    const name = running.get(vmid);
    return definition === undefined || name === undefined ? definition : { ...definition, name };
  }

  function ended(vmid: string, at: number, detail: string, exactTime = true): void {
    const vm = running.get(vmid);
    if (vm === undefined) return;
    running.delete(vmid);
    const identity = `${bootId}:${vmid}:stopped:${at}`;
    give({ kind: "vm-lifecycle", at, exactTime, identity, vm, event: "stopped", detail });
  }

  const startUnderWay = (vmid: string, but?: OpenTask) =>
    [...open.values()].some((other) => other !== but && other.begun !== undefined && other.task.id === vmid);

  /** Whether the task is a try to start the VM, as far as it is known by now. */
  function isStart(entry: OpenTask, result: TaskResult | undefined): boolean {
    const { id, kind, startedAt } = entry.task;
    const qemu = qemuOf(id);
    const ranBefore = qemu !== undefined && qemu.since < startedAt;
    // Another task has started it meanwhile; a QEMU that is younger than the end was started after all this.
    const runsByAnother =
      qemu !== undefined &&
      running.has(id) &&
      (result === undefined || (result.failed && qemu.since <= result.at));
    if (ranBefore || runsByAnother) return false;
    if (ALREADY_RUNNING.test(result?.line?.text ?? "")) return false;
    if (kind === "qmresume" && !entry.lines.some(({ text }) => text === STARTED_FROM_DISK)) return false;
    return result !== undefined || !startUnderWay(id, entry);
  }

  function begin(entry: OpenTask): VmDefinition | undefined {
    const { upid, id, startedAt } = entry.task;
    // It could not begin before the last QEMU of the VM had ended.
    ended(id, startedAt, "shutdown");
    const definition = definitionOf(id);
    if (definition === undefined) return undefined;
    entry.begun = definition;
    const qemuVersion = options.qemuVersion();
    give({
      kind: "domain-log-start",
      at: startedAt,
      exactTime: true,
      identity: `${upid}:start`,
      vm: definition.name,
      ...(qemuVersion !== undefined && { qemuVersion }),
      machine: definition.machine,
      devices: definition.hostDevices.map(({ bdf }) => bdf),
      isWhole: true,
    });
    return definition;
  }

  function takeStart(entry: OpenTask, { result }: TaskNews): void {
    if (entry.begun === undefined && !isStart(entry, result)) return;
    const definition = entry.begun ?? begin(entry);
    if (definition === undefined) return;
    for (const line of entry.lines.splice(0)) giveLine(entry, definition.name, line);
    if (result === undefined) return;
    const { upid, id } = entry.task;
    // The worker may be gone, and another may have been faster, while the VM runs.
    const runs = result.line === undefined || ALREADY_RUNNING.test(result.line.text);
    if (result.failed && !(runs && qemuOf(id) !== undefined)) {
      if (result.line !== undefined) giveLine(entry, definition.name, result.line);
      const base = { at: result.at, exactTime: true, identity: `${upid}:end`, vm: definition.name };
      give({ kind: "domain-log-end", ...base, reason: "failed" });
      return;
    }
    running.set(id, definition.name);
    const base = { at: result.at, exactTime: true, identity: `${upid}:started`, vm: definition.name };
    give({ kind: "vm-lifecycle", ...base, event: "started", detail: "booted", definition });
  }

  function giveLine({ task }: OpenTask, vm: VmName, { text, offset, at }: TaskLine): void {
    give({ kind: "domain-log-line", at, exactTime: false, identity: `${task.upid}:${offset}`, vm, text });
  }

  return {
    learn(definitions) {
      configured = definitions;
    },
    add(task) {
      open.set(task.task.upid, { ...task, begun: undefined, lines: [] });
    },
    open: () => [...open.values()],
    async follow(entry) {
      const { task } = entry;
      const news = await entry.read();
      if (news.result !== undefined || news.isLost) {
        open.delete(task.upid);
        memory.done(task);
      }
      // Deleted since, moved to another node or made a template.
      if (!configured.has(task.id) && entry.begun === undefined && !running.has(task.id)) return;
      entry.lines = [...entry.lines, ...news.lines].slice(-MOST_LINES);
      const detail = STOPS[task.kind];
      if (detail === undefined) takeStart(entry, news);
      else if (news.result?.failed === false) ended(task.id, news.result.at, detail);
    },
    settleRuns() {
      let isNews = false;
      for (const vmid of [...running.keys()]) {
        if (!startUnderWay(vmid) && qemuOf(vmid) === undefined) ended(vmid, now(), "shutdown", false);
      }
      for (const [vmid, { name }] of configured) {
        if (running.has(vmid) || startUnderWay(vmid)) continue;
        const qemu = qemuOf(vmid);
        if (qemu === undefined || now() - qemu.since < RUNS_AFTER_MS) continue;
        running.set(vmid, name);
        isNews = true;
      }
      return isNews;
    },
    isRunning: (vmid) => running.has(vmid),
    definitions: () =>
      new Map(
        [...configured.keys()].flatMap((vmid) => {
          const definition = definitionOf(vmid);
          return definition === undefined ? [] : [[vmid, definition] as const];
        }),
      ),
  };
}
