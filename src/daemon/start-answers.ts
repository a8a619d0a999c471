import type { Clock } from "../clock.ts";
import type { StartAnswer } from "../control/requests.ts";
import type { VmName } from "../model/identifiers.ts";
import type { Store } from "../store/store.ts";

/** Tells those who ask how a start went, as soon as it is known. */
export interface StartAnswers {
  /** A start of this VM has settled and is stored. */
  settled(vm: VmName): void;
  /** The newest start of the VM that began at `since` or later; waits up to `waitMs` for one to settle. */
  ask(vm: VmName, since: number, waitMs: number): Promise<StartAnswer>;
}

export function createStartAnswers(options: {
  readonly store: Pick<Store, "attempts">;
  readonly clock: Clock;
}): StartAnswers {
  const { store, clock } = options;
  const waiting = new Map<VmName, Set<() => void>>();

  function newest(vm: VmName, since: number): StartAnswer {
    const [row] = store.attempts.list({ vm, since, limit: 1 });
    if (row === undefined) return { state: "none" };
    return { state: "settled", number: row.number, openedAt: row.openedAt, outcome: row.outcome };
  }

  return {
    settled(vm) {
      for (const look of [...(waiting.get(vm) ?? [])]) look();
    },
    ask(vm, since, waitMs) {
      const now = newest(vm, since);
      if (now.state === "settled" || waitMs === 0) return Promise.resolve(now);
      return new Promise((resolve) => {
        const looks = waiting.get(vm) ?? new Set();
        waiting.set(vm, looks);
        const end = (answer: StartAnswer) => {
          takeBack();
          looks.delete(look);
          if (looks.size === 0) waiting.delete(vm);
          resolve(answer);
        };
        const look = () => {
          const answer = newest(vm, since);
          if (answer.state === "settled") end(answer);
        };
        const takeBack = clock.after(waitMs, () => end(newest(vm, since)));
        looks.add(look);
      });
    },
  };
}
