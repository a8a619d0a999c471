import { readdirSync, readFileSync } from "node:fs";

/** Memory of one process, in MB of 1024 × 1024 bytes. */
export interface MemoryFigures {
  readonly resident: number;
  /** Anonymous pages: what no other process could share. */
  readonly anonymous: number;
  /** Private pages, files of its own included (Private_Clean + Private_Dirty). */
  readonly private: number;
  /** Its share of everything (PSS). */
  readonly proportional: number;
}

export function memoryOf(pid: number): MemoryFigures {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
  const kilobytes = (text: string, name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN);
  return {
    resident: kilobytes(status, "VmRSS") / 1024,
    anonymous: kilobytes(status, "RssAnon") / 1024,
    private: (kilobytes(rollup, "Private_Clean") + kilobytes(rollup, "Private_Dirty")) / 1024,
    proportional: kilobytes(rollup, "Pss") / 1024,
  };
}

/** The process and all that descend from it and live. */
export function familyOf(pid: number): readonly number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1").split(" ").filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap((child) => familyOf(child))];
}

/**
 * Processor time of the process and its children in seconds, to the nanosecond from the scheduler (`/proc/PID/stat`
 * counts in ticks of 10 ms, of which the budget of a minute has three).
 */
export function processorSecondsOf(pid: number): number {
  let nanoseconds = 0;
  for (const member of familyOf(pid)) {
    for (const thread of readdirSync(`/proc/${member}/task`)) {
      const schedule = readFileSync(`/proc/${member}/task/${thread}/schedstat`, "latin1");
      nanoseconds += Number(schedule.split(" ")[0]);
    }
  }
  return nanoseconds / 1e9;
}

/** Wake-ups of the process and its children so far. */
export function wakeUpsOf(pid: number): number {
  let count = 0;
  for (const member of familyOf(pid)) {
    for (const thread of readdirSync(`/proc/${member}/task`)) {
      const status = readFileSync(`/proc/${member}/task/${thread}/status`, "latin1");
      count += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    }
  }
  return count;
}

/** Bytes that the process has sent towards a disk; file systems in memory do not count. */
export function bytesWrittenBy(pid: number): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "latin1"))?.[1] ?? Number.NaN);
}

/** Processor time of this process's children that have ended, in seconds (ticks of 10 ms). */
export function secondsOfEndedChildren(): number {
  const fields = readFileSync("/proc/self/stat", "latin1")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100;
}
