import type { Clock } from "../clock.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { SignatureMatch } from "../model/catalogue.ts";
import { type Bdf, unknownVm, type VmName } from "../model/identifiers.ts";
import type { KernelRecord, Observation, VmInventory } from "../model/observation.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { createAttemptBook } from "./book.ts";
import { devicesOf } from "./definitions.ts";
import { createLibvirtSigns } from "./libvirt-signs.ts";
import { createLogSigns } from "./log-signs.ts";
import { createPen, LATE_MS } from "./pen.ts";
import { createUnclaimed } from "./unclaimed.ts";
import type { WorkingAttempt } from "./working-attempt.ts";

export interface TrackerSettings {
  /** A start counts as good when this long nothing fatal was said after libvirt called it started (ms). */
  readonly settlingMs: number;
  /** A VM that crashes within this time of its start crashed early (ms). */
  readonly crashedEarlyMs: number;
  /** A failed attempt is announced when nothing new was said about it for this long (ms). */
  readonly quietMs: number;
}

export interface TrackerEvents {
  /** The attempt has new evidence; store it. */
  changed(attempt: StartAttempt): void;
  /** The outcome is known. Comes again for the same attempt when late evidence arrives. */
  settled(attempt: StartAttempt): void;
}

/** An observation that is no evidence of an attempt and yet has to be known. */
export interface Unfinished {
  readonly observation: Observation;
  /** When it was observed first (UTC epoch milliseconds). */
  readonly arrivedAt: number;
}

export interface AttemptTracker {
  /**
   * Takes one observation with what the catalogue knows of it. True when it became evidence of an attempt.
   * `arrivedAt`: when it was observed first, where that is not now.
   */
  observe(observation: Observation, matches: readonly SignatureMatch[], arrivedAt?: number): boolean;
  /**
   * What a tracker that goes on where this one ends has to observe again besides the stored attempts: what nobody has
   * claimed yet, and how runs ended whose start had settled.
   */
  unfinished(): readonly Unfinished[];
  /** How many observations have come to be unfinished so far; what has not changed need not be looked through. */
  kept(): number;
  /** Which IOMMU group each device is in; earlier knowledge stays for devices that vanished (law 3). */
  learnGroups(groups: ReadonlyMap<Bdf, number>): void;
  /** All sources have read their backlog: outcomes may now be announced. */
  release(): void;
  /** VMs that ran at a time, with the devices they had. */
  runningAt(time: number): ReadonlyMap<VmName, readonly Bdf[]>;
  /** VMs whose log begins soon after a time: they may have had their devices then. */
  begunSoonAfter(time: number): ReadonlyMap<VmName, readonly Bdf[]>;
  /** The VMs and definitions known so far. */
  definitions(): ReadonlyMap<VmName, VmDefinition>;
}

function devicesByVm(attempts: readonly WorkingAttempt[]): ReadonlyMap<VmName, readonly Bdf[]> {
  return new Map(attempts.map(({ vm, devices }) => [vm, [...devices]]));
}

/** When nothing but the kernel has spoken of a start for this long, its word alone is the attempt (ms). */
const KERNEL_ALONE_MS = 30_000;
/** Refusals of one device that are so near to one another belong to one start (ms). */
const SAME_REFUSAL_MS = 1_000;

/**
 * Joins what the sources say into one attempt for each try to start a VM. No single source tells of every
 * failed start (design, law 1), and they arrive in any order, so pieces are joined by VM, device, IOMMU group
 * and the time at which they happened, not by the order of arrival.
 */
export function createAttemptTracker(options: {
  readonly clock: Clock;
  readonly settings: TrackerSettings;
  readonly events: TrackerEvents;
  /** Attempts of this boot that an earlier run of the service stored. */
  readonly stored: readonly StartAttempt[];
  /** A refusal of a device that no known VM has is no attempt: for the past, whose VMs may become known later. */
  readonly knownVmsOnly?: boolean;
}): AttemptTracker {
  const { clock, settings, events, stored } = options;
  const inventories: VmInventory[] = [];
  let released = false;
  let libvirtTalks = false;
  const isReleased = () => released;
  /** The time of the last refusal of each device that is waited for. */
  const refusedAt = new Map<Bdf, number>();
  /** What is to be judged once the backlog has been read. */
  const refusals: (() => void)[] = [];
  /** The end of each VM's last run, where it is no part of an attempt: whether a VM had a device hangs on it. */
  const ends = new Map<VmName, Unfinished>();
  let endsKept = 0;

  const book = createAttemptBook({
    clock,
    settings,
    events,
    stored,
    isReleased,
    isStartAnnounced: () => libvirtTalks,
  });
  const pen = createPen(book, settings);
  const unclaimed = createUnclaimed({ clock, book, isReleased });
  const log = createLogSigns({ book, pen, sweep: unclaimed.sweep });
  const libvirt = createLibvirtSigns(book, pen);

  /**
   * The kernel refuses a device only while somebody claims it, so its refusal alone proves a failed start, even
   * where neither libvirt nor its logs can be read, and where the VM is nobody's that is watched here: a script that
   * runs QEMU, another manager.
   */
  function watchRefusal(record: KernelRecord, matches: readonly SignatureMatch[], arrivedAt: number): void {
    const refusal = matches.some(
      ({ signature }) =>
        signature.role === "cause" &&
        signature.class === "iommu-direct-mapping-required" &&
        signature.severity === "fatal",
    );
    const device = record.device;
    if (!refusal || device === undefined) return;
    if (Math.abs(record.at - (refusedAt.get(device) ?? Number.NEGATIVE_INFINITY)) < SAME_REFUSAL_MS) return;
    refusedAt.set(device, record.at);
    const judge = () => openFor(record, device, matches);
    // Where it was heard by an earlier run, only the rest of the time; others may still speak of it a moment after the
    // backlog, which is read source by source.
    const waited = Math.max(0, clock.now() - arrivedAt);
    const wait = () => clock.after(Math.max(KERNEL_ALONE_MS - waited, LATE_MS), judge);
    if (released) wait();
    else refusals.push(wait);
  }

  function openFor(record: KernelRecord, device: Bdf, matches: readonly SignatureMatch[]): void {
    // The refusals of all devices of a group are about one start.
    unclaimed.sweep();
    if (book.tellsOf(record)) return;
    const group = pen.groups.get(device);
    const users = [...pen.definitions.present().values()].filter((definition) =>
      devicesOf(definition).some(
        (own) => own === device || (group !== undefined && pen.groups.get(own) === group),
      ),
    );
    if (users.length > 1 || (users.length === 0 && options.knownVmsOnly)) return;
    const [only] = users;
    const attempt = pen.open(only?.name ?? unknownVm(device), record, matches);
    if (only === undefined) pen.hasDevices(attempt, [device]);
    pen.fail(attempt, record.at);
  }

  function observe(
    observation: Observation,
    matches: readonly SignatureMatch[],
    arrivedAt = clock.now(),
  ): boolean {
    const joined = take(observation, matches, arrivedAt);
    const isEnd =
      observation.kind === "domain-log-end" ||
      (observation.kind === "vm-lifecycle" && observation.event === "stopped");
    if (isEnd && !joined) {
      ends.set(observation.vm, { observation, arrivedAt });
      endsKept += 1;
    }
    return joined;
  }

  function take(observation: Observation, matches: readonly SignatureMatch[], arrivedAt: number): boolean {
    switch (observation.kind) {
      case "connection":
        if (observation.source === "libvirt") libvirtTalks = observation.state === "connected";
        return false;
      case "vm-inventory":
        libvirtTalks = true;
        for (const { definition } of observation.vms) pen.learn(definition, observation.at);
        if (released) libvirt.reconcile(observation);
        else inventories.push(observation);
        return false;
      case "vm-lifecycle":
        return libvirt.lifecycle(observation, matches);
      case "vm-control-error":
        return libvirt.controlError(observation);
      case "vm-state":
        return libvirt.stateSeen(observation);
      case "domain-log-start":
        return log.started(observation);
      case "domain-log-line":
        return log.said(observation, matches);
      case "domain-log-end":
        return log.ended(observation);
      case "kernel-record": {
        const joined = unclaimed.offer(observation, matches, pen.groups, arrivedAt);
        if (!joined) watchRefusal(observation, matches, arrivedAt);
        return joined;
      }
      case "libvirtd-record":
      case "vfio-node":
        return unclaimed.offer(observation, matches, pen.groups, arrivedAt);
      default:
        return false;
    }
  }

  return {
    observe,
    learnGroups(known) {
      for (const [device, group] of known) pen.groups.set(device, group);
      for (const attempt of book.unsettled()) pen.learnGroups(attempt);
    },
    release() {
      if (released) return;
      released = true;
      unclaimed.sweep();
      for (const inventory of inventories.splice(0)) libvirt.reconcile(inventory);
      book.release();
      for (const wait of refusals.splice(0)) wait();
    },
    kept: () => endsKept + unclaimed.kept(),
    unfinished() {
      const isOfLastRun = ({ observation }: Unfinished, vm: VmName) =>
        observation.at >= (book.current(vm)?.openedAt ?? Number.POSITIVE_INFINITY);
      return [...[...ends].flatMap(([vm, end]) => (isOfLastRun(end, vm) ? [end] : [])), ...unclaimed.all()];
    },
    runningAt: (time) => devicesByVm(book.runningAt(time)),
    begunSoonAfter: (time) => devicesByVm(book.begunSoonAfter(time)),
    definitions: () => pen.definitions.present(),
  };
}
