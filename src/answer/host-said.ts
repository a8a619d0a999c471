import type { Catalogue } from "../diagnosis/catalogue.ts";
import type { StoredAttempt } from "../store/attempt-store.ts";
import type { Sighting } from "../store/record-stores.ts";
import type { Store } from "../store/store.ts";

/** What comes so soon after a start may still have to do with it (ms). */
const SOON_MS = 60_000;
/** Beyond these the newest are told. */
const MOST = 20;

/**
 * What the kernel said in a start's boot before it or soon after it, and that belongs to no start: that the host slept,
 * that a card was lost, a storm of errors. Oldest first; empty where the boot is not known.
 */
export function askHostSaid(
  store: Store,
  { bootId, openedAt, closedAt }: Pick<StoredAttempt, "bootId" | "openedAt" | "closedAt">,
  { signatures }: Pick<Catalogue, "signatures">,
): readonly Sighting[] {
  if (bootId === undefined) return [];
  // An import keeps also what every healthy boot says.
  const everyday = signatures.filter(({ role, severity }) => role === "context" && severity === "info");
  return store.sightings.ofKernel(
    bootId,
    (closedAt ?? openedAt) + SOON_MS,
    everyday.map(({ id }) => id),
    MOST,
  );
}
