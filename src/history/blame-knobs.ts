import { logAdd, logSubtract, logSum, NOTHING } from "./log-sums.ts";
import type { Counted, ModelInput, Rates } from "./model-trials.ts";

// What a knob, or two together, explain: which of its values are broken.

/** The chance of a value to be broken, and of the one that appears after a broken one. */
const BROKEN = 0.15;
const STILL_BROKEN = 0.65;
/** Logarithms by the state of a value, sound or broken. */
type States = readonly [sound: number, broken: number];

/** How a value follows the one that appeared before it: what broke mostly stays broken. */
const FIRST: States = [Math.log(1 - BROKEN), Math.log(BROKEN)];
const AFTER_SOUND: States = FIRST;
const AFTER_BROKEN: States = [Math.log(1 - STILL_BROKEN), Math.log(STILL_BROKEN)];

/** Sums over which values are broken, in the order in which they appeared: at least one, and not all. */
export function knobLog(
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

/** Two knobs that break it only together: the cell of their values that fails, and neither value alone. */
export function pairLog(
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
