import { type BootId, type VmName, vmName } from "../model/identifiers.ts";
import type { ResumePoint } from "../model/observation.ts";
import type { ResumePoints } from "../model/source.ts";
import type { Task } from "../proxmox/task.ts";

const KEY = "proxmox-tasks";
/** A task is named after the second in which it is forked, and its log may be seen a little later than a younger one's (ms). */
const OUT_OF_ORDER_MS = 10_000;
const MOST_REMEMBERED = 256;

/** Which tasks of this boot have been read to their end, and which VMs run: what a restarted service has to know. */
export interface TaskMemory {
  /** VMs that run, by number, each with the name it had when it was started. */
  readonly running: Map<string, VmName>;
  /** Whether the task was read to its end. */
  isDone(task: Task): boolean;
  done(task: Task): void;
  /** Where to go on; `open` are the tasks that are not read to their end. */
  resume(open: Iterable<string>): ResumePoint;
}

/** Takes up what an earlier run of the service in this boot stored; of another boot nothing counts. */
export function createTaskMemory(bootId: BootId, resume: ResumePoints): TaskMemory {
  const stored = readStored(resume.get(KEY), bootId);
  const running = new Map(stored.running);
  const unfinished = new Set(stored.open);
  let through = stored.through;
  let recent: readonly string[] = stored.recent;

  return {
    running,
    isDone: ({ upid, startedAt }) =>
      startedAt < through - OUT_OF_ORDER_MS ? !unfinished.has(upid) : recent.includes(upid),
    done({ upid, startedAt }) {
      through = Math.max(through, startedAt);
      unfinished.delete(upid);
      recent = [...recent, upid].slice(-MOST_REMEMBERED);
    },
    resume: (open) => ({
      key: KEY,
      value: JSON.stringify({
        boot: bootId,
        through,
        recent: recent.filter((upid) => startOf(upid) >= through - OUT_OF_ORDER_MS),
        open: [...open].slice(0, MOST_REMEMBERED),
        running: [...running],
      }),
    }),
  };
}

interface Stored {
  readonly through: number;
  readonly recent: readonly string[];
  readonly open: readonly string[];
  readonly running: readonly (readonly [string, VmName])[];
}

function readStored(value: string | undefined, bootId: BootId): Stored {
  const nothing: Stored = { through: 0, recent: [], open: [], running: [] };
  try {
    const stored = JSON.parse(value ?? "null") as Record<string, unknown> | null;
    if (stored?.boot !== bootId) return nothing;
    const texts = (list: unknown) =>
      Array.isArray(list) ? list.filter((entry): entry is string => typeof entry === "string") : [];
    const pairs = Array.isArray(stored.running) ? stored.running : [];
    return {
      through: typeof stored.through === "number" ? stored.through : 0,
      recent: texts(stored.recent),
      open: texts(stored.open),
      running: pairs
        .map(texts)
        .flatMap(([vmid, name]) =>
          vmid === undefined || name === undefined ? [] : [[vmid, vmName(name)] as const],
        ),
    };
  } catch {
    return nothing;
  }
}

/** The start time in a task's name, UTC epoch milliseconds. */
function startOf(upid: string): number {
  return Number.parseInt(upid.split(":")[4] ?? "", 16) * 1000;
}
