import type { Clock } from "../../clock.ts";
import { type BootIdentity, wallTime } from "../../host/boot-identity.ts";
import { valueOr } from "../../model/reading.ts";

/** When something happened; see `Observation`. */
export interface RecordTime {
  readonly at: number;
  readonly exactTime: boolean;
}

/** Dates kernel records by their own time stamps. */
export interface RecordClock {
  /**
   * The next records have just arrived; `fresh` says that they were also just written, which shows a clock that
   * was set or a machine that slept.
   */
  arrived(fresh: boolean): void;
  timeOf(monotonicUs: number): RecordTime;
}

/** A fresh record that seems older than this, in milliseconds, is reason to look at the clocks again. */
const TOLERANCE = 2000;

/** Makes a clock for the records of the running boot. */
export function createRecordClock(options: {
  readonly clock: Clock;
  readonly bootIdentity: () => BootIdentity;
}): RecordClock {
  const { clock, bootIdentity } = options;
  let zero = valueOr<number | undefined>(bootIdentity().monotonicZero, undefined);
  let now = clock.now();
  let mayMeasure = false;
  return {
    arrived(fresh) {
      now = clock.now();
      mayMeasure = fresh;
    },
    timeOf(monotonicUs) {
      if (zero !== undefined && mayMeasure) {
        const age = now - wallTime(monotonicUs, zero);
        if (age > TOLERANCE || age < -TOLERANCE) {
          mayMeasure = false;
          zero = valueOr<number | undefined>(bootIdentity().monotonicZero, zero);
        }
      }
      if (zero === undefined) return { at: now, exactTime: false };
      // No record comes from the future: the rest is the resolution of the estimate.
      return { at: Math.min(wallTime(monotonicUs, zero), now), exactTime: true };
    },
  };
}
