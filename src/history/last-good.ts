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

/** The number of the start that is asked about; undefined for a VM that nobody has started yet. */
export type Before = number | undefined;

/** The starts before that one, in the order in which they happened, whatever the clock on the wall said. */
export function earlierThan(before: Before): Pick<AttemptFilter, "before"> {
  return before === undefined ? {} : { before };
}

/**
 * The VM's newest good start before another one that had these devices; where none is on record the newest one at all, with
 * what it lacked. A VM that started well before it was given a card has no good start with that card.
 */
export function lastGoodWith(
  attempts: Attempts,
  vm: VmName,
  devices: readonly Bdf[],
  before: Before,
): GoodStart | undefined {
  const [newest] = attempts.list({ vm, ...earlierThan(before), startedOnly: true, limit: 1 });
  if (newest === undefined) return undefined;
  const lacked = devices.filter((device) => !newest.devices.includes(device));
  const [rarest] = lacked;
  if (rarest === undefined) return { row: newest, without: [] };
  const filter = { vm, device: rarest, ...earlierThan(before), startedOnly: true, limit: LOOK_BACK };
  const older = attempts.list(filter).find((row) => devices.every((device) => row.devices.includes(device)));
  return older === undefined ? { row: newest, without: lacked } : { row: older, without: [] };
}
