import { type FactTable, UNKNOWN_INDEX } from "./fact-table.ts";
import { failureInQuestion, type StartTally, type Trial, trialsOf } from "./trials.ts";
import type { FactRecord } from "./weigh-facts.ts";

/** Neighbouring starts of which the first worked and the second failed. */
export interface Boundary {
  readonly lastGood: StartTally;
  readonly firstBad: StartTally;
}

/** The newest turn from good to bad among these starts. */
export function boundaryOf(tallies: readonly StartTally[]): Boundary | undefined {
  const failure = failureInQuestion(tallies);
  return failure === undefined ? undefined : newestBoundary(trialsOf(tallies, failure));
}

/** The newest turn from good to bad. */
export function newestBoundary(trials: readonly Trial[]): Boundary | undefined {
  for (let index = trials.length - 1; index > 0; index -= 1) {
    const before = trials[index - 1];
    const after = trials[index];
    if (before?.good === true && after?.good === false)
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
  return last < 0 ? undefined : trials.slice(last + 1).find((trial) => trial.good)?.tally;
}

/** Whether most starts with the value that the fact had at this trial failed. */
export function failsMostly(record: FactRecord, position: number): boolean {
  const count = record.counts[record.pattern[position] ?? UNKNOWN_INDEX];
  return count !== undefined && count.bad > count.good;
}

/**
 * Where the fact last changed from a value that works to one that fails: a stray failure elsewhere is not the place
 * that the answer is about.
 */
export function boundaryOfFact(trials: readonly Trial[], record: FactRecord): Boundary | undefined {
  let lastGood: StartTally | undefined;
  let isOnGoodValue = false;
  let found: Boundary | undefined;
  for (const [position, { good, tally }] of trials.entries()) {
    if (record.pattern[position] === UNKNOWN_INDEX) continue;
    const fails = failsMostly(record, position);
    if (!fails && good) {
      lastGood = tally;
      isOnGoodValue = true;
    } else if (fails && !good && isOnGoodValue && lastGood !== undefined) {
      found = closest(trials, record, lastGood, tally);
      isOnGoodValue = false;
    }
  }
  return found;
}

/** The boundary between two starts, with those in between at which the fact's value is not known. */
function closest(
  trials: readonly Trial[],
  { key, pattern }: FactRecord,
  lastGood: StartTally,
  firstBad: StartTally,
): Boundary {
  const from = trials.findIndex(({ tally }) => tally === lastGood);
  const to = trials.findIndex(({ tally }) => tally === firstBad);
  const between = trials
    .filter(
      (_trial, position) =>
        position === from ||
        position === to ||
        (position > from && position < to && pattern[position] === UNKNOWN_INDEX),
    )
    .filter(({ tally }) => !key.startsWith("vm.") || tally.vm === firstBad.vm);
  const bad = between.findIndex(({ good }) => !good);
  return {
    lastGood: between.slice(0, bad).findLast(({ good }) => good)?.tally ?? lastGood,
    firstBad: between[bad]?.tally ?? firstBad,
  };
}

/** Keys of the facts that changed between the last good and the first bad start. */
export function changedAt(
  boundary: Boundary | undefined,
  table: FactTable,
  placeOf: ReadonlyMap<string, number>,
): ReadonlySet<string> {
  const before = placeOf.get(boundary?.lastGood.snapshotId ?? "");
  const after = placeOf.get(boundary?.firstBad.snapshotId ?? "");
  const changed = new Set<string>();
  if (before === undefined || after === undefined) return changed;
  for (const column of table.columns) {
    const [was, is] = [table.indexAt(column, before), table.indexAt(column, after)];
    if (was !== is && was !== UNKNOWN_INDEX && is !== UNKNOWN_INDEX) changed.add(column.key);
  }
  return changed;
}
