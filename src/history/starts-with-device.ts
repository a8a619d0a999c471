import type { FactValue } from "../model/fact.ts";
import type { FactTable } from "./fact-table.ts";
import type { StartTally } from "./trials.ts";

/** Starts with the device, wherever it was at the time. */
export function startsWithDevice(
  tallies: readonly StartTally[],
  device: string,
  table: FactTable,
  placeOf: ReadonlyMap<string, number>,
): readonly StartTally[] {
  const wanted = device.toLowerCase();
  const keys = [...table.constants.keys(), ...table.columns.map(({ key }) => key)].filter((key) =>
    /^pci\.[^.]+\.address$/.test(key),
  );
  const places = [...placeOf.values()];
  const isAddress = /^[0-9a-f]{4,8}:[0-9a-f]{2}:/.test(wanted);
  const mine = keys.filter((key) => {
    const identity = key.slice(4, -".address".length);
    if (!isAddress)
      return identity === wanted || identity.startsWith(`${wanted}/`) || identity === `${wanted}#1`;
    return places.some((place) => valueText(table.valueAt(key, place)) === wanted);
  });
  // Who had the address last is meant; another card that stood there earlier is not.
  const newest = isAddress
    ? mine.filter((key) => valueText(table.valueAt(key, lastKnown(table, key, places))) === wanted)
    : mine;
  const followed = newest.length > 0 ? newest : mine;
  const cache = new Map<number, ReadonlySet<string>>();
  return tallies.filter((tally) => {
    const place = placeOf.get(tally.snapshotId ?? "");
    if (place === undefined || followed.length === 0)
      return isAddress && tally.devices.some((bdf) => bdf === wanted);
    const known = cache.get(place);
    const addresses =
      known ??
      new Set(followed.map((key) => valueText(table.valueAt(key, place))).filter((text) => text !== ""));
    cache.set(place, addresses);
    return tally.devices.some((bdf) => addresses.has(bdf));
  });
}

function lastKnown(table: FactTable, key: string, places: readonly number[]): number {
  return places.findLast((place) => table.valueAt(key, place).state === "value") ?? -1;
}

function valueText(value: FactValue): string {
  return value.state === "value" ? value.value : "";
}
