import type { ServiceLog } from "./log.ts";
import type { PreviousBootOptions } from "./previous-boot.ts";

/** A look that goes on in the background. */
export interface LookBack {
  /** Whatever comes of it from now on is left to the next start. */
  stop(): void;
  /** Resolves when it has ended; never rejects. */
  readonly ended: Promise<void>;
}

/**
 * Takes in what the boot before left behind, in the background. Its code is loaded for this once a boot and for
 * nothing else, and a failure costs only that piece of history.
 */
export function lookBack(options: PreviousBootOptions, log: ServiceLog): LookBack {
  let isStopped = false;
  const ended = import("./previous-boot.ts")
    .then(({ takeInPreviousBoot }) => takeInPreviousBoot(options))
    .then(({ boots, lastWords, notes }) => {
      if (boots.length > 0) log.info("taken in what the boot before left behind", { boots: boots.length });
      const last = lastWords.at(-1);
      if (last !== undefined) log.warn(`the kernel of an earlier boot died; its last words: ${last}`);
      for (const note of notes) log.debug(note);
    })
    .catch((error: unknown) => {
      // The history is closed under it.
      if (isStopped) return;
      log.warn("what the boot before left behind could not be taken in", { error: String(error) });
    });
  return {
    stop() {
      isStopped = true;
    },
    ended,
  };
}
