import type { Clock } from "../clock.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { SignatureMatch } from "../model/catalogue.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import { managerOfInventory, type Observation, type VmInventory } from "../model/observation.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { createAttemptBook } from "./book.ts";
import { createHotPlugs } from "./hot-plugs.ts";
import { createLibvirtSigns } from "./libvirt-signs.ts";
import { createLogSigns } from "./log-signs.ts";
import { createLoneErrors } from "./lone-errors.ts";
import { createMoments, momentOf, type Said, unfinishedOf } from "./moments.ts";
import { createPen } from "./pen.ts";
import { createLoneRefusals } from "./refusal.ts";
import type { TrackerEvents, TrackerSettings, Unfinished } from "./tracking.ts";
import { createUnclaimed } from "./unclaimed.ts";
import type { WorkingAttempt } from "./working-attempt.ts";

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
  /** The VMs as an earlier run knew them, which are those that there are until somebody tells of them. */
  rememberVms(definitions: readonly VmDefinition[]): void;
  /** Which IOMMU group each device is in; earlier knowledge stays for devices that vanished (law 3). */
  learnGroups(groups: ReadonlyMap<Bdf, number>): void;
  /** All sources have read their backlog: outcomes may now be announced. */
  release(): void;
  /** VMs of which a start has begun, or ended, and is not announced yet. */
  underWay(): ReadonlySet<VmName>;
  /** VMs that ran at a time (by the clock that nobody sets), with the devices they had. */
  runningAt(steady: number): ReadonlyMap<VmName, readonly Bdf[]>;
  /** The devices of a VM whose log begins soon after a time: it may have had them then. */
  begunSoonAfter(vm: VmName, steady: number): readonly Bdf[] | undefined;
  /** The VMs and definitions known so far. */
  definitions(): ReadonlyMap<VmName, VmDefinition>;
}

function devicesByVm(attempts: readonly WorkingAttempt[]): ReadonlyMap<VmName, readonly Bdf[]> {
  return new Map(attempts.map(({ vm, devices }) => [vm, [...devices]]));
}

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
  /** Hot-plugs (by id) that an earlier run has told of. */
  readonly toldHotPlugs?: ReadonlySet<string>;
  /** Of the past nobody can be asked, and what is not in its logs is not known. */
  readonly isPast?: boolean;
}): AttemptTracker {
  const { clock, settings, events, stored } = options;
  const moments = createMoments(clock);
  const inventories: Said<VmInventory>[] = [];
  let released = false;
  let libvirtTalks = false;
  const isReleased = () => released;
  /** The end of each VM's last run, where it is no part of an attempt: whether a VM had a device hangs on it. */
  const ends = new Map<VmName, Said>();
  let endsKept = 0;

  const book = createAttemptBook({
    ...{ clock, moments },
    settings,
    events,
    stored,
    isReleased,
    isStartAnnounced: () => libvirtTalks,
  });
  const pen = createPen(book, settings);
  const unclaimed = createUnclaimed({ clock, moments, book, isReleased });
  const log = createLogSigns({ book, pen, sweepFor: unclaimed.sweepFor });
  const libvirt = createLibvirtSigns(book, pen);
  const hotPlugs = createHotPlugs({
    ...{ clock, moments, book, pen, unclaimed },
    told: options.toldHotPlugs ?? new Set(),
    settled: (hotPlug) => events.hotPlug?.(hotPlug),
  });
  const refusals = createLoneRefusals({ clock, moments, book, pen, unclaimed, hotPlugs });
  const errors = createLoneErrors({
    ...{ clock, book, pen, unclaimed, tellsOf: hotPlugs.tellsOf },
    askStates: () => events.unexplainedError?.(),
  });

  function observe(
    observation: Observation,
    matches: readonly SignatureMatch[],
    arrivedAt?: number,
  ): boolean {
    const heard = arrivedAt === undefined ? moments.now() : moments.of(arrivedAt);
    const said: Said = { ...observation, steady: moments.of(observation.at).steady, heard };
    const joined = take(said, matches);
    const isEnd =
      observation.kind === "domain-log-end" ||
      (observation.kind === "vm-lifecycle" && observation.event === "stopped");
    if (isEnd && !joined) {
      ends.set(observation.vm, said);
      endsKept += 1;
    }
    return joined;
  }

  function take(observation: Said, matches: readonly SignatureMatch[]): boolean {
    if (hotPlugs.offer(observation, matches)) return true;
    errors.learn(observation);
    switch (observation.kind) {
      case "connection":
        if (observation.source === "libvirt") libvirtTalks = observation.state === "connected";
        return false;
      case "vm-inventory":
        libvirtTalks = true;
        for (const { definition } of observation.vms) pen.learn(definition, momentOf(observation));
        pen.definitions.forgetRemembered(managerOfInventory(observation));
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
        const joined = unclaimed.offer(observation, matches, pen.groups);
        if (!joined) refusals.watch(observation, matches);
        return joined;
      }
      case "libvirtd-record": {
        const joined = unclaimed.offer(observation, matches, pen.groups);
        if (!joined && options.isPast !== true) errors.watch(observation, matches);
        return joined;
      }
      case "vfio-node":
        return unclaimed.offer(observation, matches, pen.groups);
      default:
        return false;
    }
  }

  return {
    observe,
    rememberVms: pen.definitions.remember,
    learnGroups(known) {
      let isNews = false;
      for (const [device, group] of known) {
        isNews ||= pen.groups.get(device) !== group;
        pen.groups.set(device, group);
      }
      // The host is read for each start that fails, and says the same as a rule.
      if (!isNews) return;
      for (const attempt of book.unsettled()) pen.learnGroups(attempt);
      unclaimed.groupsLearned();
    },
    release() {
      if (released) return;
      released = true;
      unclaimed.sweep();
      for (const inventory of inventories.splice(0)) libvirt.reconcile(inventory);
      book.release();
      refusals.release();
    },
    kept: () => endsKept + unclaimed.kept() + hotPlugs.kept(),
    unfinished() {
      const isOfLastRun = ({ steady }: Said, vm: VmName) =>
        steady >= (book.current(vm)?.opened.steady ?? Number.POSITIVE_INFINITY);
      const lastEnds = [...ends].flatMap(([vm, end]) => (isOfLastRun(end, vm) ? [unfinishedOf(end)] : []));
      return [...lastEnds, ...unclaimed.all(), ...hotPlugs.unfinished()];
    },
    underWay: () => new Set(book.unsettled().map(({ vm }) => vm)),
    runningAt: (steady) => devicesByVm(book.runningAt(steady)),
    begunSoonAfter(vm, steady) {
      const attempt = book.begunSoonAfter(vm, steady);
      return attempt && [...attempt.devices];
    },
    definitions: () => pen.definitions.present(),
  };
}
