import { isDeviceClass } from "../diagnosis/rank.ts";
import type { CauseClass } from "../model/catalogue.ts";
import type { AttemptTally } from "../store/attempt-store.ts";

/** Starts of one VM in one boot, with the same facts, that went the same way. */
export type StartTally = AttemptTally;

/** A tally that speaks for or against a suspect. */
export interface Trial {
  readonly good: boolean;
  readonly tally: StartTally;
}

/**
 * The class of failure that a question is about: of the newest failure in which a device, VFIO or the IOMMU was in
 * trouble; of the newest at all where there was none such. That a device was in use by another VM is no trouble of its
 * own, so it counts only where nothing else failed.
 */
export function failureInQuestion(tallies: readonly StartTally[]): CauseClass | "unknown" | undefined {
  const failures = tallies.filter(isFailure);
  const ofDevices = failures.filter(({ cause }) => cause !== undefined && isDeviceClass(cause));
  const newest =
    ofDevices.findLast(({ cause }) => cause !== "device-busy") ?? ofDevices.at(-1) ?? failures.at(-1);
  return newest === undefined ? undefined : (newest.cause ?? "unknown");
}

/**
 * Good starts and failures of the class in question, in the order given. Failures of other classes say nothing about
 * this one, and a refusal by the platform's policy never reached the device.
 */
export function trialsOf(tallies: readonly StartTally[], failure: CauseClass | "unknown"): readonly Trial[] {
  return tallies
    .filter(
      (tally) => tally.outcome === "started" || (isFailure(tally) && (tally.cause ?? "unknown") === failure),
    )
    .map((tally) => ({ good: tally.outcome === "started", tally }));
}

/** A start that went wrong. A refusal is none: it never reached the device (law 10). */
export function isFailure(tally: Pick<StartTally, "outcome">): boolean {
  return tally.outcome === "failed" || tally.outcome === "crashed-early";
}

/** Number of starts, boots and trials on each side. */
export function countSides(trials: readonly Trial[]): { readonly good: number; readonly bad: number } {
  let good = 0;
  let bad = 0;
  for (const trial of trials) {
    if (trial.good) good += trial.tally.count;
    else bad += trial.tally.count;
  }
  return { good, bad };
}

/**
 * The chance that failures which strike boots at random would fall exactly on one side of a division:
 * 1 / C(boots, failed boots). Starts within one boot are not independent (a hung card stays hung), so boots count.
 */
export function chanceOfSeparation(trials: readonly Trial[]): number {
  const good = new Set<string>();
  const bad = new Set<string>();
  for (const { good: isGood, tally } of trials)
    (isGood ? good : bad).add(String(tally.bootId ?? tally.firstNumber));
  const smaller = Math.min(good.size, bad.size);
  const total = good.size + bad.size;
  let ways = 1;
  for (let index = 1; index <= smaller; index += 1) {
    ways = (ways * (total - smaller + index)) / index;
    if (ways > 1e9) break;
  }
  return 1 / ways;
}
