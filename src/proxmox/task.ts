/** A task of Proxmox: each is a worker process with a log file that is named after it. */
export interface Task {
  /** `UPID:pve:00002BF8:0002E7BB:6B0B60AB:qmstart:101:root@pam:`, unique in the cluster. */
  readonly upid: string;
  readonly pid: number;
  /** UTC epoch milliseconds, to the second. */
  readonly startedAt: number;
  /** e.g. `qmstart`, `qmshutdown`, `vzdump`. */
  readonly kind: string;
  /** What it is about: for a VM's task its number. */
  readonly id: string;
}

/** How a task ended, by the last line of its log. */
export interface TaskEnd {
  readonly failed: boolean;
  /** The line as it stands, e.g. `TASK ERROR: start failed: QEMU exited with code 1`. */
  readonly line: string;
}

const UPID =
  /^UPID:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?:([0-9A-Fa-f]{8}):[0-9A-Fa-f]{8,9}:([0-9A-Fa-f]{8}):([^:\s/]{1,64}):([^:\s/]{0,64}):[^:\s/]{1,256}:$/;

/** Where Proxmox keeps the logs of some thousand tasks, and an index of those that have ended. */
export const TASKS = "/var/log/pve/tasks";

/** The directories under `/var/log/pve/tasks`: a log is in the one named after the last digit of its start time. */
export const TASK_DIRECTORIES: readonly string[] = [..."0123456789ABCDEF"];

/** Reads the name of a task's log; undefined for anything else. */
export function parseUpid(name: string): Task | undefined {
  const [, pid, started, kind, id] = UPID.exec(name) ?? [];
  if (pid === undefined || started === undefined || kind === undefined || id === undefined) return undefined;
  const startedAt = Number.parseInt(started, 16) * 1000;
  return { upid: name, pid: Number.parseInt(pid, 16), startedAt, kind, id };
}

/** The directory below `/var/log/pve/tasks` that the log of this task is in: the last digit of its start time. */
export function directoryOfTask(upid: string): string | undefined {
  return upid.split(":")[4]?.at(-1)?.toUpperCase();
}

/** The end of a task, where the line tells of one. A task that ended with warnings has succeeded. */
export function parseTaskEnd(line: string): TaskEnd | undefined {
  if (/^TASK (?:OK|WARNINGS: \d{1,9})$/.test(line)) return { failed: false, line };
  return line.startsWith("TASK ERROR: ") ? { failed: true, line } : undefined;
}
