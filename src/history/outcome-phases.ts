import type { FactValue } from "../model/fact.ts";
import { areOfSeveralHosts } from "./model-trials.ts";
import type { SuspectName } from "./name-suspects.ts";
import type { Trial } from "./trials.ts";

/** A stretch of starts with one value of a fact. */
export interface Phase {
  readonly value: FactValue;
  readonly good: number;
  readonly bad: number;
  /** The same value was there before, with another in between. */
  readonly again: boolean;
}

/** More stretches than these are summed up by value. */
const MOST_PHASES = 4;

/** The stretches in order. */
function phasesOf(trials: readonly Trial[], name: SuspectName): readonly Phase[] {
  const phases: { value: FactValue; order: number; good: number; bad: number; again: boolean }[] = [];
  const seen = new Set<number>();
  for (const [position, { good, tally }] of trials.entries()) {
    const order = name.lead.pattern[position] ?? -1;
    const value = name.lead.counts[order]?.value;
    if (order < 0 || value === undefined) continue;
    let phase = phases.at(-1);
    if (phase?.order !== order) {
      phase = { value, order, good: 0, bad: 0, again: seen.has(order) };
      phases.push(phase);
      seen.add(order);
    }
    if (good) phase.good += tally.count;
    else phase.bad += tally.count;
  }
  return phases;
}

/** `14 of 14 starts worked on A63, 0 of 6 on A95, 3 of 3 after going back to A63` */
export function describePhases(trials: readonly Trial[], name: SuspectName): string {
  if (areOfSeveralHosts(trials)) return describeByValue(name);
  const phases = phasesOf(trials, name);
  if (phases.length <= MOST_PHASES) {
    return phases
      .map((phase, index) => {
        const where = phase.again ? `after going back to ${name.short(phase.value)}` : name.on(phase.value);
        return `${phase.good} of ${phase.good + phase.bad}${index === 0 ? " starts worked" : ""} ${where}`;
      })
      .join(", ");
  }
  return describeByValue(name);
}

/** Two that break it only together: `20 of 20 starts worked without the two of them together, 0 of 5 with` */
export function describeTogether(trials: readonly Trial[], names: readonly SuspectName[]): string {
  const counts = { without: { good: 0, all: 0 }, with: { good: 0, all: 0 } };
  for (const [at, { good, tally }] of trials.entries()) {
    const broken = names.map(({ lead }) => lead.broken[lead.pattern[at] ?? -1]);
    if (!broken.includes(false) && broken.includes(undefined)) continue;
    const side = broken.includes(false) ? counts.without : counts.with;
    side.all += tally.count;
    if (good) side.good += tally.count;
  }
  return `${counts.without.good} of ${counts.without.all} starts worked without the two of them together, ${counts.with.good} of ${counts.with.all} with`;
}

/** Values with which it worked and failed, the broken ones by name. */
function describeByValue(name: SuspectName): string {
  const broken = name.lead.counts.filter((_count, value) => name.lead.broken[value] === true);
  const sound = name.lead.counts.filter((_count, value) => name.lead.broken[value] !== true);
  const sum = (rows: readonly { readonly good: number; readonly bad: number }[]) => {
    const good = rows.reduce((total, row) => total + row.good, 0);
    return `${good} of ${good + rows.reduce((total, row) => total + row.bad, 0)}`;
  };
  // The last ones are what is asked about; one that is left over is named as well.
  const named = broken.length > 3 ? 2 : 3;
  const shown = broken.slice(-named).map((row) => `${sum([row])} ${name.on(row.value)}`);
  const rest = broken.slice(0, -named);
  if (rest.length > 0) shown.push(`${sum(rest)} on ${rest.length} others that fail`);
  const [only] = sound;
  const where =
    sound.length === 1 && only !== undefined ? name.on(only.value) : `on the ${sound.length} others`;
  return [`${sum(sound)} starts worked ${where}`, ...shown].join(", ");
}
