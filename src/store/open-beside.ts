import type { AlertStore } from "../model/alert.ts";
import { createAlertTable } from "./alerts.ts";
import { createConnection } from "./connection.ts";
import { openForGuest } from "./database.ts";
import { StoreRefusal, type Written } from "./refusal.ts";
import type { RefusalReason } from "./store.ts";
import { createTroubles } from "./troubles.ts";

/** The part of the history that a command may write while the service runs: what people decide about incidents. */
export interface GuestStore {
  readonly alerts: AlertStore;
  /** Runs `work` in one durable transaction; what the disk, or a writer that never ends, refuses is a value. */
  durable<T>(work: () => T): Written<T>;
  close(): void;
}

export type OpenedGuest =
  | { readonly state: "open"; readonly store: GuestStore }
  | {
      readonly state: "refused";
      readonly reason: RefusalReason;
      readonly why: string;
      readonly remedy: string;
    };

/**
 * Opens the history for short writes beside the service, without its lock. That is safe because the service keeps no
 * incident in memory: it reads each one in the transaction that changes it, and transactions of two processes take
 * turns (each waits up to two seconds for the other). Everything else of the history stays the service's alone.
 */
export function openBeside(options: {
  readonly path: string;
  readonly clock: { now(): number };
}): OpenedGuest {
  const { path, clock } = options;
  const opened = openForGuest(path);
  if (opened.state === "refused") return opened;
  const connection = createConnection({
    database: opened.database,
    path,
    clock,
    // The service's own list of troubles is not the guest's to write, and a damaged file is the service's to move.
    troubles: createTroubles(clock),
    onDamage: () => {},
    onSettled: () => {},
  });
  const store: GuestStore = {
    alerts: createAlertTable(connection),
    durable(work) {
      try {
        return { state: "written", value: connection.durable(work) };
      } catch (error) {
        if (error instanceof StoreRefusal) return { state: "refused", trouble: error.trouble };
        throw error;
      }
    },
    close: () => void opened.database.close(),
  };
  return { state: "open", store };
}
