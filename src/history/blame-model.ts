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

/** One or more starts that went the same way with the same values in one boot. */
export interface ModelTrial {
  /** Boots are numbered in their order. */
  readonly boot: number;
  readonly good: boolean;
  /** Whether the first start of its boot is among them, and whether a later one is. */
  readonly first: boolean;
  readonly later: boolean;
}

export interface ModelKnob {
  /** Odds before the data. */
  readonly odds: number;
  /** For each trial the index of its value, counted in the order in which they appeared; negative where it is not known. */
  readonly values: Int32Array;
  /** A value that cannot be broken: that the start was another VM's, say. */
  readonly safe?: number;
}

/** A rate and its weight; weights add up to 1. */
export type Grid = readonly (readonly [rate: number, weight: number])[];

export interface ModelInput {
  readonly trials: readonly ModelTrial[];
  readonly knobs: readonly ModelKnob[];
  readonly sound: Grid;
  readonly broken: Grid;
  /** Odds of the rivals before the data. */
  readonly hidden: number;
  readonly flaky: number;
  readonly number: number;
  /** It was broken all along, and something else than these knobs lets it show. */
  readonly always?: number;
  /** What two knobs together have of the lesser odds of them. */
  readonly pair: number;
}

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

/** Ordinary failures happen on everything that works; what is broken fails nearly always, or at least often. */
export const ORDINARY: { readonly sound: Grid; readonly broken: Grid } = {
  sound: [
    [0.002, 0.3],
    [0.01, 0.33],
    [0.03, 0.27],
    [0.08, 0.1],
  ],
  broken: [
    [0.995, 0.5],
    [0.95, 0.27],
    [0.8, 0.13],
    [0.5, 0.1],
  ],
};

/** What the kernel refuses because of the firmware does not come and go by itself. */
export const LAWFUL: { readonly sound: Grid; readonly broken: Grid } = {
  sound: [[0.002, 1]],
  broken: [[0.995, 1]],
};

/** The chance of a value to be broken, and of the one that appears after a broken one. */
const BROKEN = 0.15;
const STILL_BROKEN = 0.65;
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
/** So many knobs are looked at for pairs, the likeliest first; none where one has this probability alone. */
const PAIRED = 10;
const ALONE = 0.98;
/** A knob by whose values nothing can be told explains nothing. */
const NOTHING = Number.NEGATIVE_INFINITY;

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

interface Rates {
  readonly sound: number;
  readonly broken: number;
  readonly log: number;
}

function pairsOf({ sound, broken }: ModelInput): readonly Rates[] {
  return sound.flatMap(([s, own]) =>
    broken.map(([b, other]): Rates => ({ sound: s, broken: b, log: Math.log(own * other) })),
  );
}

/** Boots with what was seen in them: whether it worked, whether it failed, and which came first. */
interface ModelBoot {
  readonly outcomes: readonly boolean[];
}

function bootsOf(trials: readonly ModelTrial[], isWanted: (at: number) => boolean): readonly ModelBoot[] {
  const boots: { outcomes: boolean[] }[] = [];
  let last = -1;
  for (const [at, { boot, good }] of trials.entries()) {
    if (!isWanted(at)) continue;
    if (boot !== last) boots.push({ outcomes: [] });
    last = boot;
    const outcomes = boots.at(-1)?.outcomes;
    if (outcomes !== undefined && !outcomes.includes(good)) outcomes.push(good);
  }
  return boots;
}

/** What is left of a product before its logarithm is taken: each step leaves a thousandth or more. */
const SMALL = 1e-200;

/** Forward sums over a chain of two states. */
function hiddenLog(boots: readonly ModelBoot[], rates: readonly Rates[]): number {
  const logs: number[] = [];
  // Thousands of steps for each of the rates: bit 0 says that it worked, bit 1 that it was not the boot's first.
  const steps = Uint8Array.from(
    boots.flatMap(({ outcomes }) => outcomes.map((good, at) => (good ? 1 : 0) + (at === 0 ? 0 : 2))),
  );
  for (const [turn, weight] of TURNS) {
    for (const { sound, broken, log } of rates) {
      let atSound = 1 - BROKEN_AT_FIRST;
      let atBroken = BROKEN_AT_FIRST;
      let sum = 0;
      for (let at = 0; at < steps.length; at += 1) {
        const step = steps[at] as number;
        const change = step < 2 ? turn : turn * WITHIN_BOOT;
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

function alwaysLog(boots: readonly ModelBoot[], rates: readonly Rates[]): number {
  const all = boots.flatMap(({ outcomes }) => outcomes);
  const good = all.filter((one) => one).length;
  return logSum(
    rates.map(
      ({ broken, log }) => log + good * Math.log(1 - broken) + (all.length - good) * Math.log(broken),
    ),
  );
}

function flakyStartsLog(boots: readonly ModelBoot[]): number {
  const all = boots.flatMap(({ outcomes }) => outcomes);
  const good = all.filter((one) => one).length;
  return logSum(
    FLAKES.map(
      ([rate, weight]) => Math.log(weight) + good * Math.log(1 - rate) + (all.length - good) * Math.log(rate),
    ),
  );
}

/** Each boot is a bad one by itself. */
function flakyBootsLog(boots: readonly ModelBoot[], rates: readonly Rates[]): number {
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
function numberLog(trials: readonly ModelTrial[], rates: readonly Rates[]): number {
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

interface Counted {
  readonly good: readonly number[];
  readonly bad: readonly number[];
}

/** Counts how many boots went well and badly with each value: of thousands of trials for each knob and pair. */
function createCounter(trials: readonly ModelTrial[]): (values: Int32Array) => Counted {
  const boots = Int32Array.from(trials, ({ boot }) => boot);
  const isGood = Uint8Array.from(trials, ({ good }) => (good ? 1 : 0));
  return (values) => {
    let most = -1;
    for (let at = 0; at < values.length; at += 1) most = Math.max(most, values[at] as number);
    const counts = [new Array<number>(most + 1).fill(0), new Array<number>(most + 1).fill(0)] as const;
    // By value and outcome the boot that was counted last.
    const last = new Int32Array(2 * (most + 1)).fill(-1);
    for (let at = 0; at < values.length; at += 1) {
      const value = values[at] as number;
      if (value < 0) continue;
      const good = isGood[at] as 0 | 1;
      if (last[2 * value + good] === boots[at]) continue;
      last[2 * value + good] = boots[at] as number;
      counts[good][value] = (counts[good][value] as number) + 1;
    }
    return { good: counts[1], bad: counts[0] };
  };
}

/** Logarithms by the state of a value, sound or broken. */
type States = readonly [sound: number, broken: number];

/** How a value follows the one that appeared before it: what broke mostly stays broken. */
const FIRST: States = [Math.log(1 - BROKEN), Math.log(BROKEN)];
const AFTER_SOUND: States = FIRST;
const AFTER_BROKEN: States = [Math.log(1 - STILL_BROKEN), Math.log(STILL_BROKEN)];

/** Sums over which values are broken, in the order in which they appeared: at least one, and not all. */
function knobLog(
  counted: Counted,
  rates: readonly Rates[],
  safe: number | undefined,
): { readonly log: number; readonly broken: readonly number[] } {
  const seen = counted.good.flatMap((good, value) =>
    good > 0 || (counted.bad[value] ?? 0) > 0 ? [value] : [],
  );
  if (seen.length < 2) return { log: NOTHING, broken: [] };
  const logs: number[] = [];
  const perRate: (readonly number[])[] = [];
  for (const { sound, broken, log } of rates) {
    const [goodSound, badSound] = [Math.log(1 - sound), Math.log(sound)];
    const [goodBroken, badBroken] = [Math.log(1 - broken), Math.log(broken)];
    const said = seen.map((value): States => {
      const [g, b] = [counted.good[value] ?? 0, counted.bad[value] ?? 0];
      return [g * goodSound + b * badSound, value === safe ? NOTHING : g * goodBroken + b * badBroken];
    });
    const { all, shares } = throughValues(said);
    const none = said.reduce((sum, [own], at) => sum + own + (at === 0 ? FIRST[0] : AFTER_SOUND[0]), 0);
    const every = said.reduce((sum, [, own], at) => sum + own + (at === 0 ? FIRST[1] : AFTER_BROKEN[1]), 0);
    logs.push(log + logSubtract(logSubtract(all, none), every));
    perRate.push(shares);
  }
  const log = logSum(logs);
  if (log === NOTHING) return { log, broken: [] };
  const broken = new Array<number>(counted.good.length).fill(0);
  for (const [at, value] of seen.entries())
    broken[value] = perRate.reduce(
      (sum, shares, rate) => sum + Math.exp((logs[rate] ?? NOTHING) - log) * (shares[at] ?? 0),
      0,
    );
  const ofOneKind =
    (1 - BROKEN) ** seen.length + (safe === undefined ? BROKEN * STILL_BROKEN ** (seen.length - 1) : 0);
  return { log: log - Math.log(1 - ofOneKind), broken };
}

/** Forward and backward sums over the values: all of it, and for each value the chance that it is broken. */
function throughValues(said: readonly States[]): {
  readonly all: number;
  readonly shares: readonly number[];
} {
  const forward: States[] = [];
  for (const [at, [sound, broken]] of said.entries()) {
    const last = forward[at - 1];
    forward.push(
      last === undefined
        ? [FIRST[0] + sound, FIRST[1] + broken]
        : [
            sound + logAdd(last[0] + AFTER_SOUND[0], last[1] + AFTER_BROKEN[0]),
            broken + logAdd(last[0] + AFTER_SOUND[1], last[1] + AFTER_BROKEN[1]),
          ],
    );
  }
  const [endSound, endBroken] = forward.at(-1) ?? [NOTHING, NOTHING];
  const all = logAdd(endSound, endBroken);
  const shares = new Array<number>(said.length).fill(0);
  let behind: States = [0, 0];
  for (let at = said.length - 1; at >= 0; at -= 1) {
    const [, broken] = forward[at] ?? [NOTHING, NOTHING];
    shares[at] = Math.exp(broken + behind[1] - all);
    const [asSound, asBroken] = said[at] ?? [NOTHING, NOTHING];
    const [nextSound, nextBroken] = [asSound + behind[0], asBroken + behind[1]];
    behind = [
      logAdd(AFTER_SOUND[0] + nextSound, AFTER_SOUND[1] + nextBroken),
      logAdd(AFTER_BROKEN[0] + nextSound, AFTER_BROKEN[1] + nextBroken),
    ];
  }
  return { all, shares };
}

/** The starts at which a knob's value is not known it does not explain: they are left to the hidden state. */
function createUnknown(input: ModelInput, rates: readonly Rates[]): (values: Int32Array) => number {
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

/** Two knobs that break it only together: the cell of their values that fails, and neither value alone. */
function pairLog(
  input: ModelInput,
  first: number,
  second: number,
  rates: readonly Rates[],
  unknown: (values: Int32Array) => number,
  countValues: (values: Int32Array) => Counted,
): { readonly log: number; readonly values: readonly [number, number] } | undefined {
  const [one, two] = [input.knobs[first]?.values, input.knobs[second]?.values];
  if (one === undefined || two === undefined) return undefined;
  const width = two.reduce((most, value) => Math.max(most, value), -1) + 1;
  const cells = one.map((value, at) => {
    const other = two[at] ?? -1;
    return value < 0 || other < 0 ? -1 : value * width + other;
  });
  const counted = countValues(cells);
  let total = { good: 0, bad: 0 };
  let worst = -1;
  for (let cell = 0; cell < counted.good.length; cell += 1) {
    const [g, b] = [counted.good[cell] ?? 0, counted.bad[cell] ?? 0];
    total = { good: total.good + g, bad: total.bad + b };
    if (worst < 0 || b > (counted.bad[worst] ?? 0)) worst = cell;
  }
  const values = [Math.floor(worst / width), worst % width] as const;
  const worksWith = (side: 0 | 1) =>
    counted.good.some((good, cell) => {
      const own = side === 0 ? Math.floor(cell / width) : cell % width;
      return cell !== worst && own === values[side] && good > 0;
    });
  // Where one of the values never worked, that one alone says as much.
  if (worst < 0 || !worksWith(0) || !worksWith(1)) return undefined;
  const [g, b] = [counted.good[worst] ?? 0, counted.bad[worst] ?? 0];
  const log = logSum(
    rates.map(
      (rate) =>
        rate.log +
        g * Math.log(1 - rate.broken) +
        b * Math.log(rate.broken) +
        (total.good - g) * Math.log(1 - rate.sound) +
        (total.bad - b) * Math.log(rate.sound),
    ),
  );
  return { log: log + Math.log(BROKEN) + unknown(cells), values };
}

function logAdd(a: number, b: number): number {
  if (a === NOTHING) return b;
  if (b === NOTHING) return a;
  return a > b ? a + Math.log1p(Math.exp(b - a)) : b + Math.log1p(Math.exp(a - b));
}

/** The logarithm of what is left of `a`; nothing where rounding leaves none. */
function logSubtract(a: number, b: number): number {
  return b === NOTHING ? a : a - b < 1e-12 ? NOTHING : a + Math.log1p(-Math.exp(b - a));
}

function logSum(logs: readonly number[]): number {
  const most = Math.max(...logs);
  return most === NOTHING
    ? NOTHING
    : most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0));
}
