import type { SnapshotStore } from "../store/snapshot-store.ts";
import { entityOf, isBelowSuch } from "./fact-collections.ts";
import { failureInQuestion, type StartTally, type Trial, trialsOf } from "./trials.ts";

/** Turns that are looked at besides the newest: those between the longest stretches of good and of failed starts. */
const MOST_TURNS = 24;

/** Facts that the answer shows or is made from, whether or not they explain anything. */
const ALWAYS =
  /^(?:firmware\.bios\.|firmware-tables\b|iommu\.group$|iommu\.group\..*\.(?:direct|members)$|pci\..*\.address$)/;

/** One fact of each thing of these kinds is among those that are always read, so the kind is known to be listed. */
const LISTED_ALWAYS = new Set(["pci", "iommu.group", "firmware-tables"]);

/** Facts that are worth reading in all snapshots. */
export interface Candidates {
  /** Whether a key is wanted. */
  readonly isWanted: (key: string) => boolean;
  /**
   * Kinds of things of which some are wanted. Where a snapshot does not say that it lists a kind, because it was taken
   * by an older version or from imported material, only the other things of that kind in it tell.
   */
  readonly kinds: ReadonlySet<string>;
}

/**
 * Which facts can explain the failures at all: a fact that divides good from failed starts differs wherever the
 * outcome turned, or could not be read there. So only those have to be read in thousands of snapshots. A fact that
 * divides nearly all starts differs at the turns between long stretches, whatever happened in between.
 */
export function candidateFacts(
  snapshots: Pick<SnapshotStore, "changedKeys" | "unknownKeys">,
  tallies: readonly StartTally[],
): Candidates {
  const failure = failureInQuestion(tallies);
  const trials = failure === undefined ? [] : trialsOf(tallies, failure);
  const turns = turnsOf(trials);
  const byVm = Map.groupBy(trials, ({ tally }) => tally.vm);
  // A VM may have failed while another with the same device went on: its own turns are between its own starts.
  if (byVm.size > 1) for (const own of byVm.values()) turns.push(...turnsOf(own));
  // One of the newest two is from good to bad: what changed there is told even where it explains nothing.
  const newest = turns.slice(0, 2);
  const longest = turns.slice(2).sort((a, b) => b.weight - a.weight);
  const looked = [...newest, ...longest.slice(0, MOST_TURNS)];
  const changed = snapshots.changedKeys(looked.map(({ before, after }) => [before, after]));
  return withRelatives(new Set([...changed, ...snapshots.unknownKeys()]));
}

interface Turn {
  readonly before: string;
  readonly after: string;
  /** Starts in the shorter of the two stretches that meet here. */
  readonly weight: number;
}

/** Snapshots on both sides of every turn, the newest first. */
function turnsOf(trials: readonly Trial[]): Turn[] {
  const stretches: { good: boolean; starts: number; first: string; last: string }[] = [];
  for (const { good, tally } of trials) {
    // Of what is not on record nothing can differ; what lies on its both sides meets there.
    if (tally.snapshotId === undefined) continue;
    let stretch = stretches.at(-1);
    if (stretch?.good !== good) {
      stretch = { good, starts: 0, first: tally.snapshotId, last: tally.snapshotId };
      stretches.push(stretch);
    }
    stretch.starts += tally.count;
    stretch.last = tally.snapshotId;
  }
  const turns: Turn[] = [];
  for (const [index, stretch] of stretches.entries()) {
    const previous = stretches[index - 1];
    if (previous === undefined || previous.last === stretch.first) continue;
    const weight = Math.min(previous.starts, stretch.starts);
    turns.push({ before: previous.last, after: stretch.first, weight });
  }
  return turns.reverse();
}

/** With what decides whether a key that a snapshot lacks is absent: its parents, the rest of its thing, its kind. */
function withRelatives(keys: ReadonlySet<string>): Candidates {
  const wanted = new Set(keys);
  const entities = new Set<string>();
  const kinds = new Set<string>();
  for (const key of keys) {
    for (let dot = key.lastIndexOf("."); dot > 0; dot = key.lastIndexOf(".", dot - 1))
      wanted.add(key.slice(0, dot));
    const owner = entityOf(key);
    if (owner === undefined) continue;
    entities.add(owner.entity);
    wanted.add(owner.anchor);
    if (!LISTED_ALWAYS.has(owner.anchor)) kinds.add(owner.anchor);
  }
  return {
    kinds,
    isWanted(key) {
      if (wanted.has(key) || ALWAYS.test(key)) return true;
      // What is unknown as a whole hides all below it.
      if (isBelowSuch(key, (parent) => keys.has(parent))) return true;
      const owner = entityOf(key);
      return owner !== undefined && entities.has(owner.entity);
    },
  };
}

/** The same, with all things of these kinds. */
export function withKinds({ isWanted }: Candidates, kinds: ReadonlySet<string>): (key: string) => boolean {
  return (key) => isWanted(key) || kinds.has(entityOf(key)?.anchor ?? "");
}
