import type { Clock } from "../clock.ts";
import type { AlertContent } from "../model/alert.ts";
import type { AlertLog, Channel } from "./channel.ts";
import { incidentId, incidentKey } from "./incident-policy.ts";
import { type AlertPolicy, asTold, reaches } from "./policy.ts";

const DAY = 86_400_000;

/**
 * Tells people what cannot be put into the outbox because the outbox is what fails (disk full, database read-only):
 * each topic once a day, one try for each channel, no quiet hours. Never rejects; the result is the number of
 * channels that took it. A kind that the settings switch off, or tell with another importance, is told so here too.
 */
export function createDirectTeller(options: {
  readonly channels: () => readonly Channel[];
  readonly policy: () => AlertPolicy;
  readonly host: () => string;
  readonly clock: Pick<Clock, "now">;
  readonly log: AlertLog;
}): (content: AlertContent, topic: string) => Promise<number> {
  const told = new Map<string, number>();
  return async (given, topic) => {
    const key = incidentKey(given, topic);
    const now = options.clock.now();
    const last = told.get(key);
    const content = asTold(given, options.policy());
    if (content === undefined || (last !== undefined && Math.abs(now - last) < DAY)) return 0;
    told.set(key, now);
    const message = {
      incidentId: incidentId(key, now),
      deliveryId: 0,
      host: options.host(),
      createdAt: now,
      content,
    };
    const policies = options.policy().channels;
    const wanted = options
      .channels()
      .filter(({ name }) =>
        policies.some((one) => one.name === name && reaches(content.importance, one.minimum)),
      );
    const tries = wanted.map(async (channel) => {
      const result = await channel.send(message, new AbortController().signal).catch(() => undefined);
      if (result?.delivered === true) return 1;
      options.log.warn(
        `an alert past the outbox did not leave through ${channel.name}: ${result?.error ?? "a bug"}`,
      );
      return 0;
    });
    const counts: readonly number[] = await Promise.all(tries);
    return counts.reduce((sum, count) => sum + count, 0);
  };
}
