import type { SuspectSet } from "./suspects.ts";
import type { StartTally, Trial } from "./trials.ts";

/** Neighbouring starts of which the first worked and the second failed. */
export interface Boundary {
  readonly lastGood: StartTally;
  readonly firstBad: StartTally;
}

/** The newest turn from good to bad. */
export function newestBoundary(trials: readonly Trial[]): Boundary | undefined {
  for (let index = trials.length - 1; index > 0; index -= 1) {
    const before = trials[index - 1];
    const after = trials[index];
    if (before?.good === true && after?.good === false && before.block === after.block)
      return { lastGood: before.tally, firstBad: after.tally };
  }
  return undefined;
}

/** The first good start after the last trial of a kind. */
export function goodAfter(
  trials: readonly Trial[],
  isSuch: (trial: Trial, position: number) => boolean,
): StartTally | undefined {
  const last = trials.findLastIndex(isSuch);
  if (last < 0) return undefined;
  return trials.slice(last + 1).find(({ good, block }) => good && block === trials[last]?.block)?.tally;
}

/**
 * Where the suspect last changed from a value that works to a broken one: a stray failure elsewhere is not the place
 * that the answer is about. Starts in between at which the value is not known stand where they stand.
 */
export function boundaryOf(trials: readonly Trial[], { suspects }: SuspectSet): Boundary | undefined {
  const facts = suspects.flatMap(({ facts: own }) => own.slice(0, 1));
  const labelAt = (at: number): boolean | undefined => {
    const labels = facts.map(({ pattern, broken }) => broken[pattern[at] ?? -1]);
    return labels.includes(false) ? false : labels.includes(undefined) ? undefined : true;
  };
  let lastGood = -1;
  let found: readonly [number, number] | undefined;
  for (const [at, { good, block }] of trials.entries()) {
    const isBroken = labelAt(at);
    if (block !== trials[at - 1]?.block) lastGood = -1;
    if (isBroken === false && good) lastGood = at;
    else if (isBroken === true && !good && lastGood >= 0) {
      found = [lastGood, at];
      lastGood = -1;
    }
  }
  if (found === undefined) return undefined;
  const [from, to] = found;
  const ofVm = facts.some(({ key }) => key.startsWith("vm."));
  const between = trials
    .map((trial, at) => ({ ...trial, at }))
    .slice(from, to + 1)
    .filter(({ at }) => at === from || at === to || labelAt(at) === undefined)
    .filter(({ at, tally }) => at === from || !ofVm || tally.vm === trials[to]?.tally.vm);
  const bad = between.findIndex(({ good }) => !good);
  const [before, after] = [between.slice(0, bad).findLast(({ good }) => good), between[bad]];
  return before === undefined || after === undefined
    ? undefined
    : { lastGood: before.tally, firstBad: after.tally };
}
