import { isOver } from "./windows.ts";
import type { WorkingAttempt } from "./working-attempt.ts";

/** What is over by now is looked for this seldom (ms). */
const LOOKED_AGAIN_MS = 1_000;

/** The attempts that are not over for long: in a storm there are thousands of others, and each record asks. */
export interface Recent {
  /** The attempt is new, or its end has changed. */
  add(attempt: WorkingAttempt): void;
  delete(attempt: WorkingAttempt): void;
  /** At least those that were not over at that time. */
  notOverAt(steady: number): Iterable<WorkingAttempt>;
}

/** Makes the list; `all` are those that are asked for where the time is long past. */
export function createRecent(all: () => Iterable<WorkingAttempt>): Recent {
  const attempts = new Set<WorkingAttempt>();
  let lookedAt = Number.NEGATIVE_INFINITY;
  return {
    add: (attempt) => void attempts.add(attempt),
    delete: (attempt) => void attempts.delete(attempt),
    notOverAt(steady) {
      if (steady < lookedAt) return all();
      if (steady - lookedAt >= LOOKED_AGAIN_MS) {
        lookedAt = steady;
        for (const attempt of attempts) if (isOver(attempt, steady)) attempts.delete(attempt);
      }
      return attempts;
    },
  };
}
