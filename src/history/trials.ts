import type { CauseClass } from "../model/catalogue.ts";
import type { AttemptTally } from "../store/attempt-store.ts";
import { AKIN, isNoPassthroughFailure } from "./blame-laws.ts";
import type { ModelTrial } from "./model-trials.ts";

/** Starts of one VM in one boot, or in one stretch of it without sleep, with the same facts, that went the same way. */
export type StartTally = AttemptTally;

/** The class of a failure; unknown where nothing said why. */
export type FailureClass = CauseClass | "unknown";

/** A tally that speaks for or against a suspect. */
export interface Trial extends ModelTrial {
  readonly tally: StartTally;
}

/** Which host a start was on, where there are several: what is told of a stretch of starts ends with its host. */
type BlockOf = ((tally: StartTally) => number) | undefined;

/** Failures with one cause, as far as that can be told by how they come. */
export interface Fault {
  /** The class that says most; the others are its symptoms. */
  readonly failure: FailureClass;
  readonly classes: ReadonlySet<FailureClass>;
  /** Good starts and the fault's failures, in order. */
  readonly trials: readonly Trial[];
}

/** A start that went wrong. A refusal is none: it never reached the device (law 10). */
export function isFailure(tally: Pick<StartTally, "outcome">): boolean {
  return tally.outcome === "failed" || tally.outcome === "crashed-early";
}

/** Whether a failure is one that a change of the host may have to explain. */
export function isPassthroughFailure(tally: Pick<StartTally, "outcome" | "cause">): boolean {
  return isFailure(tally) && !(tally.cause !== undefined && isNoPassthroughFailure(tally.cause));
}

/**
 * The faults behind the failures, the one with the newest failure last. Classes that fail in the same boot with the
 * same facts are one fault, as are those that are symptoms of each other in one stretch of failures, and those that
 * keep taking turns. A failure that says nothing of itself belongs to the stretch that it is in.
 */
export function findFaults(
  tallies: readonly StartTally[],
  blockOf?: (tally: StartTally) => number,
): readonly Fault[] {
  const counted = tallies.filter((tally) => tally.outcome === "started" || isPassthroughFailure(tally));
  const failed = counted.filter(({ outcome }) => outcome !== "started");
  const joined = joinClasses(counted, failed, blockOf);
  const faultOf = new Map<StartTally, FailureClass>();
  for (const [at, tally] of counted.entries()) {
    if (tally.outcome === "started") continue;
    const own = classOf(tally);
    faultOf.set(tally, joined(own === "unknown" ? (neighbour(counted, at, blockOf) ?? own) : own));
  }
  const trials = trialsOf(counted, tallies, blockOf);
  const newest = [...new Set(failed.toReversed().map((tally) => faultOf.get(tally)))].toReversed();
  return newest.flatMap((root): readonly Fault[] => {
    if (root === undefined) return [];
    const own = trials.filter(({ good, tally }) => good || faultOf.get(tally) === root);
    const classes = new Set(own.flatMap(({ good, tally }) => (good ? [] : [classOf(tally)])));
    return [{ failure: mostTelling(own, classes), classes, trials: own }];
  });
}

function classOf({ cause }: StartTally): FailureClass {
  return cause ?? "unknown";
}

/** The class of the nearest failure that says something, with no good start in between. */
function neighbour(counted: readonly StartTally[], at: number, blockOf: BlockOf): FailureClass | undefined {
  const blockAt = (place: number) => (counted[place] === undefined ? undefined : blockOf?.(counted[place]));
  for (const step of [-1, 1]) {
    for (let other = at + step; other >= 0 && other < counted.length; other += step) {
      const tally = counted[other];
      if (tally === undefined || tally.outcome === "started" || blockAt(other) !== blockAt(at)) break;
      if (tally.cause !== undefined) return tally.cause;
    }
  }
  return undefined;
}

const OFTEN_TOGETHER = 0.34;
const TAKING_TURNS = 3;

/** Gives for a class the one that stands for all that it belongs with. */
function joinClasses(
  counted: readonly StartTally[],
  failed: readonly StartTally[],
  blockOf: BlockOf,
): (own: FailureClass) => FailureClass {
  const parent = new Map<FailureClass, FailureClass>();
  const rootOf = (own: FailureClass): FailureClass => {
    const above = parent.get(own) ?? own;
    return above === own ? own : rootOf(above);
  };
  const moments = Map.groupBy(
    failed.filter(({ cause }) => cause !== undefined),
    classOf,
  );
  const momentOf = (tally: StartTally) => `${tally.bootId ?? tally.firstNumber} ${tally.snapshotId}`;
  const classes = [...moments.keys()];
  const stretches = stretchesOf(counted, blockOf);
  for (const [at, one] of classes.entries()) {
    const own = new Set(moments.get(one)?.map(momentOf));
    for (const other of classes.slice(at + 1)) {
      const theirs = new Set(moments.get(other)?.map(momentOf));
      const both = [...own].filter((moment) => theirs.has(moment)).length;
      const often = both > 0 && both >= OFTEN_TOGETHER * Math.min(own.size, theirs.size);
      const akin = AKIN.some(({ classes: kin }) => isIn(kin, one) && isIn(kin, other));
      const inOneStretch = stretches.some((stretch) => stretch.includes(one) && stretch.includes(other));
      const turns = Math.max(0, ...stretches.map((stretch) => turnsBetween(stretch, one, other)));
      if (often || (akin && inOneStretch) || turns >= TAKING_TURNS) parent.set(rootOf(one), rootOf(other));
    }
  }
  return rootOf;
}

function isIn(classes: readonly CauseClass[], own: FailureClass): boolean {
  return classes.some((one) => one === own);
}

/** Classes in the order in which they failed, for each stretch without a good start. */
function stretchesOf(counted: readonly StartTally[], blockOf: BlockOf): readonly (readonly FailureClass[])[] {
  const stretches: FailureClass[][] = [];
  let goesOn = false;
  let block: number | undefined;
  for (const tally of counted) {
    const own = blockOf?.(tally);
    if (own !== block) goesOn = false;
    block = own;
    const bad = tally.outcome !== "started";
    if (bad && goesOn) stretches.at(-1)?.push(classOf(tally));
    else if (bad) stretches.push([classOf(tally)]);
    goesOn = bad;
  }
  return stretches;
}

function turnsBetween(stretch: readonly FailureClass[], one: FailureClass, other: FailureClass): number {
  const both = stretch.filter((own) => own === one || own === other);
  return both.filter((own, at) => at > 0 && both[at - 1] !== own).length;
}

/** The direct word before its symptoms, then the most frequent. */
function mostTelling(trials: readonly Trial[], classes: ReadonlySet<FailureClass>): FailureClass {
  const counts = new Map<FailureClass, number>();
  for (const { good, tally } of trials) {
    if (!good) counts.set(classOf(tally), (counts.get(classOf(tally)) ?? 0) + tally.count);
  }
  for (const { classes: kin, isRanked } of AKIN) {
    const [first] = kin;
    if (isRanked && first !== undefined && classes.has(first)) return first;
  }
  const named = [...counts].filter(([own]) => own !== "unknown").sort((a, b) => b[1] - a[1]);
  return named[0]?.[0] ?? "unknown";
}

/**
 * The trials of these tallies, which are in the order in which they began. Which start of its boot one was is told by all
 * that reached a result.
 */
function trialsOf(
  counted: readonly StartTally[],
  all: readonly StartTally[],
  blockOf: BlockOf,
): readonly Trial[] {
  const firsts = new Map<string, StartTally>();
  // A host that wakes up sets its devices up anew: as another boot.
  const bootOf = (tally: StartTally) => `${tally.bootId ?? `#${tally.firstNumber}`} ${tally.wake ?? 0}`;
  for (const tally of all) {
    if (tally.outcome === "refused") continue;
    const key = `${bootOf(tally)} ${tally.vm}`;
    if (!firsts.has(key)) firsts.set(key, tally);
  }
  let boot = -1;
  let last: string | undefined;
  return counted.map((tally): Trial => {
    const own = bootOf(tally);
    if (own !== last) boot += 1;
    last = own;
    const good = tally.outcome === "started";
    // Which start of its boot it was is not known of other hosts.
    if (blockOf !== undefined) return { boot, good, first: true, later: true, tally, block: blockOf(tally) };
    const first = firsts.get(`${own} ${tally.vm}`) === tally;
    return { boot, good, first, later: !first || tally.count > 1, tally };
  });
}

/** Starts on each side. */
export function countSides(trials: readonly Trial[]): { readonly good: number; readonly bad: number } {
  let [good, bad] = [0, 0];
  for (const trial of trials) {
    if (trial.good) good += trial.tally.count;
    else bad += trial.tally.count;
  }
  return { good, bad };
}

/** Boots in which it failed; one in which the host slept is several. */
export function failedBoots(trials: readonly Trial[]): number {
  return new Set(trials.flatMap(({ good, boot }) => (good ? [] : [boot]))).size;
}

/**
 * The chance that failures which strike boots at random would fall exactly on one side of a division:
 * 1 / C(boots, failed boots).
 */
export function chanceOfSeparation(trials: readonly Trial[]): number {
  const bad = failedBoots(trials);
  const good = new Set(trials.flatMap((trial) => (trial.good ? [trial.boot] : []))).size;
  const smaller = Math.min(good, bad);
  let ways = 1;
  for (let index = 1; index <= smaller && ways <= 1e9; index += 1)
    ways = (ways * (good + bad - smaller + index)) / index;
  return 1 / ways;
}
