import { type Clock, steadyNow } from "../clock.ts";
import type { SourceName } from "../model/observation.ts";
import type { Source } from "../model/source.ts";
import { SOURCES } from "../sources/kinds/all.ts";

/** A source that was live and has been away for this long is worth an alert (ms). */
const LOST_FOR = 900_000;

/** So long without a further loss, and the next loss is news again (ms). */
const LOSS_IS_OVER = 86_400_000;

/** Watches the watchers: a source that is lost for long, and records that are known to be lost. */
export interface SourceWatch {
  look(): void;
}

/** Makes the watch. A source that never was live is missing, not lost: `status` says so, and no alert leaves. */
export function createSourceWatch(options: {
  readonly clock: Clock;
  readonly sources: readonly Source[];
  readonly trouble: (topic: string, subject: string, why: string, remedy?: string) => void;
  readonly resolved: (topic: string) => void;
}): SourceWatch {
  const { clock, sources } = options;
  const wasLive = new Set<string>();
  const told = new Set<string>();
  /** Since when each is away; its own time begins anew whenever it waits for something else. */
  const awaySince = new Map<string, number>();
  const lost = new Map<string, number>();
  /** When each source last lost records; without a loss in this run when the watch began, for an earlier run's. */
  const lostAt = new Map<string, number>(sources.map(({ name }) => [name, steadyNow(clock)]));

  return {
    look() {
      const now = steadyNow(clock);
      for (const source of sources) {
        const health = source.health();
        const topic = `source/${health.name}`;
        if (health.state.state === "live") {
          // Also when it comes live for the first time: a run before this one may have told that it was lost.
          if (!wasLive.has(health.name) || told.delete(health.name)) options.resolved(topic);
          wasLive.add(health.name);
          awaySince.delete(health.name);
        } else if (health.state.state === "waiting" && wasLive.has(health.name)) {
          const since = awaySince.get(health.name) ?? now;
          awaySince.set(health.name, since);
          if (now - since >= LOST_FOR && !told.has(health.name)) {
            told.add(health.name);
            const { why, remedy } = health.state;
            options.trouble(topic, `The source ${health.name} is lost`, why, remedy);
          }
        }
        const before = lost.get(health.name) ?? 0;
        const losses = `lost/${health.name}`;
        if (health.lost > before) {
          lost.set(health.name, health.lost);
          lostAt.set(health.name, now);
          const subject = `Records of the source ${health.name} were lost`;
          const why = `${health.lost - before} records were gone before they could be read`;
          options.trouble(losses, subject, why, remedyForLoss(health.name));
        } else if (now - (lostAt.get(health.name) ?? Number.POSITIVE_INFINITY) >= LOSS_IS_OVER) {
          lostAt.delete(health.name);
          options.resolved(losses);
        }
      }
    },
  };
}

function remedyForLoss(source: SourceName): string {
  return (
    SOURCES.find(({ name }) => name === source)?.whenLost ??
    "Nothing has to be done unless it happens often: 'vfio-watch status' shows each gap."
  );
}
