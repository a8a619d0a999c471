import { hasFatalCause, outcomeOf } from "../attempts/working-attempt.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { Origin } from "../model/history.ts";
import type { BootId } from "../model/identifiers.ts";
import type { SignatureLookup, StoredAttempt } from "../store/attempt-store.ts";
import type { Store } from "../store/store.ts";

/** What an earlier boot left open, made up. */
export interface LeftOpen {
  /** Had failed or ended when the host went down, before anybody was told: with its outcome. */
  readonly ended: readonly StoredAttempt[];
  /** Were starting, or had not run for long, when the host went down: how they would have gone is not known. */
  readonly cutShort: readonly StoredAttempt[];
}

/** The starts of boots before this one that are open: nothing more will be said of them. */
export function leftByEarlierBoots(options: {
  readonly store: Store;
  readonly signatures: SignatureLookup;
  readonly bootId: BootId;
  readonly origin: Origin;
}): LeftOpen {
  const { store, signatures, bootId, origin } = options;
  const left = store.attempts
    .open(signatures)
    .filter((attempt) => attempt.bootId !== undefined && attempt.bootId !== bootId)
    .filter((attempt) => attempt.origin === origin);
  if (left.length === 0) return { ended: [], cutShort: [] };
  const boots = new Map(store.boots.list().map(({ id, lastSeenAt }) => [id, lastSeenAt]));
  const ended: StoredAttempt[] = [];
  const cutShort: StoredAttempt[] = [];
  for (const attempt of left) {
    const { openedAt, evidence } = attempt;
    const isRefused = hasFatalCause(attempt) && !hasRun(attempt);
    const lastSaid = evidence.reduce((last, { lastAt }) => Math.max(last, lastAt), openedAt);
    if (attempt.closedAt !== undefined) ended.push({ ...attempt, outcome: outcomeOf(attempt) });
    else if (isRefused) ended.push({ ...attempt, closedAt: lastSaid, outcome: "failed" });
    else {
      const lastSeen = attempt.bootId === undefined ? undefined : boots.get(attempt.bootId);
      const closedAt = Math.max(lastSaid, lastSeen ?? lastSaid);
      cutShort.push({ ...attempt, closedAt, diagnosis: diagnosisOf(attempt) });
    }
  }
  return { ended, cutShort };
}

function hasRun({ evidence }: StartAttempt): boolean {
  return evidence.some(
    ({ observation }) => observation.kind === "vm-lifecycle" && observation.event === "started",
  );
}

function diagnosisOf(attempt: StartAttempt): NonNullable<StartAttempt["diagnosis"]> {
  const summary = hasRun(attempt)
    ? "The host went down soon after it had started, too soon to call it a good start."
    : "The host went down while it was starting.";
  return { causes: [], summary, deviceRelated: false, noEffect: [] };
}
