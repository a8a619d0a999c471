import type { Clock } from "../../src/clock.ts";

/** The machine's clock, with leave to skip what a test does not want to wait for. */
export interface SkippingClock extends Clock {
  /** Moves on by so many milliseconds at once; whatever becomes due by it runs soon, in order. */
  skip(milliseconds: number): void;
}

interface Timer {
  readonly at: number;
  readonly action: () => void;
  handle: NodeJS.Timeout | undefined;
}

/** Makes a clock that runs with the machine's from now on. Its timers do not keep the process alive. */
export function createSkippingClock(): SkippingClock {
  let skipped = 0;
  const timers = new Set<Timer>();
  const now = () => Date.now() + skipped;
  function arm(timer: Timer): void {
    clearTimeout(timer.handle);
    timer.handle = setTimeout(
      () => {
        timers.delete(timer);
        timer.action();
      },
      Math.max(0, Math.min(timer.at - now(), 2 ** 31 - 1)),
    );
    timer.handle.unref();
  }
  return {
    now,
    after(milliseconds, action) {
      const timer: Timer = { at: now() + milliseconds, action, handle: undefined };
      timers.add(timer);
      arm(timer);
      return () => {
        clearTimeout(timer.handle);
        timers.delete(timer);
      };
    },
    skip(milliseconds) {
      skipped += milliseconds;
      for (const timer of [...timers].sort((a, b) => a.at - b.at)) arm(timer);
    },
  };
}
