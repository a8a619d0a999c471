import { statSync } from "node:fs";
import { join } from "node:path";
import { readNames } from "../host/read-file.ts";
import type { ProcessCheck } from "../proxmox/read-vms.ts";
import { parseTaskEnd, parseUpid, TASK_DIRECTORIES, type Task } from "../proxmox/task.ts";
import { createFileFollower } from "./file-follower.ts";

/** A line of a task's log. */
export interface TaskLine {
  readonly text: string;
  /** Where it begins, in bytes. */
  readonly offset: number;
  /** When it had been written at the latest, UTC epoch milliseconds: the logs have no time stamps. */
  readonly at: number;
}

/** What came of a task: the last line of its log, or none where its worker is gone without one. */
export interface TaskResult {
  readonly failed: boolean;
  readonly line: TaskLine | undefined;
  readonly at: number;
}

/** What a task's log says since it was last read. */
export interface TaskNews {
  readonly lines: readonly TaskLine[];
  readonly result: TaskResult | undefined;
  /** The log is gone or cannot be read: nothing more is to be expected. */
  readonly isLost: boolean;
}

export interface FollowedTask {
  readonly task: Task;
  /** Reads on. Never rejects; not to be called again once it gave a result or is lost. */
  read(): Promise<TaskNews>;
}

/** The logs of the tasks of some kinds. */
export interface ProxmoxTasks {
  /** The tasks that have come since the last look, in the order in which they began. */
  discover(): readonly FollowedTask[];
  /** What is in the way, for `status`. */
  problem(): string | undefined;
}

const MAX_TEXT = 4096;
/** A directory is known by its time stamp only when that is older than the file system's resolution (ms). */
const RESOLUTION_MS = 2_000;

/** The logs of the wanted kinds in one directory, as they were last seen. */
interface Listing {
  readonly stamp: number;
  readonly isSettled: boolean;
  readonly names: ReadonlySet<string>;
}

/**
 * Makes the reader of `/var/log/pve/tasks`. Proxmox keeps the logs of some thousand tasks there, whose names tell
 * time, kind and VM, so that only those of `kinds` are ever opened. What was there at the first look is passed over
 * where `isWanted` says so; what comes later is of now, whatever its time says.
 */
export function createProxmoxTasks(options: {
  readonly directory: string;
  readonly kinds: ReadonlySet<string>;
  readonly isWanted: (task: Task) => boolean;
  readonly isAlive: ProcessCheck;
  /** Bytes or lines that are passed over. */
  readonly passedOver: (what: string) => void;
}): ProxmoxTasks {
  const { directory, isAlive } = options;
  const listings = new Map<string, Listing>();
  let isFirstLook = true;
  let problem: string | undefined;

  function newIn(place: string): readonly { readonly task: Task; readonly path: string }[] {
    const stamp = modifiedAt(place);
    const before = listings.get(place);
    if (before?.stamp === stamp && before?.isSettled) return [];
    const names = readNames(place);
    if (names.state === "unreadable") problem = `${place}: ${names.why}`;
    if (names.state !== "read" || stamp === undefined) return [];
    const present = new Set<string>();
    const found: { readonly task: Task; readonly path: string }[] = [];
    for (const name of names.value) {
      const isKnown = before?.names.has(name) ?? false;
      const task = isKnown ? undefined : parseUpid(name);
      if (!isKnown && !options.kinds.has(task?.kind ?? "")) continue;
      present.add(name);
      if (task !== undefined && (!isFirstLook || options.isWanted(task)))
        found.push({ task, path: join(place, name) });
    }
    // The machine's own clock, because the stamp is of it.
    listings.set(place, { stamp, isSettled: Date.now() - stamp > RESOLUTION_MS, names: present });
    return found;
  }

  function follow(task: Task, path: string): FollowedTask {
    const follower = createFileFollower({ path, maxBacklogBytes: 1024 * 1024 });
    return {
      task,
      async read() {
        // Asked before the log is read, so that what the worker wrote last is read.
        const isOver = !isAlive(task.pid);
        const found: Omit<TaskLine, "at">[] = [];
        const drained = await follower.drain({
          line({ text, offset, cut }) {
            if (cut) options.passedOver(`a part of a line of ${task.upid}`);
            if (text.trim() !== "") found.push({ text: text.slice(0, MAX_TEXT).toWellFormed(), offset });
          },
          skipped: ({ bytes }) => options.passedOver(`${bytes} bytes in the middle of ${task.upid}`),
          replaced: () => {},
        });
        if (drained.state !== "read") {
          options.passedOver(`${task.upid} (${drained.state === "unreadable" ? drained.why : "deleted"})`);
          return { lines: [], result: undefined, isLost: true };
        }
        const at = Math.max(task.startedAt, modifiedAt(path) ?? 0);
        const lines = found.map((line) => ({ ...line, at }));
        const last = lines.at(-1);
        // Only as the last line it is the end: a hook script may print anything before.
        const end = parseTaskEnd(last?.text ?? "");
        if (last !== undefined && end !== undefined)
          return { lines: lines.slice(0, -1), result: { failed: end.failed, line: last, at }, isLost: false };
        return { lines, result: isOver ? { failed: true, line: undefined, at } : undefined, isLost: false };
      },
    };
  }

  return {
    discover() {
      problem = undefined;
      const found = TASK_DIRECTORIES.flatMap((digit) => newIn(join(directory, digit)));
      isFirstLook = false;
      return found
        .toSorted((a, b) => a.task.startedAt - b.task.startedAt || (a.task.upid < b.task.upid ? -1 : 1))
        .map(({ task, path }) => follow(task, path));
    },
    problem: () => problem,
  };
}

function modifiedAt(path: string): number | undefined {
  try {
    return Math.round(statSync(path).mtimeMs);
  } catch {
    return undefined;
  }
}
