// What the model of blame is given, and how it counts it.

/** One or more starts that went the same way with the same values in one boot. */
export interface ModelTrial {
  /** Boots are numbered in their order; one in which the host slept is several. */
  readonly boot: number;
  readonly good: boolean;
  /** Whether the first start of its boot is among them, and whether a later one is. */
  readonly first: boolean;
  readonly later: boolean;
  /** The host, where starts of several are weighed together: nothing carries over from one to the next. */
  readonly block?: number;
}

/** Whether starts of several hosts are weighed together. */
export function areOfSeveralHosts(trials: readonly Pick<ModelTrial, "block">[]): boolean {
  return trials.length > 0 && trials[0]?.block !== trials.at(-1)?.block;
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

export interface Rates {
  readonly sound: number;
  readonly broken: number;
  readonly log: number;
}

export function pairsOf({ sound, broken }: ModelInput): readonly Rates[] {
  return sound.flatMap(([s, own]) =>
    broken.map(([b, other]): Rates => ({ sound: s, broken: b, log: Math.log(own * other) })),
  );
}

/** Boots with what was seen in them: whether it worked, whether it failed, and which came first. */
export interface ModelBoot {
  readonly outcomes: readonly boolean[];
  /** The first one of its host. */
  readonly begins: boolean;
}

export function bootsOf(
  trials: readonly ModelTrial[],
  isWanted: (at: number) => boolean,
): readonly ModelBoot[] {
  const boots: { outcomes: boolean[]; begins: boolean }[] = [];
  let last = -1;
  let host: number | undefined;
  for (const [at, { boot, good, block }] of trials.entries()) {
    if (!isWanted(at)) continue;
    if (boot !== last) boots.push({ outcomes: [], begins: boots.length === 0 || block !== host });
    last = boot;
    host = block;
    const outcomes = boots.at(-1)?.outcomes;
    if (outcomes !== undefined && !outcomes.includes(good)) outcomes.push(good);
  }
  return boots;
}

export interface Counted {
  readonly good: readonly number[];
  readonly bad: readonly number[];
}

/** Counts how many boots went well and badly with each value: of thousands of trials for each knob and pair. */
export function createCounter(trials: readonly ModelTrial[]): (values: Int32Array) => Counted {
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
