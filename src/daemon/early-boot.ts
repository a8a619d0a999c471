import type { Clock } from "../clock.ts";

/** After so long a boot has come up, whatever still goes on (ms). */
const UP_AFTER_MS = 300_000;
/** Nor is anything waited for longer than this (ms). */
const LONGEST_WAIT_MS = 180_000;
const LOOK_EVERY_MS = 5_000;

/**
 * While a host comes up udev still binds drivers, and libvirt has not told of its VMs: what is missing then is no
 * change, and no reason to say that a VM will not start.
 */
export interface EarlyBoot {
  isOver(): boolean;
}

/** `situation`: what is still on its way, as text; it is over when two looks find the same and nothing is awaited. */
export function createEarlyBoot(options: {
  readonly clock: Clock;
  /** UTC epoch milliseconds; undefined where nobody knows, which is no early boot. */
  readonly bootedAt: number | undefined;
  readonly situation: () => { readonly isAwaited: boolean; readonly seen: string };
  readonly onOver: () => void;
}): EarlyBoot {
  const { clock, bootedAt, situation } = options;
  const beganAt = clock.now();
  let isOver = bootedAt === undefined || beganAt - bootedAt > UP_AFTER_MS;
  let before: string | undefined;
  let waited = 0;

  function look(): void {
    const { isAwaited, seen } = situation();
    const isCalm = !isAwaited && seen === before;
    before = seen;
    waited += LOOK_EVERY_MS;
    if (!isCalm && waited < LONGEST_WAIT_MS) {
      clock.after(LOOK_EVERY_MS, look);
      return;
    }
    isOver = true;
    options.onOver();
  }

  if (!isOver) clock.after(LOOK_EVERY_MS, look);
  return { isOver: () => isOver };
}
