import { statSync } from "node:fs";
import { join } from "node:path";
import { readNames, readText } from "../host/read-file.ts";
import { valueOr } from "../model/reading.ts";
import {
  directoryOfTask,
  endLineOf,
  type IndexedTask,
  parseIndexLine,
  parseTaskEnd,
  parseUpid,
  STARTS,
  STOPS,
  TASK_DIRECTORIES,
} from "../proxmox/task.ts";

/** Newer lines come later; a task that stands in several has ended by the last. */
const INDEXES = ["index.1", "index", "active"];
const INDEX_LIMIT = 16 * 1024 * 1024;
const LOG_LIMIT = 1024 * 1024;
const LINE_LIMIT = 4096;
const LINES_LIMIT = 500;
/** The kind of the task after which a number is free for another VM. */
export const DESTROYED = "qmdestroy";
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

/** Tasks that start, stop or destroy VMs, in order of time, by the index and by the logs that are there. */
export function readTasks(directory: string): readonly IndexedTask[] {
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

/** What one task left. */
export interface TaskLog {
  readonly lines: readonly { readonly text: string; readonly offset: number }[];
  /** The last line, where it tells of an end. */
  readonly end: string | undefined;
  readonly endedAt: number;
}

/** What a task's log says; of one that is gone, or for which there is no room, the index has the end. */
export function readTaskLog(
  directory: string,
  { task, endedAt, status }: IndexedTask,
  room: number,
): TaskLog {
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

/** When a file was written last, UTC epoch milliseconds. */
export function writtenAt(path: string): number | undefined {
  try {
    return Math.round(statSync(path).mtimeMs);
  } catch {
    return undefined;
  }
}
