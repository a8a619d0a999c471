import data from "../../config/blame-priors.json" with { type: "json" };
import type { KnobKind } from "../facts/kind.ts";
import type { FailureClass } from "./trials.ts";

interface ClassOdds {
  readonly why: string;
  readonly odds: Partial<Record<KnobKind, number>>;
  /** What kinds that are not named have of their usual odds. */
  readonly others: number;
  readonly hidden?: number;
  readonly flaky?: number;
  readonly number?: number;
  /** That the firmware demanded it all along, and a kernel came that minds it (law 12). */
  readonly always?: number;
  /** Who puts a change back also switches the power off, and that alone may have healed it. */
  readonly power?: boolean;
}

const CLASSES: Partial<Record<FailureClass, ClassOdds>> = data.classes;

/** Odds before the data, for failures of one class. */
export interface Priors {
  of(kind: KnobKind): number;
  readonly hidden: number;
  readonly flaky: number;
  readonly number: number;
  readonly pair: number;
  readonly always: number;
}

/** Below these a knob has no known way to the failure: that it went there and back proves nothing by itself. */
const PLAUSIBLE = 0.25;

export function priorsFor(failure: FailureClass): Priors {
  const own = CLASSES[failure];
  const { hidden, flaky, number, pair } = data.rivals;
  return {
    of: (kind) => own?.odds[kind] ?? data.kinds[kind].odds * (own?.others ?? 1),
    hidden: own?.hidden ?? hidden.odds,
    flaky: own?.flaky ?? flaky.odds,
    number: own?.number ?? number.odds,
    pair: pair.odds,
    always: own?.always ?? 0,
  };
}

/** Whether a knob of this kind has a known way to such a failure. */
export function isPlausible(failure: FailureClass, kind: KnobKind): boolean {
  return priorsFor(failure).of(kind) >= PLAUSIBLE;
}

/** Whether a failure of this class may have been healed by the power-off that goes with putting a change back. */
export function isHealedByPower(failure: FailureClass): boolean {
  return CLASSES[failure]?.power === true;
}

/** What such failures are mostly due to. */
const OWN = 4;

/** Whether failures of this class are mostly due to knobs of this kind. */
export function isOwnCause(failure: FailureClass, kind: KnobKind): boolean {
  return priorsFor(failure).of(kind) >= OWN;
}
