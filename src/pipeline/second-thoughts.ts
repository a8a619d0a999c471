import type { Clock } from "../clock.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { VmStatus } from "../model/host-state.ts";

/** The reason may stand in a log that is written later (ms). */
const SECOND_LOOK_MS = 1_500;
/** Another VM has a device of it too, and may have taken it though its own log has not begun (ms). */
const CONTENDED_LOOK_MS = 6_000;

/** Failures that nothing explains are looked at once more before anybody is told that nothing does. */
export interface SecondThoughts {
  /**
   * Whether the attempt, settled now, is to be told later: `again` is called then. An attempt that is settled a second
   * time, because of new evidence or because the time has come, does not wait any more.
   */
  waitsFor(attempt: StartAttempt, isUnexplained: boolean, again: () => void): boolean;
}

export function createSecondThoughts(options: {
  readonly clock: Clock;
  readonly vms: () => readonly VmStatus[];
}): SecondThoughts {
  const { clock, vms } = options;
  /** What takes the wait back, by attempt. */
  const waiting = new Map<string, () => void>();

  function isContended({ vm, devices }: StartAttempt): boolean {
    return vms().some(
      ({ definition }) =>
        definition.name !== vm && definition.hostDevices.some(({ bdf }) => devices.includes(bdf)),
    );
  }

  return {
    waitsFor(attempt, isUnexplained, again) {
      const cancel = waiting.get(attempt.id);
      cancel?.();
      if (cancel === undefined && isUnexplained) {
        const patience = isContended(attempt) ? CONTENDED_LOOK_MS : SECOND_LOOK_MS;
        waiting.set(attempt.id, clock.after(patience, again));
        return true;
      }
      waiting.delete(attempt.id);
      return false;
    },
  };
}
