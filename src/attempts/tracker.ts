import type { Clock } from "../clock.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { SignatureMatch } from "../model/catalogue.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type {
  DomainLogEnd,
  DomainLogStart,
  KernelRecord,
  Observation,
  VmControlError,
  VmInventory,
  VmLifecycle,
  VmStateSeen,
} from "../model/observation.ts";
import type { VmDefinition, VmState } from "../model/virtual-machine.ts";
import { type AttemptBook, createAttemptBook } from "./book.ts";
import { createUnclaimed } from "./unclaimed.ts";
import { distance } from "./windows.ts";
import { addEvidence, hasFatalCause, isRefusal, type WorkingAttempt } from "./working-attempt.ts";

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

export interface AttemptTracker {
  /** Takes one observation with what the catalogue knows of it. True when it became evidence of an attempt. */
  observe(observation: Observation, matches: readonly SignatureMatch[]): boolean;
  /** Which IOMMU group each device is in; earlier knowledge stays for devices that vanished (law 3). */
  learnGroups(groups: ReadonlyMap<Bdf, number>): void;
  /** All sources have read their backlog: outcomes may now be announced. */
  release(): void;
  /** VMs that ran at a time, with the devices they had. */
  runningAt(time: number): ReadonlyMap<VmName, readonly Bdf[]>;
  /** The VMs and definitions known so far. */
  definitions(): ReadonlyMap<VmName, VmDefinition>;
}

/** A VM whose log began before its first event was read is still the same try for this long (ms). */
const ADOPTION_MS = 120_000;
/** When nothing but the kernel has spoken of a start for this long, its word alone is the attempt (ms). */
const KERNEL_ALONE_MS = 30_000;
/** Events are stamped on arrival, a moment after the log line that tells of the same thing (ms). */
const SLACK_MS = 2_000;
/** Late pieces of a closed attempt arrive within this time (ms). */
const LATE_MS = 10_000;
const RUNNING_STATES: ReadonlySet<VmState["state"]> = new Set([
  "running",
  "blocked",
  "paused",
  "pmsuspended",
]);
const LOG_REASONS_OF_DEATH: ReadonlySet<string> = new Set(["crashed", "daemon", "failed"]);

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
}): AttemptTracker {
  const { clock, settings } = options;
  const definitions = new Map<VmName, VmDefinition>();
  const groups = new Map<Bdf, number>();
  const inventories: VmInventory[] = [];
  let released = false;
  let libvirtTalks = false;

  const book: AttemptBook = createAttemptBook({
    clock,
    settings,
    events: options.events,
    stored: options.stored,
    isReleased: () => released,
    isStartAnnounced: () => libvirtTalks,
  });
  const unclaimed = createUnclaimed({ clock, book, isReleased: () => released });

  function learn(definition: VmDefinition): void {
    definitions.set(definition.name, definition);
    const attempt = book.current(definition.name);
    if (attempt !== undefined && attempt.closedAt === undefined) addDevices(attempt, devicesOf(definition));
  }

  function devicesOf(definition: VmDefinition | undefined): readonly Bdf[] {
    return definition?.hostDevices.map((device) => device.bdf) ?? [];
  }

  function addDevices(attempt: WorkingAttempt, devices: readonly Bdf[]): void {
    for (const device of devices) {
      attempt.devices.add(device);
      const group = groups.get(device);
      if (group !== undefined) attempt.groups.add(group);
    }
  }

  function open(vm: VmName, first: Observation, matches: readonly SignatureMatch[]): WorkingAttempt {
    const attempt = book.open(vm, first);
    addDevices(attempt, devicesOf(definitions.get(vm)));
    addEvidence(attempt, first, matches);
    // Nothing more may be said until it has settled, and the facts are those of its beginning.
    book.touched(attempt);
    return attempt;
  }

  /** Adds evidence and tells the store; what is already known is dropped without a word. */
  function join(
    attempt: WorkingAttempt,
    observation: Observation,
    matches: readonly SignatureMatch[],
  ): boolean {
    if (!addEvidence(attempt, observation, matches)) return true;
    book.touched(attempt);
    return true;
  }

  function fail(attempt: WorkingAttempt, at: number): void {
    book.close(attempt, at, isRefusal(attempt) ? "refused" : "failed");
  }

  function ended(attempt: WorkingAttempt, at: number): void {
    const early = at - attempt.openedAt <= settings.crashedEarlyMs;
    book.close(attempt, at, early ? "crashed-early" : "started");
  }

  function observeLogStart(start: DomainLogStart): boolean {
    if (book.knows(start)) return true;
    const adopted = book
      .of(start.vm)
      .find(
        (attempt) =>
          !attempt.hasLogStart &&
          attempt.openedAt >= start.at - SLACK_MS &&
          attempt.openedAt <= start.at + ADOPTION_MS &&
          (attempt.closedAt === undefined || attempt.closedAt >= start.at),
      );
    const previous = book.of(start.vm).findLast((attempt) => attempt.openedAt < start.at);
    if (previous !== undefined && previous !== adopted && previous.closedAt === undefined) {
      // Another start can only begin after the last QEMU ended, though nobody heard of its end.
      if (previous.startedAt === undefined && hasFatalCause(previous)) fail(previous, start.at);
      else book.close(previous, start.at, "started");
    }
    const attempt = adopted ?? open(start.vm, start, []);
    attempt.hasLogStart = true;
    attempt.openedAt = Math.min(attempt.openedAt, start.at);
    addDevices(attempt, start.devices);
    join(attempt, start, []);
    book.watchSettling(attempt);
    unclaimed.sweep();
    return true;
  }

  function observeLogEnd(end: DomainLogEnd): boolean {
    if (book.knows(end)) return true;
    const candidates = book
      .of(end.vm)
      .filter(
        (attempt) =>
          !attempt.hasLogEnd &&
          attempt.openedAt <= end.at + SLACK_MS &&
          (attempt.closedAt === undefined || Math.abs(attempt.closedAt - end.at) <= LATE_MS),
      );
    const missing = candidates.findLast((attempt) => attempt.hasLogStart) ?? nearest(candidates, end.at);
    // `failed` is said of a start only; an attempt that already ran has ended unheard before this one.
    const usable =
      missing !== undefined && end.reason === "failed" && missing.startedAt !== undefined
        ? undefined
        : missing;
    if (usable === undefined && end.reason !== "failed") return endOfRunning(end);
    const attempt = usable ?? open(end.vm, end, []);
    attempt.hasLogEnd = true;
    attempt.endedAt = end.at;
    join(attempt, end, []);
    if (end.reason === "failed") fail(attempt, end.at);
    else if (LOG_REASONS_OF_DEATH.has(end.reason)) ended(attempt, end.at);
    else book.close(attempt, end.at, "started");
    unclaimed.sweep();
    return true;
  }

  /** A VM whose start has settled ends; only a crash within the first minutes changes what its start was. */
  function endOfRunning(end: DomainLogEnd): boolean {
    const attempt = book.current(end.vm);
    if (attempt === undefined || attempt.hasLogEnd || end.at < attempt.openedAt) return false;
    attempt.hasLogEnd = true;
    attempt.endedAt = end.at;
    const early = end.at - attempt.openedAt <= settings.crashedEarlyMs;
    if (!LOG_REASONS_OF_DEATH.has(end.reason) || !early || attempt.outcome !== "started") return false;
    join(attempt, end, []);
    ended(attempt, end.at);
    return true;
  }

  function observeLifecycle(event: VmLifecycle, matches: readonly SignatureMatch[]): boolean {
    if (event.definition !== undefined) learn(event.definition);
    if (event.event === "undefined") definitions.delete(event.vm);
    const current = book.current(event.vm);
    if (event.event === "started") {
      // A start may take minutes (128 GB are pinned page by page), and settle before libvirt calls it started.
      const isSame =
        current !== undefined &&
        current.startedAt === undefined &&
        !current.hasLogEnd &&
        (current.closedAt === undefined || current.outcome === "started");
      const attempt = isSame ? current : open(event.vm, event, matches);
      attempt.startedAt = event.at;
      join(attempt, event, matches);
      book.watchSettling(attempt);
      return true;
    }
    if (event.event === "stopped" && current?.startedAt !== undefined) current.endedAt ??= event.at;
    if (current === undefined || current.closedAt !== undefined) return false;
    join(current, event, matches);
    if (event.event !== "stopped" || current.startedAt === undefined) return true;
    if (event.detail === "failed" || event.detail === "crashed") ended(current, event.at);
    else book.close(current, event.at, "started");
    return true;
  }

  function observeControlError(event: VmControlError): boolean {
    if (book.knows(event)) return true;
    // libvirt says it once for each start that fails, so an attempt that has it already is another one.
    const candidates = book
      .of(event.vm)
      .filter(
        (attempt) =>
          !attempt.evidence.some(({ observation }) => observation.kind === "vm-control-error") &&
          attempt.openedAt <= event.at + SLACK_MS &&
          (attempt.closedAt === undefined || Math.abs(attempt.closedAt - event.at) <= LATE_MS),
      );
    return join(nearest(candidates, event.at) ?? open(event.vm, event, []), event, []);
  }

  function observeState(seen: VmStateSeen): boolean {
    const current = book.current(seen.vm);
    if (seen.state.state !== "shutoff" || seen.state.reason !== "failed" || current === undefined)
      return false;
    if (current.closedAt === undefined && current.startedAt === undefined) {
      join(current, seen, []);
      fail(current, seen.at);
      return true;
    }
    return current.outcome === "failed" ? join(current, seen, []) : false;
  }

  /** After a connection: a VM found running is a good start, one whose last state is `failed` a failed one. */
  function reconcile(inventory: VmInventory): void {
    for (const { definition, state } of inventory.vms) {
      const current = book.current(definition.name);
      const own = {
        ...inventory,
        identity: `${inventory.identity}/${definition.name}`,
        vms: [{ definition, state }],
      };
      if (RUNNING_STATES.has(state.state)) {
        if (current?.closedAt === undefined && current !== undefined) {
          current.startedAt ??= inventory.at;
          book.watchSettling(current);
        } else if (current?.outcome !== "started" && current?.outcome !== "crashed-early") {
          const attempt = open(definition.name, own, []);
          attempt.startedAt = inventory.at;
          book.watchSettling(attempt);
        }
      } else if (state.state === "shutoff" && state.reason === "failed") {
        if (current === undefined) fail(open(definition.name, own, []), inventory.at);
        else if (current.closedAt === undefined) {
          join(current, own, []);
          fail(current, inventory.at);
        }
      }
    }
  }

  /**
   * The kernel refuses a device only while somebody claims it, so its refusal alone proves a failed start, even
   * where neither libvirt nor its logs can be read.
   */
  function watchRefusal(record: KernelRecord, matches: readonly SignatureMatch[]): void {
    const refusal = matches.some(
      ({ signature }) =>
        signature.role === "cause" &&
        signature.class === "iommu-direct-mapping-required" &&
        signature.severity === "fatal",
    );
    const device = record.device;
    if (!refusal || device === undefined) return;
    clock.after(KERNEL_ALONE_MS, () => {
      if (book.knows(record)) return;
      const group = groups.get(device);
      const users = [...definitions.values()].filter((definition) =>
        devicesOf(definition).some(
          (own) => own === device || (group !== undefined && groups.get(own) === group),
        ),
      );
      const [only] = users;
      if (only === undefined || users.length > 1) return;
      fail(open(only.name, record, matches), record.at);
    });
  }

  function observe(observation: Observation, matches: readonly SignatureMatch[]): boolean {
    switch (observation.kind) {
      case "connection":
        if (observation.source === "libvirt") libvirtTalks = observation.state === "connected";
        return false;
      case "vm-inventory":
        libvirtTalks = true;
        for (const { definition } of observation.vms) learn(definition);
        if (released) reconcile(observation);
        else inventories.push(observation);
        return false;
      case "vm-lifecycle":
        return observeLifecycle(observation, matches);
      case "vm-control-error":
        return observeControlError(observation);
      case "vm-state":
        return observeState(observation);
      case "domain-log-start":
        return observeLogStart(observation);
      case "domain-log-end":
        return observeLogEnd(observation);
      case "domain-log-line": {
        const attempt = book
          .of(observation.vm)
          .findLast((candidate) => candidate.hasLogStart && observation.at >= candidate.openedAt);
        if (attempt === undefined || book.knows(observation)) return attempt !== undefined;
        if (attempt.closedAt !== undefined && observation.at > attempt.closedAt) return false;
        return join(attempt, observation, matches);
      }
      case "kernel-record": {
        const joined = unclaimed.offer(observation, matches, groups);
        if (!joined) watchRefusal(observation, matches);
        return joined;
      }
      case "libvirtd-record":
      case "vfio-node":
        return unclaimed.offer(observation, matches, groups);
      default:
        return false;
    }
  }

  return {
    observe,
    learnGroups(known) {
      for (const [device, group] of known) groups.set(device, group);
      for (const attempt of book.unsettled()) addDevices(attempt, [...attempt.devices]);
    },
    release() {
      if (released) return;
      released = true;
      unclaimed.sweep();
      for (const inventory of inventories.splice(0)) reconcile(inventory);
      book.release();
    },
    runningAt: (time) => new Map(book.runningAt(time).map(({ vm, devices }) => [vm, [...devices]])),
    definitions: () => definitions,
  };
}

function nearest(attempts: readonly WorkingAttempt[], at: number): WorkingAttempt | undefined {
  return attempts.reduce<WorkingAttempt | undefined>(
    (best, attempt) => (best === undefined || distance(attempt, at) < distance(best, at) ? attempt : best),
    undefined,
  );
}
