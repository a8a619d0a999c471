import type { VmName } from "../model/identifiers.ts";
import type { AttemptFilter, AttemptRow } from "../store/attempt-store.ts";

/** The VM's newest good start that began before `time` (UTC epoch milliseconds), however long ago that is. */
export function lastGoodBefore(
  attempts: { list(filter?: AttemptFilter): readonly AttemptRow[] },
  vm: VmName,
  time: number,
): AttemptRow | undefined {
  return attempts.list({ vm, until: time - 1, startedOnly: true, limit: 1 })[0];
}
