import { type Clock, steadyNow } from "../clock.ts";
import type { VmName } from "../model/identifiers.ts";

/** A start that is under way ends within this as a rule; then what came of it is said, and not foretold (ms). */
const LONGEST_WAIT_MS = 60_000;
const LOOK_AGAIN_MS = 5_000;

/** Whoever tells what a change means for VMs waits for those of their starts that are under way. */
export interface StartsAwaited {
  /** Whether a start of one of them is waited for; then `again` is called in a while. */
  mustWait(vms: readonly VmName[]): boolean;
  /** VMs of which a start is under way, or not told yet. */
  underWay(): ReadonlySet<VmName>;
}

/** Makes it for one that waits; a start that never ends is not waited for without end. */
export function createStartsAwaited(options: {
  readonly clock: Clock;
  readonly underWay: () => ReadonlySet<VmName>;
  readonly again: () => void;
}): StartsAwaited {
  const { clock, underWay } = options;
  let since: number | undefined;
  let takeBack = () => {};
  return {
    underWay,
    mustWait(vms) {
      takeBack();
      const now = steadyNow(clock);
      const starting = underWay();
      if (!vms.some((vm) => starting.has(vm))) {
        since = undefined;
        return false;
      }
      since ??= now;
      if (now - since >= LONGEST_WAIT_MS) return false;
      takeBack = clock.after(LOOK_AGAIN_MS, options.again);
      return true;
    },
  };
}
