import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Heard } from "../alerts/heard.ts";
import type { Clock } from "../clock.ts";
import { ownershipProblem } from "../control/place.ts";
import type { BootId } from "../model/identifiers.ts";
import { writeRuntimeFile } from "./runtime-state.ts";

/** Its path in a run-time directory. */
export function heardFile(directory: string): string {
  return join(directory, "heard.json");
}

/** A start that is read again out of logs may begin at another of its pieces (ms). */
const SAME_START_MS = 10_000;
/** A storm of failed starts is one writing (ms). */
const WRITE_WITHIN_MS = 50;
const MOST_KEPT = 500;

/** Of a lasting state it is kept that it was told; of starts and hot-plugs the newest moment (ms of the boot). */
interface Kept {
  readonly at: number | "lasts";
  readonly isUnrecorded: boolean;
}

/**
 * Keeps what was told in this boot in a file of the run-time directory, which lies in memory and outlives the service, but
 * not the boot. `isVolatile`: this run's history ends with it, so that it knows nothing of the runs before.
 */
export function createHeardInBoot(options: {
  readonly file: string;
  readonly bootId: BootId;
  readonly clock: Pick<Clock, "after">;
  readonly isVolatile: boolean;
}): Heard & { flush(): void } {
  const { file, bootId, clock } = options;
  const earlier = readKept(file, bootId);
  const kept = new Map(earlier);
  let takeBack: (() => void) | undefined;

  function flush(): void {
    takeBack?.();
    takeBack = undefined;
    for (const key of [...kept.keys()].slice(0, Math.max(0, kept.size - MOST_KEPT))) kept.delete(key);
    // Nobody misses it but a run that has no history: that it cannot be written is no trouble of its own.
    writeRuntimeFile(file, `${JSON.stringify({ bootId, told: [...kept] })}\n`);
  }

  function keep(key: string, one: Kept): void {
    // The newest stand last.
    kept.delete(key);
    kept.set(key, one);
    takeBack ??= clock.after(WRITE_WITHIN_MS, flush);
  }

  return {
    flush() {
      if (takeBack !== undefined) flush();
    },
    has({ lasts, moment }) {
      const known = (key: string | undefined) => {
        const one = key === undefined ? undefined : earlier.get(key);
        return options.isVolatile || one?.isUnrecorded === true ? one?.at : undefined;
      };
      // While it lasts it is told once, and of a start that only a state tells nobody knows when it was.
      if (known(lasts) === "lasts") return true;
      const at = known(moment?.of);
      return typeof at === "number" && moment !== undefined && moment.steady <= at + SAME_START_MS;
    },
    add({ lasts, moment }, isUnrecorded) {
      if (lasts !== undefined && lasts !== moment?.of) keep(lasts, { at: "lasts", isUnrecorded });
      if (moment === undefined) return;
      const before = kept.get(moment.of)?.at;
      const at = typeof before === "number" ? Math.max(before, moment.steady) : moment.steady;
      keep(moment.of, { at, isUnrecorded });
    },
    drop(key) {
      if (kept.get(key)?.at !== "lasts") return;
      earlier.delete(key);
      kept.delete(key);
      takeBack ??= clock.after(WRITE_WITHIN_MS, flush);
    },
  };
}

/** What an earlier run of this boot left; nothing where it cannot be read or is of another boot. */
function readKept(file: string, bootId: BootId): Map<string, Kept> {
  try {
    if (ownershipProblem(dirname(file)) !== undefined) return new Map();
    const said = JSON.parse(readFileSync(file, "utf8")) as { bootId?: unknown; told?: unknown };
    if (said.bootId !== bootId || !Array.isArray(said.told)) return new Map();
    return new Map(said.told.filter(isKept));
  } catch {
    return new Map();
  }
}

function isKept(entry: unknown): entry is [string, Kept] {
  if (!Array.isArray(entry) || typeof entry[0] !== "string") return false;
  const { at, isUnrecorded } = (entry[1] ?? {}) as Partial<Kept>;
  return (at === "lasts" || Number.isFinite(at)) && typeof isUnrecorded === "boolean";
}
