import type { Snapshot } from "../model/fact.ts";
import type { SnapshotStore } from "../store/store.ts";
import { entityOf } from "./fact-collections.ts";
import { failureInQuestion, type StartTally, type Trial, trialsOf } from "./trials.ts";

/** Turns that are looked at: those between the longest stretches of good and of failed starts. */
const MOST_TURNS = 24;

/** Facts that the answer shows or is made from, whether or not they explain anything. */
const ALWAYS =
  /^(?:firmware\.bios\.|firmware-tables\b|iommu\.group$|iommu\.group\..*\.(?:direct|members)$|pci\..*\.address$)/;

/**
 * Which facts can explain the failures at all: a fact that divides good from failed starts differs wherever the
 * outcome turned. So only what differs there has to be read in thousands of snapshots. A fact that divides nearly all
 * of them differs at the turns between long stretches, whatever happened in between. `known` is one of the snapshots.
 */
export function candidateKeys(
  snapshots: Pick<SnapshotStore, "differences">,
  tallies: readonly StartTally[],
  known: Snapshot | undefined,
): ReadonlySet<string> {
  const keys = new Set(["firmware.bios.version"]);
  const failure = failureInQuestion(tallies);
  if (failure === undefined) return keys;
  for (const { before, after } of turnsOf(trialsOf(tallies, failure)).slice(0, MOST_TURNS)) {
    for (const { key } of snapshots.differences(before, after) ?? []) keys.add(key);
  }
  return withRelatives(keys, known?.facts.map(({ key }) => key) ?? []);
}

interface Turn {
  readonly before: string;
  readonly after: string;
  /** Starts in the shorter of the two stretches that meet here. */
  readonly weight: number;
}

/** Snapshots on both sides of every turn, those between the longest stretches first. */
function turnsOf(trials: readonly Trial[]): readonly Turn[] {
  const stretches: { good: boolean; starts: number; first: string | undefined; last: string | undefined }[] =
    [];
  for (const { good, tally } of trials) {
    let stretch = stretches.at(-1);
    if (stretch?.good !== good) {
      stretch = { good, starts: 0, first: undefined, last: undefined };
      stretches.push(stretch);
    }
    stretch.starts += tally.count;
    stretch.first ??= tally.snapshotId;
    stretch.last = tally.snapshotId ?? stretch.last;
  }
  const turns: Turn[] = [];
  for (const [index, stretch] of stretches.entries()) {
    const previous = stretches[index - 1];
    if (previous?.last === undefined || stretch.first === undefined) continue;
    if (previous.last === stretch.first) continue;
    const weight = Math.min(previous.starts, stretch.starts);
    turns.push({ before: previous.last, after: stretch.first, weight });
  }
  // The newest of equal ones first: that is what is asked about.
  return turns.reverse().sort((a, b) => b.weight - a.weight);
}

/** With what decides whether a key that a snapshot lacks is absent: its parents and the rest of its thing. */
function withRelatives(keys: ReadonlySet<string>, known: readonly string[]): ReadonlySet<string> {
  const wanted = new Set(keys);
  const entities = new Set<string>();
  for (const key of keys) {
    for (let dot = key.lastIndexOf("."); dot > 0; dot = key.lastIndexOf(".", dot - 1))
      wanted.add(key.slice(0, dot));
    const owner = entityOf(key);
    if (owner === undefined) continue;
    entities.add(owner.entity);
    wanted.add(owner.anchor);
  }
  for (const key of known) {
    if (ALWAYS.test(key) || entities.has(entityOf(key)?.entity ?? "")) wanted.add(key);
  }
  return wanted;
}
