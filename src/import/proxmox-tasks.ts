import { statSync } from "node:fs";
import { join } from "node:path";
import { readNames, readText } from "../host/read-file.ts";
import type { HostPaths } from "../host-paths.ts";
import { type VmName, vmName } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import { valueOr } from "../model/reading.ts";
import { configurationFile, nodeName, type ProxmoxVm, readProxmoxVms } from "../proxmox/read-vms.ts";
import {
  ALREADY_RUNNING,
  directoryOfTask,
  endLineOf,
  type IndexedTask,
  parseIndexLine,
  parseTaskEnd,
  parseUpid,
  STARTED_FROM_DISK,
  STARTS,
  STOPS,
  TASK_DIRECTORIES,
} from "../proxmox/task.ts";
import { COST_OF_A_RECORD, counted, createNotes, type ImportLimits } from "./limits.ts";
import type { Material, PastObservation } from "./past-boot.ts";

/** Newer lines come later; a task that stands in several has ended by the last. */
const INDEXES = ["index.1", "index", "active"];
const INDEX_LIMIT = 16 * 1024 * 1024;
const LOG_LIMIT = 1024 * 1024;
const LINE_LIMIT = 4096;
const LINES_LIMIT = 500;
const DESTROYED = "qmdestroy";
/** A VM's configuration is written a moment after the time in it (ms). */
const MADE_WITHIN = 60_000;

type Content<T = Observation> = T extends Observation ? Omit<T, "source"> : never;

/** Whether a directory is Proxmox's archive of tasks, or a copy of it. */
export function looksLikeTasks(directory: string): boolean {
  const names = valueOr(readNames(directory), []);
  const isIndex = (name: string) =>
    valueOr(readText(join(directory, name), INDEX_LIMIT), "")
      .split("\n", 1)
      .some((line) => parseIndexLine(line) !== undefined);
  if (INDEXES.some((name) => names.includes(name) && isIndex(name))) return true;
  return TASK_DIRECTORIES.some(
    (digit) => names.includes(digit) && valueOr(readNames(join(directory, digit)), []).some(parseUpid),
  );
}

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
    const log = readLog(directory, indexed, room);
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

/** Tasks that start, stop or destroy VMs, in order of time, by the index and by the logs that are there. */
function readTasks(directory: string): readonly IndexedTask[] {
  const found = new Map<string, IndexedTask>();
  const isWanted = (kind: string) => STARTS.has(kind) || kind in STOPS || kind === DESTROYED;
  for (const name of INDEXES) {
    for (const line of valueOr(readText(join(directory, name), INDEX_LIMIT), "").split("\n")) {
      const indexed = parseIndexLine(line);
      if (indexed === undefined || !isWanted(indexed.task.kind)) continue;
      if (indexed.endedAt !== undefined || !found.has(indexed.task.upid))
        found.set(indexed.task.upid, indexed);
    }
  }
  for (const digit of TASK_DIRECTORIES) {
    for (const name of valueOr(readNames(join(directory, digit)), [])) {
      const task = parseUpid(name);
      if (task !== undefined && isWanted(task.kind) && !found.has(name))
        found.set(name, { task, endedAt: undefined, status: undefined });
    }
  }
  return [...found.values()].sort(
    (a, b) => a.task.startedAt - b.task.startedAt || (a.task.upid < b.task.upid ? -1 : 1),
  );
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

interface TaskLog {
  readonly lines: readonly { readonly text: string; readonly offset: number }[];
  /** The last line, where it tells of an end. */
  readonly end: string | undefined;
  readonly endedAt: number;
}

/** What a task's log says; of one that is gone, or for which there is no room, the index has the end. */
function readLog(directory: string, { task, endedAt, status }: IndexedTask, room: number): TaskLog {
  const path = join(directory, directoryOfTask(task.upid) ?? "", task.upid);
  const text = room > 0 ? readText(path, LOG_LIMIT) : undefined;
  const indexEnd = endLineOf(status);
  const ended = Math.max(task.startedAt, endedAt ?? writtenAt(path) ?? task.startedAt);
  if (text?.state !== "read") return { lines: [], end: indexEnd, endedAt: ended };
  const lines: { readonly text: string; readonly offset: number }[] = [];
  let offset = 0;
  for (const line of text.value.split("\n")) {
    if (line.trim() !== "") lines.push({ text: line.slice(0, LINE_LIMIT).toWellFormed(), offset });
    offset += Buffer.byteLength(line) + 1;
  }
  const last = lines.at(-1)?.text;
  const end = last !== undefined && parseTaskEnd(last) !== undefined ? last : indexEnd;
  return { lines: lines.slice(-LINES_LIMIT), end, endedAt: ended };
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

function writtenAt(path: string): number | undefined {
  try {
    return Math.round(statSync(path).mtimeMs);
  } catch {
    return undefined;
  }
}

function changedAt(paths: HostPaths, vmid: string): number {
  return writtenAt(paths.at(configurationFile(vmid))) ?? Number.POSITIVE_INFINITY;
}
