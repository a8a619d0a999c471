import type { SignatureMatch } from "../model/catalogue.ts";
import type { WorkingAttempt } from "./working-attempt.ts";

/** Clocks of kernel, libvirt and QEMU are converted to one another only roughly; this much is forgiven (ms). */
const SLACK = 1_000;
/** Time of arrival may lag behind the event by a slow watcher (ms). */
const ARRIVAL_SLACK = 3_000;
/** A bus or function level reset waits up to 65 535 ms, so its complaint may be that much older than the start. */
const RESET_LOOK_BACK = 70_000;
/** Before it runs QEMU libvirt detaches devices, which takes seconds; the kernel may speak from the first of them. */
const PREPARATION_LOOK_BACK = 10_000;
/** libvirtd gives its reason and cleans up at once, so only what it said just before the log's end is about it. */
const REFUSAL_LOOK_BACK = 3_000;

const SLOW_CLASSES: ReadonlySet<string> = new Set(["reset-failed", "power-state-stuck", "device-lost"]);

/** How long an observation that nobody claims yet is worth keeping, in milliseconds of event time. */
export const UNCLAIMED_FOR = RESET_LOOK_BACK + 5_000;

/** Whether a kernel record of this time and meaning belongs to the attempt as far as time tells. */
export function coversKernelTime(
  attempt: WorkingAttempt,
  steady: number,
  exactTime: boolean,
  matches: readonly SignatureMatch[],
): boolean {
  const slack = exactTime ? SLACK : ARRIVAL_SLACK;
  const slow = matches.some((match) => SLOW_CLASSES.has(match.signature.class));
  const before = slow ? RESET_LOOK_BACK : attempt.hasLogStart ? slack : PREPARATION_LOOK_BACK;
  const end = attempt.closed?.steady ?? Number.POSITIVE_INFINITY;
  return steady >= attempt.opened.steady - before && steady <= end + slack;
}

/** Whether a record of libvirtd's log of this time belongs to the attempt as far as time tells. */
export function coversLibvirtTime(attempt: WorkingAttempt, steady: number): boolean {
  const before = attempt.hasLogStart ? SLACK : REFUSAL_LOOK_BACK;
  const end = attempt.closed?.steady ?? attempt.started?.steady ?? Number.POSITIVE_INFINITY;
  return steady >= attempt.opened.steady - before && steady <= end + SLACK;
}

/** Whether nothing that is said at this time can belong to the attempt any more, whoever says it. */
export function isOver({ closed }: WorkingAttempt, steady: number): boolean {
  return closed !== undefined && closed.steady + ARRIVAL_SLACK < steady;
}

/** How far a time is from the attempt's span; 0 inside. */
export function distance({ opened, closed }: WorkingAttempt, steady: number): number {
  if (steady < opened.steady) return opened.steady - steady;
  return closed !== undefined && steady > closed.steady ? steady - closed.steady : 0;
}

/** Whether its VM ran at a time after it began, or was about to. */
export function hadDevicesAt(
  { outcome, started, hasLogStart, closed, ended }: WorkingAttempt,
  steady: number,
): boolean {
  const ran =
    outcome === "started" ||
    outcome === "crashed-early" ||
    started !== undefined ||
    (hasLogStart && (closed === undefined || closed.steady > steady));
  return ran && (ended === undefined || ended.steady > steady);
}
