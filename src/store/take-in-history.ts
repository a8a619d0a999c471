import type { Store } from "./store.ts";

/**
 * Takes everything that blame needs of one history into another, with the evidence of its starts. What is there already
 * stays, so doing it again changes nothing. Boots that are not there come after those that are.
 */
export function takeInHistory(from: Store, to: Store): void {
  const moments = Map.groupBy(from.snapshots.timeline(), ({ bootId }) => bootId);
  for (const { id, startedAt, lastSeenAt, end, origin } of from.boots.list()) {
    to.boots.begin({ id, startedAt, lastSeenAt, end, origin });
    for (const moment of moments.get(id) ?? []) {
      const snapshot = from.snapshots.get(moment.snapshotId);
      if (snapshot !== undefined) to.snapshots.save(snapshot);
      to.snapshots.link(moment);
    }
  }
  for (const { definition, since } of from.vms.list().toSorted((a, b) => a.since - b.since))
    to.vms.rememberOne(definition, since);
  for (const { number, snapshotId, origin } of from.attempts.list({ first: "oldest" })) {
    const attempt = from.attempts.full(number, () => undefined);
    if (attempt !== undefined && to.attempts.find(attempt.id) === undefined)
      to.attempts.save(attempt, { origin, ...(snapshotId !== undefined && { snapshotId }) });
  }
}
