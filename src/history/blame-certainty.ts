import { isHealedByPower, isOwnCause, isPlausible } from "./blame-priors.ts";
import type { SuspectSet } from "./suspects.ts";
import { type FailureClass, failedBoots, type Trial } from "./trials.ts";

/**
 * By the probability of the first suspect, over all that may have done it, seen or not:
 * - `confirmed`: 0.95 or more, and it went back: with the failure's known mechanism; over more than one boot each where
 *   such failures are mostly due to it; and there again, over more than one boot each, where a way to this failure is
 *   known. Who puts a version back also puts back, in the same sitting, what no file shows.
 * - `likely`: 0.85 or more with the mechanism, or where a way is known and it was put back, or is what such failures
 *   are mostly due to; else 0.96 over more than one failed boot, and never an update of the whole system.
 * - `possible`: less, with what else may have done it; also two that cannot be told apart.
 * - `unknown`: what no fact shows is likelier than anything that does, or there is nothing to compare.
 */
export type BlameCertainty = "confirmed" | "likely" | "possible" | "unknown";

/** Why the answer is `unknown`. */
export type UnknownReason =
  | "no-starts"
  | "no-failure"
  | "no-good-start"
  | "comes-and-goes"
  | "later-starts"
  | "nothing-changed"
  | "in-use"
  | "not-passthrough"
  | "facts-missing";

/** What no fact shows, as a rival of all that they do. */
export interface Rivals {
  /** A state that seldom turns: a setting, a cable, a card that hangs. */
  readonly hidden: number;
  readonly flaky: number;
  /** The number of the start within its boot. */
  readonly number: number;
}

const CONFIRMED = 0.95;
const LIKELY = 0.85;
/** Below this a suspect is no answer. */
export const POSSIBLE = 0.25;
const MORE_THAN_ONE_BOOT = 2;
const WITHOUT_RETURN = 0.96;

/** How certain the first set of suspects is; `isLawful`: what the starts prove is the mechanism itself. */
export function certaintyOf(
  first: SuspectSet,
  failure: FailureClass,
  trials: readonly Trial[],
  isLawful: boolean,
): BlameCertainty {
  const { probability, suspects, reverted, thereAndBack, brokeAgain } = first;
  if ((suspects.length > 1 && !first.together) || probability < LIKELY) return "possible";
  const hasMechanism = isLawful || first.proof.length > 0;
  if (hasMechanism) return probability >= CONFIRMED && reverted ? "confirmed" : "likely";
  // What has no known way to the failure, and what failed in one boot only and was not put back, may be coincidence.
  if (!suspects.every(({ kind }) => isPlausible(failure, kind))) return "possible";
  if (!reverted && failedBoots(trials) < MORE_THAN_ONE_BOOT) return "possible";
  // What changed once, when it began, and could have broken anything, may have changed by coincidence.
  const isOwn = suspects.every(({ kind }) => isOwnCause(failure, kind));
  // With an update of the whole system people turn what nothing shows in the same sitting, in the firmware's set-up.
  const isSitting = suspects.some(({ kind }) => kind === "os");
  if (!reverted && !isOwn && (isSitting || probability < WITHOUT_RETURN)) return "possible";
  if (isHealedByPower(failure)) return "likely";
  const boots = isOwn ? thereAndBack : brokeAgain;
  return probability >= CONFIRMED && boots >= MORE_THAN_ONE_BOOT ? "confirmed" : "likely";
}

/** Why no change explains the failures. */
export function whyNone(
  trials: readonly Trial[],
  placeOf: ReadonlyMap<string, number>,
  { hidden, flaky, number }: Rivals,
): UnknownReason {
  const known = trials.filter(({ tally }) => placeOf.has(tally.snapshotId ?? ""));
  if (!known.some((trial) => trial.good) || !known.some((trial) => !trial.good)) return "facts-missing";
  if (number > hidden && number > flaky) return "later-starts";
  const turns = trials.filter(({ good, block }, index) => {
    const before = trials[index - 1];
    return before !== undefined && before.good !== good && before.block === block;
  }).length;
  return turns < 2 ? "nothing-changed" : "comes-and-goes";
}
