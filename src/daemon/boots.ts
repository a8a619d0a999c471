import type { BootId } from "../model/identifiers.ts";
import type { Store } from "../store/store.ts";

const CLEAN_END = "last-clean-end";

/**
 * Makes the running boot known and says how the one before ended. A boot ended clean if the service was told to
 * stop and did so as its last act; nothing else can be known after a power cut.
 */
export function beginBoot(store: Store, id: BootId, startedAt: number, now: number): void {
  store.durable(() => {
    const endedCleanly = store.meta.get(CLEAN_END);
    for (const boot of store.boots.list()) {
      if (boot.id === id || boot.origin !== "live" || boot.end !== "unknown") continue;
      store.boots.end(boot.id, boot.id === endedCleanly ? "clean" : "unclean");
    }
    store.boots.begin({ id, startedAt, origin: "live", lastSeenAt: now });
    store.meta.delete(CLEAN_END);
  });
}

/** Notes that the service stopped because it was told to; the boot ended clean unless the service comes back. */
export function noteCleanEnd(store: Store, id: BootId, now: number): void {
  store.durable(() => {
    store.boots.touch(id, now);
    store.meta.set(CLEAN_END, id);
  });
}
