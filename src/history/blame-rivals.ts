import { logSum } from "./log-sums.ts";
import {
  bootsOf,
  type Grid,
  type ModelBoot,
  type ModelInput,
  type ModelTrial,
  type Rates,
} from "./model-trials.ts";

// What may have done it beside every knob: what no column shows, chance, the number of the start within its boot.

/** How often what no column shows turns from one boot to the next; within a boot a quarter of it. */
const TURNS: Grid = [
  [0.01, 0.35],
  [0.03, 0.4],
  [0.1, 0.25],
];
const WITHIN_BOOT = 0.25;
/** The chance that it stood at broken when the record begins. */
const BROKEN_AT_FIRST = 0.1;
/** Rates of plain flakiness: about Beta(1, 4). */
const FLAKES: Grid = [
  [0.02, 0.14],
  [0.05, 0.16],
  [0.1, 0.2],
  [0.2, 0.24],
  [0.35, 0.16],
  [0.55, 0.1],
];
/** What is left of a product before its logarithm is taken: each step leaves a thousandth or more. */
const SMALL = 1e-200;

/** Forward sums over a chain of two states, one for each host. */
export function hiddenLog(boots: readonly ModelBoot[], rates: readonly Rates[]): number {
  const logs: number[] = [];
  // Thousands of steps for each of the rates: bit 0 says that it worked, bit 1 that it was not the boot's first, bit 2
  // that a chain begins.
  const steps = Uint8Array.from(
    boots.flatMap(({ outcomes, begins }) =>
      outcomes.map((good, at) => (good ? 1 : 0) + (at !== 0 ? 2 : begins ? 4 : 0)),
    ),
  );
  for (const [turn, weight] of TURNS) {
    for (const { sound, broken, log } of rates) {
      let atSound = 1 - BROKEN_AT_FIRST;
      let atBroken = BROKEN_AT_FIRST;
      let sum = 0;
      for (let at = 0; at < steps.length; at += 1) {
        const step = steps[at] as number;
        if (at > 0 && step >= 4) {
          sum += Math.log(atSound + atBroken);
          atSound = 1 - BROKEN_AT_FIRST;
          atBroken = BROKEN_AT_FIRST;
        }
        const change = (step & 2) === 0 ? turn : turn * WITHIN_BOOT;
        const good = (step & 1) === 1;
        const nextSound = (atSound * (1 - change) + atBroken * change) * (good ? 1 - sound : sound);
        atBroken = (atBroken * (1 - change) + atSound * change) * (good ? 1 - broken : broken);
        atSound = nextSound;
        const scale = atSound + atBroken;
        if (scale > SMALL) continue;
        sum += Math.log(scale);
        atSound /= scale;
        atBroken /= scale;
      }
      logs.push(sum + Math.log(atSound + atBroken) + log + Math.log(weight));
    }
  }
  return logSum(logs);
}

export function alwaysLog(boots: readonly ModelBoot[], rates: readonly Rates[]): number {
  const all = boots.flatMap(({ outcomes }) => outcomes);
  const good = all.filter((one) => one).length;
  return logSum(
    rates.map(
      ({ broken, log }) => log + good * Math.log(1 - broken) + (all.length - good) * Math.log(broken),
    ),
  );
}

export function flakyStartsLog(boots: readonly ModelBoot[]): number {
  const all = boots.flatMap(({ outcomes }) => outcomes);
  const good = all.filter((one) => one).length;
  return logSum(
    FLAKES.map(
      ([rate, weight]) => Math.log(weight) + good * Math.log(1 - rate) + (all.length - good) * Math.log(rate),
    ),
  );
}

/** Each boot is a bad one by itself. */
export function flakyBootsLog(boots: readonly ModelBoot[], rates: readonly Rates[]): number {
  const mixed = boots.filter(({ outcomes }) => outcomes.length > 1).length;
  const good = boots.filter(({ outcomes }) => outcomes.length === 1 && outcomes[0] === true).length;
  const bad = boots.length - mixed - good;
  return logSum(
    FLAKES.flatMap(([rate, weight]) =>
      rates.map(({ sound, broken, log }) => {
        const of = (soundly: number, brokenly: number) => Math.log((1 - rate) * soundly + rate * brokenly);
        return (
          Math.log(weight) +
          log +
          good * of(1 - sound, 1 - broken) +
          bad * of(sound, broken) +
          mixed * of(sound * (1 - sound), broken * (1 - broken))
        );
      }),
    ),
  );
}

/** A card that cannot be reset works once in a boot. */
export function numberLog(trials: readonly ModelTrial[], rates: readonly Rates[]): number {
  const counts = [0, 0, 0, 0];
  let boot = -1;
  let seen = new Set<number>();
  for (const trial of trials) {
    if (trial.boot !== boot) seen = new Set();
    boot = trial.boot;
    for (const isLater of [false, true]) {
      if (isLater ? !trial.later : !trial.first) continue;
      // Of several starts that failed alike the first tells; that later ones went well too tells something.
      if (isLater && trial.first && !trial.good) continue;
      const cell = (isLater ? 2 : 0) + (trial.good ? 0 : 1);
      if (seen.has(cell)) continue;
      seen.add(cell);
      counts[cell] = (counts[cell] ?? 0) + 1;
    }
  }
  const [firstGood = 0, firstBad = 0, laterGood = 0, laterBad = 0] = counts;
  return logSum(
    rates.map(
      ({ sound, broken, log }) =>
        log +
        firstGood * Math.log(1 - sound) +
        firstBad * Math.log(sound) +
        laterGood * Math.log(1 - broken) +
        laterBad * Math.log(broken),
    ),
  );
}

/** The starts at which a knob's value is not known it does not explain: they are left to the hidden state. */
export function createUnknown(input: ModelInput, rates: readonly Rates[]): (values: Int32Array) => number {
  const known = new Map<string, number>();
  return (values) => {
    const places: number[] = [];
    for (let at = 0; at < values.length; at += 1) if ((values[at] ?? -1) < 0) places.push(at);
    if (places.length === 0) return 0;
    const key = places.join(",");
    let log = known.get(key);
    if (log === undefined) {
      const wanted = new Set(places);
      log = hiddenLog(
        bootsOf(input.trials, (at) => wanted.has(at)),
        rates,
      );
      known.set(key, log);
    }
    return log;
  };
}
