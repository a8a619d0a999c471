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

/** What the end of a task says of its VM's run, in libvirt's words. Those that fail leave the VM running. */
export const STOPS: Readonly<Record<string, string>> = {
  qmstop: "destroyed",
  qmshutdown: "shutdown",
  // It only shuts down: what starts the VM again is a qmstart of its own, by `qm cleanup`.
  qmreboot: "shutdown",
  qmsuspend: "saved",
  // It runs on, on another node, or was moved while it was off.
  qmigrate: "migrated",
};

/** `hastart` is not here: it asks the cluster's manager, whose own start is a qmstart. */
export const STARTS: ReadonlySet<string> = new Set(["qmstart", "qmresume"]);

/** A VM that was suspended to disk is started by qmresume; else that task resumes a VM that runs. */
export const STARTED_FROM_DISK = "Resuming suspended VM";
export const ALREADY_RUNNING = /^TASK ERROR: VM \d+ already running$/;

/** A task as the index of `/var/log/pve/tasks` tells of it once it has ended. */
export interface IndexedTask {
  readonly task: Task;
  /** UTC epoch milliseconds, to the second. */
  readonly endedAt: number | undefined;
  /** `OK`, `WARNINGS: 2`, else what the error was; `unexpected status` where its log has no end. */
  readonly status: string | undefined;
}

/** Reads a line of `index`, `index.1` or `active`, which has a flag more; undefined for anything else. */
export function parseIndexLine(line: string): IndexedTask | undefined {
  const [, upid = "", ended, status] =
    /^(\S+)(?:\s[01])?(?:\s([0-9A-Fa-f]{8})(?:\s+(\S.*))?)?$/.exec(line.trimEnd()) ?? [];
  const task = parseUpid(upid);
  if (task === undefined) return undefined;
  return { task, endedAt: ended === undefined ? undefined : Number.parseInt(ended, 16) * 1000, status };
}

/** The last line of the task's log, as its status in the index repeats it; undefined where it tells of no end. */
export function endLineOf(status: string | undefined): string | undefined {
  if (status === undefined || status === "unexpected status" || status.startsWith("unable to get last line"))
    return undefined;
  return /^(?:OK|WARNINGS: \d+)$/.test(status) ? `TASK ${status}` : `TASK ERROR: ${status}`;
}
