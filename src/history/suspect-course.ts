import type { Trial } from "./trials.ts";

/** How a suspect and the outcome went through the history. */
export interface Course {
  /** It went back to an earlier value, and the outcome went back with it. */
  readonly reverted: boolean;
  /** Boots in the shortest of three stretches, away from a value and back to it; 0 without such. */
  readonly thereAndBack: number;
  /** The same of those that went back to the broken value: it broke, was healed, and broke again. */
  readonly brokeAgain: number;
  /** How often it changed without effect, and with. */
  readonly changedAlone: number;
  readonly turnedWith: number;
  /** Starts on the wrong side. */
  readonly misplaced: number;
}

/**
 * How a suspect and the outcome went through the history. `pattern` are its values; without, it is two that break it
 * together, of which either one may have gone back.
 */
export function courseOf(
  labels: ArrayLike<number>,
  pattern: ArrayLike<number> | undefined,
  trials: readonly Trial[],
): Course {
  const course = {
    reverted: false,
    thereAndBack: 0,
    brokeAgain: 0,
    changedAlone: 0,
    turnedWith: 0,
    misplaced: 0,
  };
  let from = 0;
  for (const [at, { block }] of trials.entries()) {
    if (trials[at + 1] !== undefined && trials[at + 1]?.block === block) continue;
    goThrough(labels, pattern, trials, { from, to: at + 1 }, course);
    from = at + 1;
  }
  return course;
}

type Draft = { -readonly [Key in keyof Course]: Course[Key] };

/** The course on one host, from one trial to before another. */
function goThrough(
  labels: ArrayLike<number>,
  pattern: ArrayLike<number> | undefined,
  trials: readonly Trial[],
  { from, to }: { readonly from: number; readonly to: number },
  course: Draft,
): void {
  const lastOutcome = new Map<number, boolean>();
  const stretches: { broken: boolean; boots: Set<number>; values: Set<number> }[] = [];
  let last = -1;
  for (let at = from; at < to; at += 1) {
    const label = labels[at] ?? -1;
    const trial = trials[at];
    if (label < 0 || trial === undefined) continue;
    const { good, boot, tally } = trial;
    const value = pattern === undefined ? label : (pattern[at] ?? -1);
    const isBroken = label === 1;
    if (good === isBroken) course.misplaced += tally.count;
    if (last >= 0 && (labels[last] !== label || (pattern !== undefined && pattern[last] !== value))) {
      if (trials[last]?.good === good) course.changedAlone += 1;
      else {
        course.turnedWith += 1;
        if (lastOutcome.get(value) === good && labels[last] !== label) course.reverted = true;
      }
    }
    lastOutcome.set(value, good);
    let stretch = stretches.at(-1);
    if (stretch?.broken !== isBroken) {
      stretch = { broken: isBroken, boots: new Set(), values: new Set() };
      stretches.push(stretch);
    }
    stretch.values.add(value);
    if (good !== isBroken) stretch.boots.add(boot);
    last = at;
  }
  for (const [at, stretch] of stretches.entries()) {
    const [before, between] = [stretches[at - 2], stretches[at - 1]];
    if (before === undefined || between === undefined) continue;
    const isSameValue = [...stretch.values].some((value) => before.values.has(value));
    const shortest = Math.min(before.boots.size, between.boots.size, stretch.boots.size);
    if (!isSameValue) continue;
    course.thereAndBack = Math.max(course.thereAndBack, shortest);
    if (stretch.broken) course.brokeAgain = Math.max(course.brokeAgain, shortest);
  }
}
