import { ABSENT, listOf, textOf } from "../facts/fact-value.ts";
import type { FactValue } from "../model/fact.ts";
import type { TrialValues } from "./builds.ts";
import type { FactTable } from "./fact-table.ts";
import type { KnobColumn, Maker } from "./knob-column.ts";
import { addressOwner, type Subject } from "./subject.ts";
import type { Trial } from "./trials.ts";

/** What stands at the addresses that the VM asks for, what shares its groups, and what the firmware demands of them. */
export function relationColumns(
  trials: readonly Trial[],
  table: FactTable,
  places: Int32Array,
  subject: Subject,
  make: Maker,
): readonly (KnobColumn | undefined)[] {
  const asked = [...new Set(trials.flatMap(({ tally }) => tally.devices))];
  const holders = holdersOf(table, new Set(asked));
  const standing = asked.map((bdf) => {
    const isAsked = (at: number) => trials[at]?.tally.devices.includes(bdf) === true;
    const values = collect(places, isAsked, (place) => {
      const known = holders.map(({ identity, key }) => ({ identity, address: table.valueAt(key, place) }));
      if (known.every(({ address }) => address.state === "unknown")) return undefined;
      return known.find(({ address }) => textOf(address) === bdf)?.identity ?? "";
    });
    const parts = values.values.flatMap((value) =>
      listOf(value).map((identity) => `pci.${identity}.address`),
    );
    return make("card-at-address", "PCI devices", "pci", `at ${bdf}`, values, parts);
  });
  const groups = groupColumns(table, subject);
  const members = collect(places, undefined, (place) => {
    const own = groups.flatMap(({ membersAt }) => membersAt(place) ?? []);
    return own.length === 0 ? undefined : [...new Set(own)].sort();
  });
  const regions = collect(places, undefined, (place) => {
    const known = groups.flatMap(({ group, membersAt }) => {
      if (membersAt(place) === undefined) return [];
      const value = table.valueAt(`iommu.group.${group}.direct`, place);
      return value.state === "unknown" ? [] : [value];
    });
    if (known.length === 0) return undefined;
    return [...new Set(known.flatMap(listOf))].sort();
  });
  const [device = ""] = subject.devices;
  const shows = (own: string) =>
    table.valuesOf(`iommu.group.${own}.direct`).some(({ state }) => state === "value");
  const group = [...subject.groups].find(shows) ?? [...subject.groups][0] ?? device;
  // Keys stand for the relation: of the devices at the addresses, of all groups that hold one of them.
  return [
    ...standing,
    make("group-members", "IOMMU groups and regions", "iommu", `iommu.group.${group}.members`, members),
    make("direct-region", "IOMMU groups and regions", "iommu", `iommu.group.${group}.direct`, regions),
  ];
}

/** A relation of every trial that has it and whose snapshot tells it; an empty text is verifiably nothing. */
function collect(
  places: Int32Array,
  hasIt: ((at: number) => boolean) | undefined,
  saidAt: (place: number) => string | readonly string[] | undefined,
): TrialValues {
  const values: FactValue[] = [];
  const numbers = new Map<string, number>();
  const numberOf = (place: number): number => {
    const said = saidAt(place);
    if (said === undefined) return -1;
    const text = said.toString();
    let number = numbers.get(text);
    if (number === undefined) {
      number = values.length;
      numbers.set(text, number);
      values.push(text === "" ? ABSENT : { state: "value", value: said });
    }
    return number;
  };
  const byPlace = new Map<number, number>();
  const indexes = places.map((place, at) => {
    if (place < 0 || hasIt?.(at) === false) return -1;
    const known = byPlace.get(place) ?? numberOf(place);
    byPlace.set(place, known);
    return known;
  });
  return { values, indexes };
}

/** The devices that ever stood at one of the addresses, with the keys of their addresses. */
function holdersOf(
  table: FactTable,
  asked: ReadonlySet<string>,
): readonly { readonly identity: string; readonly key: string }[] {
  const isAsked = (value: FactValue) => asked.has(textOf(value) ?? "");
  const keys = [
    ...[...table.constants].flatMap(([key, value]) => (isAsked(value) ? [key] : [])),
    ...table.columns.flatMap(({ key, values }) => (values.some(isAsked) ? [key] : [])),
  ];
  return keys.flatMap((key) => {
    const identity = addressOwner(key);
    return identity === undefined ? [] : [{ identity, key }];
  });
}

/** The groups that ever held one of the devices. */
function groupColumns(
  table: FactTable,
  subject: Subject,
): readonly {
  readonly group: string;
  readonly membersAt: (place: number) => readonly string[] | undefined;
}[] {
  const own = (value: FactValue | undefined) => {
    const names = listOf(value);
    return names.some((name) => subject.devices.has(name)) ? names : undefined;
  };
  const nameOf = (key: string) => /^iommu\.group\.([^.]+)\.members$/.exec(key)?.[1];
  const always = [...table.constants].flatMap(([key, value]) => {
    const group = nameOf(key);
    const names = group === undefined ? undefined : own(value);
    return group === undefined || names === undefined ? [] : [{ group, membersAt: () => names }];
  });
  const atTimes = table.columns.flatMap((column) => {
    const group = nameOf(column.key);
    const lists = group === undefined ? [] : column.values.map(own);
    if (group === undefined || !lists.some((names) => names !== undefined)) return [];
    return [{ group, membersAt: (place: number) => lists[column.indexes[place] ?? -1] }];
  });
  return [...always, ...atTimes];
}
