import type { Clock } from "../clock.ts";
import type { SignatureMatch } from "../model/catalogue.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { AttemptBook } from "./book.ts";
import {
  asWaiting,
  bestOf,
  type Claimable,
  canBelong,
  candidatesFor,
  mayConcern,
  type Waiting,
} from "./claims.ts";
import { type Moments, unfinishedOf } from "./moments.ts";
import type { Unfinished } from "./tracking.ts";
import { UNCLAIMED_FOR } from "./windows.ts";
import { addEvidence, type WorkingAttempt } from "./working-attempt.ts";

/** Under a flood only the newest of what nobody claims is kept; the store has counted the rest. */
const MAXIMUM_WAITING = 1_024;
/** Of one message about one device so many are kept: a flood of it must not push out what others said. */
const MOST_ALIKE = 64;
/** QEMU's last words reach libvirt's log within moments of the kernel's (ms). */
const NAMED_WITHIN = 5_000;
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
  /** Groups of devices have become known: what fitted nowhere may fit now. */
  groupsLearned(): void;
  /** The same of what may belong to this attempt, of which something new is known. */
  sweepFor(attempt: WorkingAttempt): void;
  /** What waits, in the order of its arrival. */
  all(): readonly Unfinished[];
  /** The VM that libvirt's own words of this device name, of those that were said near that time. */
  vmNamedWith(device: Bdf, steady: number): VmName | undefined;
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
  /** Looked at by the last sweep. */
  let looked: ReadonlySet<Waiting> = new Set();
  let kept = 0;
  let isLookDue = false;
  let isForgettingDue = false;

  function claim(
    entry: Waiting,
    nearby: boolean,
    candidates = candidatesFor(entry, book.notOverAt(entry.observation.steady)),
  ): boolean {
    const { observation, matches } = entry;
    const attempt = bestOf(candidates, entry, nearby);
    if (attempt === undefined) return false;
    if (addEvidence(attempt, observation, matches)) book.touched(attempt);
    return true;
  }

  function sweep(): void {
    if (!isReleased()) return;
    const newest = waiting.reduce(
      (latest, { observation }) => Math.max(latest, observation.steady),
      Number.NEGATIVE_INFINITY,
    );
    const all = book.all();
    const changed = book.takeChanged();
    // Hundreds of VMs may fail while a thousand records about a few devices wait.
    const candidatesOf = onceForEach((entry) => candidatesFor(entry, all));
    const changedOf = onceForEach((entry) => candidatesFor(entry, changed));
    keepOnly((entry) => {
      const isFresh = newest - entry.observation.steady <= UNCLAIMED_FOR;
      // What fitted nowhere at the last look fits at most where something has changed since.
      if (looked.has(entry) && !changedOf(entry).some((attempt) => canBelong(attempt, entry))) return isFresh;
      return !claim(entry, true, candidatesOf(entry)) && isFresh;
    });
    looked = new Set(waiting);
  }

  function sweepFor(attempt: WorkingAttempt): void {
    if (!isReleased()) return;
    const concerns = onceForEach((entry) => mayConcern(attempt, entry));
    keepOnly((entry) => !concerns(entry) || !canBelong(attempt, entry) || !claim(entry, true));
  }

  function keepOnly(isKept: (entry: Waiting) => boolean): void {
    const kept = waiting.filter(isKept);
    if (kept.length === waiting.length) return;
    waiting = kept;
    alike.clear();
    for (const entry of kept) alike.set(entry.said, (alike.get(entry.said) ?? 0) + 1);
  }

  function add(entry: Waiting): void {
    const { said } = entry;
    const count = (alike.get(said) ?? 0) + 1;
    const leaving =
      count > MOST_ALIKE
        ? waiting.findIndex((other) => other.said === said)
        : waiting.length >= MAXIMUM_WAITING
          ? 0
          : -1;
    const [left] = leaving < 0 ? [] : waiting.splice(leaving, 1);
    waiting.push(entry);
    kept += 1;
    alike.set(said, count);
    if (left !== undefined) alike.set(left.said, (alike.get(left.said) ?? 1) - 1);
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
      const entry = asWaiting(observation, matches, groups);
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
    sweepFor,
    groupsLearned() {
      looked = new Set();
    },
    all: () => waiting.map(({ observation }) => unfinishedOf(observation)),
    vmNamedWith(device, steady) {
      const named = waiting.flatMap(({ observation }) =>
        observation.kind === "libvirtd-record" &&
        observation.vm !== undefined &&
        Math.abs(observation.steady - steady) <= NAMED_WITHIN &&
        observation.text.includes(device)
          ? [{ vm: observation.vm, away: Math.abs(observation.steady - steady) }]
          : [],
      );
      return named.toSorted((a, b) => a.away - b.away)[0]?.vm;
    },
    kept: () => kept,
    take(isWanted) {
      const taken = waiting.filter(({ observation }) => isWanted(observation));
      if (taken.length > 0) keepOnly((entry) => !taken.includes(entry));
      return taken;
    },
  };
}

function isWorthKeeping(observation: Claimable, matches: readonly SignatureMatch[]): boolean {
  if (observation.kind === "vfio-node") return observation.group !== undefined;
  if (matches.some((match) => match.signature.role !== "noise")) return true;
  return observation.kind === "libvirtd-record" && observation.level === "error" && matches.length === 0;
}

/** Answers once for all that may belong to the same attempts. */
function onceForEach<T>(work: (entry: Waiting) => T): (entry: Waiting) => T {
  const known = new Map<string, T>();
  return (entry) => {
    const answer = known.get(entry.about) ?? work(entry);
    known.set(entry.about, answer);
    return answer;
  };
}
