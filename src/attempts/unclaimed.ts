import type { Clock } from "../clock.ts";
import type { SignatureMatch } from "../model/catalogue.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { KernelRecord, LibvirtdRecord, VfioNodeChange } from "../model/observation.ts";
import type { AttemptBook } from "./book.ts";
import { deviceNamedIn, isDeviceRefusal } from "./device-refusal.ts";
import { type Moments, type Said, unfinishedOf } from "./moments.ts";
import type { Unfinished } from "./tracking.ts";
import { coversKernelTime, coversLibvirtTime, distance, UNCLAIMED_FOR } from "./windows.ts";
import { addEvidence, type WorkingAttempt } from "./working-attempt.ts";

type Claimable = Said<KernelRecord> | Said<LibvirtdRecord> | Said<VfioNodeChange>;

interface Waiting {
  readonly observation: Claimable;
  readonly matches: readonly SignatureMatch[];
  readonly groups: ReadonlyMap<Bdf, number>;
}

/** A start that goes on comes after every one that failed near the time of an error without a name (ms). */
const STILL_STARTING = 60_000;
/** libvirtd says the last word of a failed start and ends its log in either order (ms). */
const CLEAN_UP_MS = 250;
/** libvirt's events are stamped on arrival, so that its word that a VM runs may be a moment late (ms). */
const STARTED_BEFORE = 3_000;
/** Under a flood only the newest of what nobody claims is kept; the store has counted the rest. */
const MAXIMUM_WAITING = 1_024;
/** Of one message about one device so many are kept: a flood of it must not push out what others said. */
const MOST_ALIKE = 64;
/** The attempt that a line belongs to may be read a moment after the line itself (ms). */
const SECOND_LOOK_MS = 120;

/** Evidence that names no VM, or none yet, and the search for the attempt that it belongs to. */
export interface Unclaimed {
  /** Joins the observation to an attempt now, or keeps it for one that opens later. True when joined. */
  offer(
    observation: Claimable,
    matches: readonly SignatureMatch[],
    groups: ReadonlyMap<Bdf, number>,
  ): boolean;
  /** Looks again for attempts of everything that waits. */
  sweep(): void;
  /** What waits, in the order of its arrival. */
  all(): readonly Unfinished[];
  /** How many have ever had to wait. */
  kept(): number;
  /** Gives out what waits and belongs elsewhere. */
  take(isWanted: (observation: Claimable) => boolean): readonly Pick<Waiting, "observation" | "matches">[];
}

/** Makes the waiting room between the sources that name devices and the attempts that name VMs. */
export function createUnclaimed(options: {
  readonly clock: Clock;
  readonly moments: Moments;
  readonly book: AttemptBook;
  readonly isReleased: () => boolean;
}): Unclaimed {
  const { clock, moments, book, isReleased } = options;
  let waiting: Waiting[] = [];
  /** How many wait of each message. */
  const alike = new Map<string, number>();
  let kept = 0;
  let isLookDue = false;
  let isForgettingDue = false;

  function claim(entry: Waiting, nearby: boolean): boolean {
    const { observation, matches } = entry;
    let best: WorkingAttempt | undefined;
    let bestRank = Number.POSITIVE_INFINITY;
    for (const attempt of book.all()) {
      const rank = rankFor(attempt, entry);
      if (
        rank < bestRank ||
        (rank === bestRank && best !== undefined && attempt.opened.steady > best.opened.steady)
      ) {
        best = attempt;
        bestRank = rank;
      }
    }
    if (best === undefined || !(nearby || isSure(best, bestRank, observation))) return false;
    if (addEvidence(best, observation, matches)) book.touched(best);
    return true;
  }

  function sweep(): void {
    if (!isReleased()) return;
    const newest = waiting.reduce(
      (latest, { observation }) => Math.max(latest, observation.steady),
      Number.NEGATIVE_INFINITY,
    );
    keepOnly((entry) => !claim(entry, true) && newest - entry.observation.steady <= UNCLAIMED_FOR);
  }

  function keepOnly(isKept: (entry: Waiting) => boolean): void {
    const kept = waiting.filter(isKept);
    if (kept.length === waiting.length) return;
    waiting = kept;
    alike.clear();
    for (const entry of kept) alike.set(kindOf(entry), (alike.get(kindOf(entry)) ?? 0) + 1);
  }

  function add(entry: Waiting): void {
    const kind = kindOf(entry);
    const count = (alike.get(kind) ?? 0) + 1;
    const leaving =
      count > MOST_ALIKE
        ? waiting.findIndex((other) => kindOf(other) === kind)
        : waiting.length >= MAXIMUM_WAITING
          ? 0
          : -1;
    const [left] = leaving < 0 ? [] : waiting.splice(leaving, 1);
    waiting.push(entry);
    kept += 1;
    alike.set(kind, count);
    if (left !== undefined) alike.set(kindOf(left), (alike.get(kindOf(left)) ?? 1) - 1);
  }

  /** Nothing more may be said for weeks, and a host that is calm after a flood shall not hold it in memory. */
  function forgetLater(): void {
    if (isForgettingDue) return;
    isForgettingDue = true;
    clock.after(UNCLAIMED_FOR, () => {
      isForgettingDue = false;
      const now = moments.now().steady;
      keepOnly(({ observation }) => now - observation.heard.steady < UNCLAIMED_FOR);
      if (waiting.length > 0) forgetLater();
    });
  }

  return {
    offer(observation, matches, groups) {
      if (!isWorthKeeping(observation, matches)) return false;
      if (book.knows(observation)) return true;
      const entry: Waiting = { observation, matches, groups };
      // The backlog arrives source by source, so an attempt that is open now may turn out to have ended before.
      if (isReleased() && claim(entry, false)) return true;
      add(entry);
      forgetLater();
      if (!isLookDue) {
        isLookDue = true;
        clock.after(SECOND_LOOK_MS, () => {
          isLookDue = false;
          sweep();
        });
      }
      return false;
    },
    sweep,
    all: () => waiting.map(({ observation }) => unfinishedOf(observation)),
    kept: () => kept,
    take(isWanted) {
      const taken = waiting.filter(({ observation }) => isWanted(observation));
      if (taken.length > 0) keepOnly((entry) => !taken.includes(entry));
      return taken;
    },
  };
}

/** The same for two that say the same of the same device. */
function kindOf({ observation, matches }: Waiting): string {
  const [first] = matches;
  if (observation.kind === "vfio-node") return `node ${observation.node}`;
  const about = observation.kind === "kernel-record" ? observation.device : observation.vm;
  return `${first === undefined ? observation.text : first.signature.id} ${about ?? ""}`;
}

function isWorthKeeping(observation: Claimable, matches: readonly SignatureMatch[]): boolean {
  if (observation.kind === "vfio-node") return observation.group !== undefined;
  if (matches.some((match) => match.signature.role !== "noise")) return true;
  return observation.kind === "libvirtd-record" && observation.level === "error" && matches.length === 0;
}

/** Milliseconds between the attempt and the observation, 0 inside its span, infinite where it cannot belong. */
function rankFor(attempt: WorkingAttempt, { observation, matches, groups }: Waiting): number {
  const { bootId, steady } = observation;
  // What the boot before left unclaimed is no word about this one's starts, whatever the clocks say.
  if (bootId !== undefined && attempt.bootId !== undefined && bootId !== attempt.bootId)
    return Number.POSITIVE_INFINITY;
  switch (observation.kind) {
    case "libvirtd-record":
      if (observation.vm !== undefined && observation.vm !== attempt.vm) return Number.POSITIVE_INFINITY;
      if (!coversLibvirtTime(attempt, steady)) return Number.POSITIVE_INFINITY;
      // Of two starts at one time it is about the one that failed right after it.
      if (namesNoVm(observation) && attempt.closed !== undefined && attempt.outcome !== "started")
        return Math.abs(attempt.closed.steady - steady);
      return distance(attempt, steady) + (namesNoVm(observation) ? STILL_STARTING : 0);
    case "vfio-node":
      if (observation.group === undefined || !attempt.groups.has(observation.group)) break;
      return coversKernelTime(attempt, steady, observation.exactTime, matches)
        ? distance(attempt, steady)
        : Number.POSITIVE_INFINITY;
    case "kernel-record": {
      if (!coversKernelTime(attempt, steady, observation.exactTime, matches)) break;
      // A VM that runs has its devices: what is refused is refused to another.
      if (
        attempt.started !== undefined &&
        steady > attempt.started.steady + STARTED_BEFORE &&
        isDeviceRefusal(matches)
      )
        break;
      const device = observation.device ?? deviceNamedIn(matches);
      if (device !== undefined && !concerns(attempt, device, groups)) break;
      // Without a device only a VM that has passed-through devices can be meant.
      if (device === undefined && attempt.devices.size === 0) break;
      return distance(attempt, steady);
    }
  }
  return Number.POSITIVE_INFINITY;
}

/** Whether nothing that may still be read could show a better attempt. */
function isSure({ closed }: WorkingAttempt, rank: number, observation: Claimable): boolean {
  if (!namesNoVm(observation)) return rank === 0;
  // While one start is on its way, the one that it is about may not have come to its log yet.
  return closed !== undefined && observation.steady <= closed.steady + CLEAN_UP_MS;
}

function namesNoVm(observation: Claimable): boolean {
  return observation.kind === "libvirtd-record" && observation.vm === undefined;
}

/** The kernel may name a sibling of the device that QEMU names, so the IOMMU group joins them (law 3). */
function concerns(attempt: WorkingAttempt, device: Bdf, groups: ReadonlyMap<Bdf, number>): boolean {
  if (attempt.devices.has(device)) return true;
  const group = groups.get(device);
  return group !== undefined && attempt.groups.has(group);
}
