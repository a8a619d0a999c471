import { knobLog, pairLog } from "./blame-knobs.ts";
import {
  alwaysLog,
  createUnknown,
  flakyBootsLog,
  flakyStartsLog,
  hiddenLog,
  numberLog,
} from "./blame-rivals.ts";
import { logAdd, logSum, NOTHING } from "./log-sums.ts";
import { bootsOf, createCounter, type Grid, type ModelInput, pairsOf } from "./model-trials.ts";

/**
 * The likelihood behind `blame`. It knows starts in the order of boots, columns of values ("knobs") with odds before
 * the data, and nothing of where either comes from.
 *
 * A start fails with a small rate on a working value and with a large one on a broken value; both rates are unknown,
 * shared by all values, and summed over a grid. A knob explains the starts by which of its values are broken, at least
 * one of them and not all; the next version after a broken one is mostly broken too. Its rivals are always there: a state that no column shows
 * and that seldom turns, plain flakiness (of starts, of whole boots), the number of a start within its boot, and two
 * knobs that break it only together. What is alike in one boot counts once: a hung card stays hung.
 */
export type Hypothesis =
  | {
      readonly kind: "knob";
      readonly knob: number;
      /** For each value the chance that it is broken, if the knob is what did it. */
      readonly broken: readonly number[];
    }
  | {
      readonly kind: "pair";
      readonly knobs: readonly [number, number];
      /** The values that break it only together. */
      readonly values: readonly [number, number];
    }
  | { readonly kind: "hidden" | "flaky" | "number" | "always" };

export type Weighed = Hypothesis & { readonly probability: number };

/** Ordinary failures happen on everything that works; what is broken fails nearly always, or often, or at times. */
export const ORDINARY: { readonly sound: Grid; readonly broken: Grid } = {
  sound: [
    [0.002, 0.3],
    [0.01, 0.33],
    [0.03, 0.27],
    [0.08, 0.1],
  ],
  broken: [
    [0.995, 0.48],
    [0.95, 0.26],
    [0.8, 0.13],
    [0.5, 0.08],
    [0.3, 0.05],
  ],
};

/** What the kernel refuses because of the firmware does not come and go by itself. */
export const LAWFUL: { readonly sound: Grid; readonly broken: Grid } = {
  sound: [[0.002, 1]],
  broken: [[0.995, 1]],
};

/** So many knobs are looked at for pairs, the likeliest first; none where one has this probability alone. */
const PAIRED = 10;
const ALONE = 0.98;

/** Weighs every hypothesis; the likeliest first, probabilities adding up to 1. */
export function weigh(input: ModelInput): readonly Weighed[] {
  const found: Found[] = [];
  const add = (hypothesis: Hypothesis, odds: number, log: number) => {
    if (odds > 0 && log > NOTHING) found.push({ hypothesis, log: Math.log(odds) + log });
  };
  const rates = pairsOf(input);
  const boots = bootsOf(input.trials, () => true);
  add({ kind: "hidden" }, input.hidden, hiddenLog(boots, rates));
  add({ kind: "flaky" }, input.flaky, logAdd(flakyStartsLog(boots), flakyBootsLog(boots, rates)) - Math.LN2);
  add({ kind: "number" }, input.number, numberLog(input.trials, rates));
  if (input.always !== undefined) add({ kind: "always" }, input.always, alwaysLog(boots, rates));
  const unknown = createUnknown(input, rates);
  const countValues = createCounter(input.trials);
  for (const [knob, { odds, values, safe }] of input.knobs.entries()) {
    const counted = countValues(values);
    const { log, broken } = knobLog(counted, rates, safe);
    add({ kind: "knob", knob, broken }, odds, log + (log > NOTHING ? unknown(values) : 0));
  }
  for (const [first, second] of likelyPairs(found)) {
    const odds = input.pair * Math.min(input.knobs[first]?.odds ?? 0, input.knobs[second]?.odds ?? 0);
    const pair = pairLog(input, first, second, rates, unknown, countValues);
    if (pair !== undefined)
      add({ kind: "pair", knobs: [first, second], values: pair.values }, odds, pair.log);
  }
  const most = Math.max(...found.map(({ log }) => log));
  const sum = found.reduce((total, { log }) => total + Math.exp(log - most), 0);
  return found
    .map(({ hypothesis, log }): Weighed => ({ ...hypothesis, probability: Math.exp(log - most) / sum }))
    .sort((a, b) => b.probability - a.probability);
}

interface Found {
  readonly hypothesis: Hypothesis;
  readonly log: number;
}

/** The pairs of the likeliest knobs; none where one alone explains all but what is worth no mention. */
function likelyPairs(found: readonly Found[]): readonly (readonly [number, number])[] {
  const knobs = found
    .flatMap(({ hypothesis, log }) => (hypothesis.kind === "knob" ? [{ knob: hypothesis.knob, log }] : []))
    .sort((a, b) => b.log - a.log);
  const [first] = knobs;
  const all = logSum(found.map(({ log }) => log));
  if (first === undefined || Math.exp(first.log - all) > ALONE) return [];
  const best = knobs.slice(0, PAIRED).map(({ knob }) => knob);
  return best.flatMap((one, at) => best.slice(at + 1).map((other) => [one, other] as const));
}
