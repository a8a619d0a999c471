import type { Clock } from "../clock.ts";
import type { Source } from "../model/source.ts";

/** A source that was live and has been away for this long is worth an alert (ms). */
const LOST_FOR = 900_000;

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
  const lost = new Map<string, number>();

  return {
    look() {
      for (const source of sources) {
        const health = source.health();
        const topic = `source/${health.name}`;
        if (health.state.state === "live") {
          wasLive.add(health.name);
          if (told.delete(health.name)) options.resolved(topic);
        } else if (
          health.state.state === "waiting" &&
          wasLive.has(health.name) &&
          !told.has(health.name) &&
          clock.now() - health.since >= LOST_FOR
        ) {
          told.add(health.name);
          options.trouble(topic, `The source ${health.name} is lost`, health.state.why, health.state.remedy);
        }
        const before = lost.get(health.name) ?? 0;
        if (health.lost > before) {
          lost.set(health.name, health.lost);
          options.trouble(
            `lost/${health.name}`,
            `Records of the source ${health.name} were lost`,
            `${health.lost - before} records were overwritten before they could be read`,
            "A larger kernel log helps: the kernel parameter log_buf_len=4M.",
          );
        }
      }
    },
  };
}
