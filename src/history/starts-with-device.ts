import { listOf, textOf } from "../facts/fact-value.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { AttemptFilter } from "../store/attempt-store.ts";
import type { SnapshotStore } from "../store/snapshot-store.ts";
import type { FactTable } from "./fact-table.ts";
import { readFactTable } from "./read-fact-table.ts";
import { addressOwner } from "./subject.ts";
import type { StartTally } from "./trials.ts";

/** What finding a device's starts needs of the stored history; the store has these. */
export interface DeviceStartReader {
  readonly attempts: { tallies(filter?: AttemptFilter): readonly StartTally[] };
  readonly snapshots: Pick<SnapshotStore, "inOrder" | "series">;
}

/** With what tells that a device without an address is not there, rather than not read. */
const WANTED = /^pci(?:\.[^.]+(?:\.address)?)?$/;

/** Starts with the device, wherever it was at the time; of one VM where it is given. */
export function startsWithDevice(
  reader: DeviceStartReader,
  device: string,
  vm: VmName | undefined,
): readonly StartTally[] {
  const wanted = device.toLowerCase();
  const isAddress = /^[0-9a-f]{4,8}:[0-9a-f]{2}:/.test(wanted);
  const { table, placeOf } = readFactTable(reader.snapshots, reader.snapshots.inOrder(), (key) =>
    WANTED.test(key),
  );
  const followed = isAddress ? holdersOf(wanted, table, [...placeOf.values()]) : devicesOf(wanted, table);
  const addresses = new Set(followed.flatMap((key) => table.valuesOf(key)).flatMap(listOf));
  if (isAddress) addresses.add(wanted);
  if (addresses.size === 0) return [];
  const tallies = reader.attempts.tallies({
    ...(vm !== undefined && { vm }),
    devices: [...addresses] as Bdf[],
  });
  const cache = new Map<number, ReadonlySet<string>>();
  // A VM whose card moved asks for the old address and fails: it means the device that it had when it last worked.
  const lastWorkedAt = new Map<VmName, ReadonlySet<string>>();
  return tallies.filter((tally) => {
    const place = placeOf.get(tally.snapshotId ?? "");
    if (place === undefined || followed.length === 0)
      return isAddress && tally.devices.some((bdf) => bdf === wanted);
    const known = cache.get(place) ?? new Set(followed.flatMap((key) => listOf(table.valueAt(key, place))));
    cache.set(place, known);
    if (tally.outcome === "started")
      lastWorkedAt.set(tally.vm, new Set(tally.devices.filter((bdf) => known.has(bdf))));
    return tally.devices.some((bdf) => known.has(bdf) || lastWorkedAt.get(tally.vm)?.has(bdf) === true);
  });
}

/** Keys of the address of every device of the kind. */
function devicesOf(wanted: string, table: FactTable): readonly string[] {
  return addressKeys(table).filter((key) => {
    const identity = addressOwner(key) ?? "";
    return identity === wanted || identity.startsWith(`${wanted}/`) || identity === `${wanted}#1`;
  });
}

/** Who had the address last is meant; another card that stood there earlier is not. */
function holdersOf(address: string, table: FactTable, places: readonly number[]): readonly string[] {
  const everThere = addressKeys(table).filter((key) =>
    table.valuesOf(key).some((value) => textOf(value) === address),
  );
  for (const place of places.toReversed()) {
    const there = everThere.filter((key) => textOf(table.valueAt(key, place)) === address);
    if (there.length > 0) return there;
  }
  return [];
}

function addressKeys(table: FactTable): readonly string[] {
  return [...table.constants.keys(), ...table.columns.map(({ key }) => key)].filter(
    (key) => addressOwner(key) !== undefined,
  );
}
