/** Time as the program knows it; tests and replay bring their own. */
export interface Clock {
  /** UTC epoch milliseconds. */
  now(): number;
  /** Milliseconds by a clock that nobody sets, the same in every process of a boot; the wall clock where not given. */
  steady?(): number;
  /** Calls `action` once after `milliseconds`; the returned function takes the call back. */
  after(milliseconds: number, action: () => void): () => void;
}

/** Milliseconds by the clock that nobody sets, for everything that is counted from one moment to another. */
export function steadyNow(clock: Pick<Clock, "now" | "steady">): number {
  return clock.steady?.() ?? clock.now();
}

/**
 * The steady time of a wall time that has just been read. What is read long after, across a step of the wall clock,
 * cannot be placed better than by what the wall clock shows now.
 */
export function steadyOf(clock: Pick<Clock, "now" | "steady">, at: number): number {
  return steadyNow(clock) - Math.max(0, clock.now() - at);
}

/** The machine's clock. Timers do not keep the process alive by themselves. */
export const systemClock: Clock = {
  now: () => Date.now(),
  // CLOCK_MONOTONIC, which begins with the boot.
  steady: () => Number(process.hrtime.bigint() / 1_000_000n),
  after(milliseconds, action) {
    const timer = setTimeout(action, milliseconds);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** A clock of which nothing happens any more once it has ended. */
export interface EndingClock extends Clock {
  /** Takes back every call that is still to come, and any that is asked for later. */
  end(): void;
}

/** Makes a clock that goes with `clock` until its end, so that no timer outlives what it works on. */
export function createEndingClock(clock: Clock): EndingClock {
  const pending = new Set<() => void>();
  let hasEnded = false;
  return {
    now: clock.now,
    ...(clock.steady !== undefined && { steady: clock.steady }),
    after(milliseconds, action) {
      if (hasEnded) return () => {};
      const takeBack = clock.after(milliseconds, () => {
        pending.delete(cancel);
        action();
      });
      const cancel = () => {
        pending.delete(cancel);
        takeBack();
      };
      pending.add(cancel);
      return cancel;
    },
    end() {
      hasEnded = true;
      for (const cancel of [...pending]) cancel();
    },
  };
}

/** A clock that stands still until told: for tests, and for replay at full speed. */
export interface VirtualClock extends Clock {
  /** Moves to `time`, running what became due on the way, in order. Never moves back. */
  moveTo(time: number): void;
  /** Somebody sets the wall clock to `time`; timers and the steady clock go on as they were. */
  setWall(time: number): void;
}

/** Makes a virtual clock that begins at `start` (UTC epoch milliseconds). */
export function createVirtualClock(start: number): VirtualClock {
  let now = start;
  /** What the wall clock shows more than has passed. */
  let ahead = 0;
  let nextId = 0;
  const due: { id: number; at: number; action: () => void }[] = [];
  return {
    now: () => now + ahead,
    steady: () => now,
    setWall(time) {
      ahead = time - now;
    },
    after(milliseconds, action) {
      const entry = { id: nextId++, at: now + Math.max(0, milliseconds), action };
      due.push(entry);
      return () => {
        const index = due.indexOf(entry);
        if (index >= 0) due.splice(index, 1);
      };
    },
    moveTo(wall) {
      const time = wall - ahead;
      for (;;) {
        due.sort((a, b) => a.at - b.at || a.id - b.id);
        const first = due[0];
        if (first === undefined || first.at > time) break;
        due.shift();
        now = Math.max(now, first.at);
        first.action();
      }
      now = Math.max(now, time);
    },
  };
}
