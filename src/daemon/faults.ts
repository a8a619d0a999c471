import { StoreRefusal, type StoreTrouble } from "../store/refusal.ts";
import type { ServiceLog } from "./log.ts";

/** A fault that comes with each record of a flood is logged a few times, and then no more. */
const MOST_FAULTS = 50;

/** Takes what was thrown where nothing may throw: bugs of this program, and a disk that cannot be read. */
export interface Faults {
  /** Logs a fault, each once. */
  tell(doing: string, error: unknown): void;
  /**
   * Runs a piece of work that comes again by itself, such as a look at the host, so that its failure costs this one
   * time and not the service. A damaged history is thrown on: only a new start moves it aside.
   */
  outlive(doing: string, work: () => void): void;
}

/** Makes the taker of faults. */
export function createFaults(options: {
  readonly log: Pick<ServiceLog, "error">;
  readonly onTrouble: (trouble: StoreTrouble) => void;
}): Faults {
  const told = new Set<string>();

  function tell(doing: string, error: unknown): void {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (told.has(what) || told.size >= MOST_FAULTS) return;
    told.add(what);
    options.log.error(
      `${doing} failed by a fault of vfio-watch, which goes on without it; please report it`,
      {
        error: what,
      },
    );
  }

  return {
    tell,
    outlive(doing, work) {
      try {
        work();
      } catch (error) {
        if (!(error instanceof StoreRefusal)) tell(doing, error);
        else if (error.trouble.kind === "damaged") throw error;
        else options.onTrouble(error.trouble);
      }
    },
  };
}
