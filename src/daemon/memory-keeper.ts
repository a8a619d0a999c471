import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Clock, steadyNow } from "../clock.ts";

/** So much more than after the last collection is worth another one (bytes). */
const GROWN_BY = 4 * 1024 * 1024;
/**
 * Nothing was said for so long: a pause of some ten milliseconds delays nobody, and what a storm has left is thinned out
 * (ms).
 */
const CALM_FOR = 9_000;

/** Gives the system back what a start or a flood has used. */
export interface MemoryKeeper {
  /**
   * Collects in a calm moment if memory has grown; to be called now and then, with when the last observation came
   * (`steadyNow`). Returns whether it did.
   */
  look(lastObservation: number | undefined): boolean;
}

/**
 * Makes the keeper. V8 collects when it runs short, and a daemon that idles for weeks never does: it would keep the
 * 8 MB of garbage of its start, on Unraid out of the RAM that holds the root file system.
 */
export function createMemoryKeeper(options: {
  readonly clock: Clock;
  /** Lets go of what is only kept to be fast. */
  readonly letGo?: () => void;
  readonly residentBytes?: () => number;
  readonly collect?: () => void;
}): MemoryKeeper {
  const { clock, residentBytes = () => process.memoryUsage.rss(), collect = collectAll } = options;
  let afterLast = 0;
  return {
    look(lastObservation) {
      if (lastObservation !== undefined && steadyNow(clock) - lastObservation < CALM_FOR) return false;
      if (residentBytes() < afterLast + GROWN_BY) return false;
      options.letGo?.();
      collect();
      afterLast = residentBytes();
      return true;
    },
  };
}

type Collector = (kind: { readonly type: "major"; readonly flavor: "last-resort" }) => void;

/** Only a context that is made while the flag stands has the function; the flag is taken back at once. */
function collectAll(): void {
  setFlagsFromString("--expose-gc");
  const collector: unknown = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  // "last resort" also drops compiled code that is no longer used, and gives empty pages back.
  if (typeof collector === "function") (collector as Collector)({ type: "major", flavor: "last-resort" });
}
