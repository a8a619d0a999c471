import type { SignatureMatch } from "../model/catalogue.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { KernelRecord, LibvirtdRecord, VfioNodeChange } from "../model/observation.ts";
import { deviceNamedIn, isDeviceRefusal } from "./device-refusal.ts";
import type { Said } from "./moments.ts";
import { coversKernelTime, coversLibvirtTime, distance, isOver } from "./windows.ts";
import type { WorkingAttempt } from "./working-attempt.ts";

/** What names no VM, or none yet. */
export type Claimable = Said<KernelRecord> | Said<LibvirtdRecord> | Said<VfioNodeChange>;

/** Evidence for which an attempt is looked for. */
export interface Waiting {
  readonly observation: Claimable;
  readonly matches: readonly SignatureMatch[];
  readonly groups: ReadonlyMap<Bdf, number>;
  /** The device that it is about. */
  readonly device: Bdf | undefined;
  /** The same for all that may belong to the same attempts, time apart. */
  readonly about: string;
  /** The same for two that say the same of the same device. */
  readonly said: string;
}

/** A start that goes on comes after every one that failed near the time of an error without a name (ms). */
const STILL_STARTING = 60_000;
/** libvirtd says the last word of a failed start and ends its log in either order (ms). */
const CLEAN_UP_MS = 250;
/** libvirt's events are stamped on arrival, so that its word that a VM runs may be a moment late (ms). */
const STARTED_BEFORE = 3_000;

/** Evidence with what is worked out of it once. */
export function asWaiting(
  observation: Claimable,
  matches: readonly SignatureMatch[],
  groups: ReadonlyMap<Bdf, number>,
): Waiting {
  const device =
    observation.kind === "kernel-record" ? (observation.device ?? deviceNamedIn(matches)) : undefined;
  const about = aboutOf(observation, device);
  return { observation, matches, groups, device, about, said: whatIsSaid(observation, matches) };
}

function aboutOf(observation: Claimable, device: Bdf | undefined): string {
  const boot = observation.bootId ?? "";
  switch (observation.kind) {
    case "libvirtd-record":
      return `${boot} vm ${observation.vm ?? ""}`;
    case "vfio-node":
      return `${boot} group ${observation.group ?? ""}`;
    case "kernel-record":
      return `${boot} device ${device ?? ""}`;
  }
}

function whatIsSaid(observation: Claimable, [first]: readonly SignatureMatch[]): string {
  if (observation.kind === "vfio-node") return `node ${observation.node}`;
  const about = observation.kind === "kernel-record" ? observation.device : observation.vm;
  return `${first === undefined ? observation.text : first.signature.id} ${about ?? ""}`;
}

/** The attempts that it may belong to, time apart. */
export function candidatesFor(entry: Waiting, all: Iterable<WorkingAttempt>): readonly WorkingAttempt[] {
  const candidates: WorkingAttempt[] = [];
  for (const attempt of all) if (mayConcern(attempt, entry)) candidates.push(attempt);
  return candidates;
}

/** Whether the observation can belong to the attempt by what it names; when it was said is not looked at. */
export function mayConcern(attempt: WorkingAttempt, { observation, groups, device }: Waiting): boolean {
  const { bootId } = observation;
  // What the boot before left unclaimed is no word about this one's starts, whatever the clocks say.
  if (bootId !== undefined && attempt.bootId !== undefined && bootId !== attempt.bootId) return false;
  switch (observation.kind) {
    case "libvirtd-record":
      return observation.vm === undefined || observation.vm === attempt.vm;
    case "vfio-node":
      return observation.group !== undefined && attempt.groups.has(observation.group);
    case "kernel-record":
      // Without a device only a VM that has passed-through devices can be meant.
      return device === undefined ? attempt.devices.size > 0 : concerns(attempt, device, groups);
  }
}

/** The kernel may name a sibling of the device that QEMU names, so the IOMMU group joins them (law 3). */
function concerns(attempt: WorkingAttempt, device: Bdf, groups: ReadonlyMap<Bdf, number>): boolean {
  if (attempt.devices.has(device)) return true;
  const group = groups.get(device);
  return group !== undefined && attempt.groups.has(group);
}

/** The attempt of the candidates that it belongs to; `nearby`: also where one that is not known yet may be better. */
export function bestOf(
  candidates: readonly WorkingAttempt[],
  entry: Waiting,
  nearby: boolean,
): WorkingAttempt | undefined {
  let best: WorkingAttempt | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  const { steady } = entry.observation;
  for (const attempt of candidates) {
    if (isOver(attempt, steady)) continue;
    const rank = rankFor(attempt, entry);
    if (
      rank < bestRank ||
      (rank === bestRank && best !== undefined && attempt.opened.steady > best.opened.steady)
    ) {
      best = attempt;
      bestRank = rank;
    }
  }
  return best === undefined || nearby || isSure(best, bestRank, entry.observation) ? best : undefined;
}

/** Whether it can belong to the attempt. */
export function canBelong(attempt: WorkingAttempt, entry: Waiting): boolean {
  return mayConcern(attempt, entry) && rankFor(attempt, entry) < Number.POSITIVE_INFINITY;
}

/**
 * Milliseconds between the attempt and an observation that may concern it, 0 inside its span, infinite where it was said
 * at another time.
 */
function rankFor(attempt: WorkingAttempt, { observation, matches }: Waiting): number {
  const { steady } = observation;
  switch (observation.kind) {
    case "libvirtd-record":
      if (!coversLibvirtTime(attempt, steady)) return Number.POSITIVE_INFINITY;
      // Of two starts at one time it is about the one that failed right after it.
      if (namesNoVm(observation) && attempt.closed !== undefined && attempt.outcome !== "started")
        return Math.abs(attempt.closed.steady - steady);
      return distance(attempt, steady) + (namesNoVm(observation) ? STILL_STARTING : 0);
    case "vfio-node":
      return coversKernelTime(attempt, steady, observation.exactTime, matches)
        ? distance(attempt, steady)
        : Number.POSITIVE_INFINITY;
    case "kernel-record":
      if (!coversKernelTime(attempt, steady, observation.exactTime, matches)) return Number.POSITIVE_INFINITY;
      // A VM that runs has its devices: what is refused is refused to another.
      if (
        attempt.started !== undefined &&
        steady > attempt.started.steady + STARTED_BEFORE &&
        isDeviceRefusal(matches)
      )
        return Number.POSITIVE_INFINITY;
      return distance(attempt, steady);
  }
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
