import type { Observation } from "../model/observation.ts";

/** The wall clock was set while a host was recorded. UTC epoch milliseconds. */
export interface ClockSet {
  /** What it showed before. */
  readonly from: number;
  /** What it showed then. */
  readonly to: number;
}

/** The wall clock of a boot. */
export interface RecordedClock {
  readonly bootedAt: number;
  readonly sets: readonly ClockSet[];
}

/** An observation, and what the wall clock would have shown had nobody set it. */
export interface Placed {
  readonly observation: Observation;
  readonly undisturbed: number;
}

/** Sources and clocks are read one after the other (ms). */
const SLACK = 1_000;

/** Reads `clock-set.txt`: a line each time that the clock was set, both times in ISO form. What is no such line is left. */
export function readClockSets(text: string): readonly ClockSet[] {
  return text.split("\n").flatMap((line) => {
    const [from = "", to = ""] = line.trim().split(/\s+/);
    const set = { from: Date.parse(from), to: Date.parse(to) };
    return Number.isNaN(set.from) || Number.isNaN(set.to) ? [] : [set];
  });
}

/** While the clock goes on undisturbed: what it shows at both ends, and how far it lags behind one that nobody sets. */
interface Era {
  readonly from: number;
  readonly until: number;
  readonly lag: number;
}

function erasOf({ bootedAt, sets }: RecordedClock): readonly Era[] {
  let lag = 0;
  let from = bootedAt;
  const ended = sets.map((set): Era => {
    const era = { from, until: set.from, lag };
    lag += set.from - set.to;
    from = set.to;
    return era;
  });
  return [...ended, { from, until: Number.POSITIVE_INFINITY, lag }];
}

/**
 * Places what stands in one log, whose lines are in the order in which they were written. Those of earlier boots, which
 * fit nowhere, stay where they are.
 */
export function placeLog(observations: readonly Observation[], clock: RecordedClock): readonly Placed[] {
  const eras = erasOf(clock);
  let current = 0;
  let before = Number.NEGATIVE_INFINITY;
  return observations.map((observation) => {
    const { at } = observation;
    const first = at < before - SLACK ? current + 1 : current;
    before = at;
    const found = eras.findIndex(
      ({ from, until }, index) => index >= first && at >= from - SLACK && at <= until + SLACK,
    );
    if (found >= 0) current = found;
    return { observation, undisturbed: at + (eras[current]?.lag ?? 0) };
  });
}

/** Places what the kernel stamped with a clock that nobody sets; it is shown with the wall time of its moment. */
export function placeKernel(observations: readonly Observation[], clock: RecordedClock): readonly Placed[] {
  const eras = erasOf(clock);
  return observations.map((observation) => {
    const undisturbed = observation.at;
    const lag = eras.find((era) => undisturbed <= era.until + era.lag)?.lag ?? 0;
    return { observation: { ...observation, at: undisturbed - lag }, undisturbed };
  });
}

/** Before which of the placed observations each setting of the clock comes. */
export function settingsAmong(
  placed: readonly Placed[],
  clock: RecordedClock,
): readonly (ClockSet & { readonly before: number })[] {
  const eras = erasOf(clock);
  return clock.sets.map((set, index) => {
    const moment = set.from + (eras[index]?.lag ?? 0);
    const before = placed.findIndex(({ undisturbed }) => undisturbed > moment);
    return { ...set, before: before < 0 ? placed.length : before };
  });
}
