import type { Bdf, VmName } from "../model/identifiers.ts";
import type { AttemptFilter, AttemptRow } from "../store/attempt-store.ts";

interface Attempts {
  list(filter?: AttemptFilter): readonly AttemptRow[];
}

/** A good start, and which of the devices in question it did not have: it proves nothing of those. */
export interface GoodStart {
  readonly row: AttemptRow;
  readonly without: readonly Bdf[];
}

/** So many good starts back one is looked for that had all the devices. */
const LOOK_BACK = 200;

/** The VM's newest good start that began before `time` (UTC epoch milliseconds), however long ago that is. */
export function lastGoodBefore(attempts: Attempts, vm: VmName, time: number): AttemptRow | undefined {
  return attempts.list({ vm, until: time - 1, startedOnly: true, limit: 1 })[0];
}

/**
 * The VM's newest good start before `time` that had these devices; where none is on record the newest one at all, with
 * what it lacked. A VM that started well before it was given a card has no good start with that card.
 */
export function lastGoodWith(
  attempts: Attempts,
  vm: VmName,
  devices: readonly Bdf[],
  time: number,
): GoodStart | undefined {
  const newest = lastGoodBefore(attempts, vm, time);
  if (newest === undefined) return undefined;
  const lacked = devices.filter((device) => !newest.devices.includes(device));
  const [rarest] = lacked;
  if (rarest === undefined) return { row: newest, without: [] };
  const filter = { vm, device: rarest, until: time - 1, startedOnly: true, limit: LOOK_BACK };
  const older = attempts.list(filter).find((row) => devices.every((device) => row.devices.includes(device)));
  return older === undefined ? { row: newest, without: lacked } : { row: older, without: [] };
}
