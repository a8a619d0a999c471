import type { HostPaths } from "../host-paths.ts";
import { type VmName, vmName } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import { valueOr } from "../model/reading.ts";
import { configurationFile, nodeName, type ProxmoxVm, readProxmoxVms } from "../proxmox/read-vms.ts";
import {
  ALREADY_RUNNING,
  type IndexedTask,
  parseTaskEnd,
  STARTED_FROM_DISK,
  STARTS,
  STOPS,
} from "../proxmox/task.ts";
import { COST_OF_A_RECORD, counted, createNotes, type ImportLimits } from "./limits.ts";
import type { Material, PastObservation } from "./past-boot.ts";
import { DESTROYED, readTaskLog, readTasks, type TaskLog, writtenAt } from "./task-archive.ts";

/** A VM's configuration is written a moment after the time in it (ms). */
const MADE_WITHIN = 60_000;

type Content<T = Observation> = T extends Observation ? Omit<T, "source"> : never;

/**
 * Reads the starts and stops of VMs out of Proxmox's archive of tasks: its index tells of each task when it ended and how,
 * its logs what was said. What they mean is what it means to the service. A log names neither the VM nor its devices: on
 * the node itself both are as its configurations say now.
 */
export function readTaskArchive(
  directory: string,
  { paths, limits }: { readonly paths: HostPaths; readonly limits: ImportLimits },
): Material | string {
  const all = readTasks(directory);
  if (all.length === 0) return "There is no task of a VM in it.";
  const notes = createNotes();
  const tasks = all.slice(-limits.starts);
  if (tasks.length < all.length)
    notes.add(
      `The oldest ${counted(all.length - tasks.length, "task")} of VMs left out: at most ${counted(limits.starts, "task")} are taken in at once.`,
    );
  const node = nodeName(paths);
  const isOwn = node !== "" && tasks.some(({ task: { upid } }) => upid.split(":")[1] === node);
  const vms = isOwn ? valueOr(readProxmoxVms(paths), []) : [];
  const names = createNames(all, vms);
  let room = limits.keptText;
  let unended = 0;
  let asNow = 0;
  const told: Observation[][] = [];
  // The newest first, should there not be room for what all of them said.
  for (const indexed of tasks.toReversed()) {
    const { task } = indexed;
    const log = readTaskLog(directory, indexed, room);
    room -= log.lines.reduce((sum, line) => sum + line.text.length + COST_OF_A_RECORD, COST_OF_A_RECORD);
    const detail = STOPS[task.kind];
    const end = log.end === undefined ? undefined : parseTaskEnd(log.end);
    if (detail !== undefined) {
      if (end?.failed !== false) continue;
      const base = { at: log.endedAt, exactTime: true, identity: `${task.upid}:stopped` };
      told.push(
        give([
          { kind: "vm-lifecycle", ...base, vm: names(task.id, task.startedAt), event: "stopped", detail },
        ]),
      );
    } else if (STARTS.has(task.kind) && isStart(task.kind, log)) {
      const vm = vms.find(
        ({ vmid, createdAt = 0 }) => vmid === task.id && createdAt <= task.startedAt + MADE_WITHIN,
      );
      const isSame = vm !== undefined && vm.definition.name === names(task.id, task.startedAt);
      const isUnchanged = isSame && changedAt(paths, task.id) <= task.startedAt;
      if (end === undefined) unended += 1;
      else
        told.push(
          give(startTold(indexed, log, names(task.id, task.startedAt), isUnchanged ? vm : undefined)),
        );
      if (isSame && !isUnchanged && vm.definition.hostDevices.length > 0) asNow += 1;
    }
  }
  if (unended > 0)
    notes.add(`${counted(unended, "start")} left out whose task was killed: nobody wrote down how it went.`);
  if (asNow > 0)
    notes.add(
      `Of ${counted(asNow, "start")} the devices are those that the VM has now: its configuration was changed since, and the logs of good starts name none.`,
    );
  const loose = told
    .reverse()
    .flat()
    .map((observation): PastObservation => ({ observation, count: 1 }));
  return { boots: [], loose, definitions: vms.map(({ definition }) => definition), notes: notes.list() };
}

/**
 * What the VM of a number was called at a time. A number is given to another VM once the first is destroyed, of which
 * nothing is left but that.
 */
function createNames(
  tasks: readonly IndexedTask[],
  vms: readonly ProxmoxVm[],
): (vmid: string, at: number) => VmName {
  const destroyed = tasks.filter(
    ({ task, status }) => task.kind === DESTROYED && (status === "OK" || status?.startsWith("WARNINGS")),
  );
  return (vmid, at) => {
    const end = destroyed.find(({ task }) => task.id === vmid && task.startedAt >= at);
    if (end !== undefined) return vmName(`${vmid} (destroyed ${minuteOf(end.task.startedAt)})`);
    const vm = vms.find((one) => one.vmid === vmid);
    if (vm === undefined) return vmName(vmid);
    const { createdAt = 0, definition } = vm;
    return createdAt > at + MADE_WITHIN ? vmName(`${vmid} (before ${minuteOf(createdAt)})`) : definition.name;
  };
}

function minuteOf(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace("T", " ");
}

/** Of tasks that only resume a VM, or find it running, nothing was started. */
function isStart(kind: string, { lines, end = "" }: TaskLog): boolean {
  if (ALREADY_RUNNING.test(end)) return false;
  return kind !== "qmresume" || lines.some(({ text }) => text === STARTED_FROM_DISK);
}

function startTold(
  { task: { upid, startedAt } }: IndexedTask,
  { lines, end = "", endedAt }: TaskLog,
  vm: VmName,
  unchanged: ProxmoxVm | undefined,
): readonly Content[] {
  const failed = parseTaskEnd(end)?.failed === true;
  const said = lines.filter(({ text }) => text !== end || failed);
  const isSaid = said.some(({ text }) => text === end);
  return [
    {
      kind: "domain-log-start",
      at: startedAt,
      exactTime: true,
      identity: `${upid}:start`,
      vm,
      ...(unchanged !== undefined && { machine: unchanged.definition.machine }),
      devices: unchanged?.definition.hostDevices.map(({ bdf }) => bdf) ?? [],
      isWhole: unchanged !== undefined,
    },
    ...[...said, ...(failed && !isSaid ? [{ text: end, offset: 0 }] : [])].map(
      ({ text, offset }): Content => ({
        kind: "domain-log-line",
        at: endedAt,
        exactTime: false,
        identity: `${upid}:${offset}`,
        vm,
        text,
      }),
    ),
    failed
      ? {
          kind: "domain-log-end",
          at: endedAt,
          exactTime: true,
          identity: `${upid}:end`,
          vm,
          reason: "failed",
        }
      : {
          kind: "vm-lifecycle",
          ...{ at: endedAt, exactTime: true, identity: `${upid}:started`, vm },
          ...{ event: "started", detail: "booted" },
        },
  ];
}

function give(contents: readonly Content[]): Observation[] {
  return contents.map((content): Observation => ({ ...content, source: "proxmox" }));
}

function changedAt(paths: HostPaths, vmid: string): number {
  return writtenAt(paths.at(configurationFile(vmid))) ?? Number.POSITIVE_INFINITY;
}
