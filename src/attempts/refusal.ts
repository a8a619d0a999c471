import type { Clock } from "../clock.ts";
import type { SignatureMatch } from "../model/catalogue.ts";
import { type Bdf, oneOfVms, unknownVm, type VmName } from "../model/identifiers.ts";
import type { KernelRecord } from "../model/observation.ts";
import type { AttemptBook } from "./book.ts";
import { devicesOf } from "./definitions.ts";
import { deviceNamedIn, isDeviceRefusal } from "./device-refusal.ts";
import type { HotPlugs } from "./hot-plugs.ts";
import { type Moments, momentOf, type Said } from "./moments.ts";
import { LATE_MS, type Pen } from "./pen.ts";
import type { Unclaimed } from "./unclaimed.ts";

/** When nothing but the kernel has spoken of a start for this long, its word alone is the attempt (ms). */
const KERNEL_ALONE_MS = 30_000;
/** Refusals of one device that are so near to one another belong to one start (ms). */
const SAME_REFUSAL_MS = 1_000;

/** Refusals that only the kernel tells of. */
export interface LoneRefusals {
  watch(record: Said<KernelRecord>, matches: readonly SignatureMatch[]): void;
  /** The backlog has been read, source by source: now it can be waited for what others say. */
  release(): void;
}

/**
 * The kernel refuses a device only while somebody claims it, so its refusal alone proves a failed start, even where
 * neither libvirt nor its logs can be read, and where the VM is nobody's that is watched here: a script that runs QEMU,
 * another manager. Of VMs that share the device any may be meant.
 */
export function createLoneRefusals(options: {
  readonly clock: Clock;
  readonly moments: Moments;
  readonly book: AttemptBook;
  readonly pen: Pen;
  readonly unclaimed: Unclaimed;
  readonly hotPlugs: HotPlugs;
}): LoneRefusals {
  const { clock, moments, book, pen, unclaimed, hotPlugs } = options;
  /** What is to be judged once the backlog has been read. */
  const waiting: (() => void)[] = [];
  let isReleased = false;
  /** The time of the last refusal of each device that is waited for. */
  const refusedAt = new Map<Bdf, number>();

  /** VMs that are to get the device, or one of its group, at their next start. */
  function usersOf(device: Bdf): readonly VmName[] {
    const group = pen.groups.get(device);
    return [...pen.definitions.present().values()]
      .filter((definition) =>
        devicesOf(definition).some(
          (own) => own === device || (group !== undefined && pen.groups.get(own) === group),
        ),
      )
      .map(({ name }) => name);
  }

  function judge(record: Said<KernelRecord>, matches: readonly SignatureMatch[], device: Bdf): void {
    const users = usersOf(device);
    const running = new Set([...book.runningAt(record.steady)].map(({ vm }) => vm));
    const idle = users.filter((vm) => !running.has(vm));
    if (idle.length === 0 && users.length > 0) {
      hotPlugs.refusedByKernel(record, matches, users);
      return;
    }
    // Where no definition says whose the device is, libvirt's log of the same moment may.
    const named = users.length === 0 ? unclaimed.vmNamedWith(device, record.steady) : undefined;
    const only = idle[0] ?? named;
    const vm = only === undefined ? unknownVm(device) : idle.length > 1 ? oneOfVms(idle, device) : only;
    const attempt = pen.open(vm, record, matches);
    if (vm !== idle[0]) pen.hasDevices(attempt, [device]);
    if (named !== undefined) unclaimed.sweepFor(attempt);
    pen.fail(attempt, momentOf(record));
    // It does not wait for an attempt any more, and nobody who goes on shall find it waiting.
    unclaimed.sweep();
  }

  return {
    watch(record, matches) {
      if (!isDeviceRefusal(matches)) return;
      const device = record.device ?? deviceNamedIn(matches);
      if (device === undefined) return;
      const before = refusedAt.get(device) ?? Number.NEGATIVE_INFINITY;
      if (Math.abs(record.steady - before) < SAME_REFUSAL_MS) return;
      refusedAt.set(device, record.steady);
      // Where it was heard by an earlier run, only the rest of the time; others may still speak of it a moment after the
      // backlog.
      const waited = Math.max(0, moments.now().steady - record.heard.steady);
      const wait = () =>
        clock.after(Math.max(KERNEL_ALONE_MS - waited, LATE_MS), () => {
          // The refusals of all devices of a group are about one start.
          unclaimed.sweep();
          if (!book.tellsOf(record) && !hotPlugs.tellsOf(record)) judge(record, matches, device);
        });
      if (isReleased) wait();
      else waiting.push(wait);
    },
    release() {
      isReleased = true;
      for (const wait of waiting.splice(0)) wait();
    },
  };
}
