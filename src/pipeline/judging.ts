import type { Clock } from "../clock.ts";
import type { StartAttempt } from "../model/attempt.ts";

/** In a storm starts are judged and stored for so long at a time; then what else waits has its turn (ms). */
export const TURN_MS = 25;

/** Starts that have settled, and wait to be diagnosed: a storm settles hundreds at one moment. */
export interface Judging {
  add(attempt: StartAttempt): void;
  has(id: string): boolean;
  isEmpty(): boolean;
  waiting(): readonly StartAttempt[];
  /** More than what waits for this turn is going on. */
  isBusy(): boolean;
  /** Judges what waits until the time (of `performance.now`) and gives up the rest: the next run judges it. */
  finish(until: number): void;
}

/** `judge` deals with one; `turnIsOver` comes after some of them, with whether none waits any more. */
export function createJudging(options: {
  readonly clock: Clock;
  readonly judge: (attempt: StartAttempt) => void;
  readonly turnIsOver: (judged: readonly StartAttempt[], isAll: boolean) => void;
}): Judging {
  const { clock, judge } = options;
  const unjudged = new Map<string, StartAttempt>();
  let isBusy = false;

  function judgeUntil(until: number): readonly StartAttempt[] {
    const judged: StartAttempt[] = [];
    for (const [id, attempt] of unjudged) {
      unjudged.delete(id);
      judge(attempt);
      judged.push(attempt);
      if (performance.now() >= until) break;
    }
    return judged;
  }

  function turn(): void {
    const judged = judgeUntil(performance.now() + TURN_MS);
    isBusy = unjudged.size > 0;
    if (isBusy) clock.after(0, turn);
    options.turnIsOver(judged, !isBusy);
  }

  return {
    add(attempt) {
      unjudged.set(attempt.id, attempt);
      if (isBusy) return;
      isBusy = true;
      clock.after(0, turn);
    },
    has: (id) => unjudged.has(id),
    isEmpty: () => unjudged.size === 0,
    waiting: () => [...unjudged.values()],
    isBusy: () => isBusy,
    finish(until) {
      judgeUntil(until);
      unjudged.clear();
    },
  };
}
