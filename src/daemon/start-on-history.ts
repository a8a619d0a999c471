import { damageOf } from "../store/database.ts";
import { markDamaged } from "../store/quarantine.ts";
import { StoreRefusal } from "../store/refusal.ts";
import type { HistoryPlace, RefusedHistory } from "./history-place.ts";

/**
 * Opens the history and starts the service on it. A history that shows its damage only when it is read is opened once
 * more, which looks at every row of it and saves what can be read; one that seems whole even then is given up. `start`
 * says what to undo of it when it fails.
 */
export async function startOnHistory<T>(
  open: () => HistoryPlace | RefusedHistory,
  start: (history: HistoryPlace, undo: (step: () => unknown) => void) => Promise<T>,
): Promise<T | RefusedHistory> {
  for (let tries = 1; ; tries++) {
    const history = open();
    if ("state" in history) return history;
    const { store } = history;
    const steps: (() => unknown)[] = [];
    try {
      return await start(history, (step) => void steps.push(step));
    } catch (error) {
      for (const step of steps.toReversed()) await step();
      store.close();
      const isSaid = error instanceof StoreRefusal && error.trouble.kind === "damaged";
      if (tries > 2 || (!isSaid && damageOf(store.path) === undefined)) throw error;
      markDamaged(store.path, tries > 1);
    }
  }
}
