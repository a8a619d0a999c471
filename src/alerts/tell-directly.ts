import type { Clock } from "../clock.ts";
import type { AlertContent } from "../model/alert.ts";
import type { AlertLog, Channel } from "./channel.ts";
import { incidentId, incidentKey } from "./incident-policy.ts";
import { type AlertPolicy, reaches } from "./policy.ts";

/**
 * Tells people what cannot be put into the outbox because the outbox is what fails (disk full, database read-only):
 * each topic once in the life of the process, one try for each channel, no quiet hours. Never rejects; the result
 * is the number of channels that took it.
 */
export function createDirectTeller(options: {
  readonly channels: () => readonly Channel[];
  readonly policy: () => AlertPolicy;
  readonly host: string;
  readonly clock: Pick<Clock, "now">;
  readonly log: AlertLog;
}): (content: AlertContent, topic: string) => Promise<number> {
  const told = new Set<string>();
  return async (content, topic) => {
    const key = incidentKey(content, topic);
    if (told.has(key)) return 0;
    told.add(key);
    const now = options.clock.now();
    const message = {
      incidentId: incidentId(key, now),
      deliveryId: 0,
      host: options.host,
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
