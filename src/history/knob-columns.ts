import { ABSENT, listOf, textOf } from "../facts/fact-value.ts";
import type { KnobKind } from "../facts/kind.ts";
import { familyOf, oddsOf } from "../facts/vocabulary.ts";
import type { FactGroup, FactValue } from "../model/fact.ts";
import { biosBuilds, kernelBuilds, type TrialValues } from "./builds.ts";
import { ABSENT_INDEX, type FactColumn, type FactTable, UNKNOWN_INDEX } from "./fact-table.ts";
import { addressOwner, type Subject, vmKey } from "./subject.ts";
import type { Trial } from "./trials.ts";

/** Something that may have broken the starts, with its value at each of them. */
export interface KnobColumn {
  readonly kind: KnobKind;
  /** What a person would call it: `BIOS`, `kernel`, `definition of VM …`. */
  readonly family: string;
  readonly group: FactGroup;
  /** The fact that stands for it; a relation has a name of its own. */
  readonly key: string;
  /** Keys of the facts that it is made of, where it is not one. */
  readonly parts: readonly string[];
  readonly values: readonly FactValue[];
  /** For each trial an index into the values, by order of appearance; -1 where it is not known. */
  readonly pattern: Int32Array;
  /** The value that a start of another VM has. */
  readonly safe?: number;
}

/** The start was another VM's, so what this one is defined as plays no part. */
const ANOTHER_VM: FactValue = { state: "unknown", why: "a start of another VM" };

/** Facts that a composed knob speaks for. */
const COMPOSED =
  /^(?:firmware\.bios\.(?:version|date|release)|kernel\.(?:release|build)|iommu\.group\.[^.]+\.(?:direct|members))$/;

/**
 * The knobs of a question: every fact that can matter and is not the same in all trials, facts that say one thing
 * together as one, and what stands at the addresses that the VM asks for. A knob that never changed where the outcome
 * turned explains nothing and is left out; `outcomes` are numbers, one for each trial.
 */
export function knobColumns(
  trials: readonly Trial[],
  outcomes: Uint8Array,
  table: FactTable,
  placeOf: ReadonlyMap<string, number>,
  subject: Subject,
): readonly KnobColumn[] {
  const places = Int32Array.from(trials, ({ tally }) => placeOf.get(tally.snapshotId ?? "") ?? -1);
  const make = createMaker(outcomes);
  const found: (KnobColumn | undefined)[] = [
    make("bios", "BIOS", "firmware", "firmware.bios.version", biosBuilds(places, table), [
      "firmware.bios.version",
      "firmware.bios.date",
      "firmware.bios.release",
    ]),
    make("kernel", "kernel", "kernel", "kernel.release", kernelBuilds(places, table)),
    ...relationColumns(trials, table, places, subject, make),
  ];
  const otherVms = otherVmTrials(trials);
  const mayTurn = createTurnTest(trials, outcomes, places);
  for (const column of table.columns) {
    if (!mayTurn(column) || COMPOSED.test(column.key)) continue;
    const owner = addressOwner(column.key);
    if (owner !== undefined && !subject.devices.has(owner)) {
      found.push(make("other-card", "PCI devices", "pci", column.key, presence(places, table, column)));
      continue;
    }
    found.push(
      make(oddsOf(column.key), familyOf(column.group, column.key), column.group, column.key, {
        values: [...column.values, ABSENT, ANOTHER_VM],
        indexes: readIndexes(places, table, column, otherVms(column.key)),
      }),
    );
  }
  return found.filter((column) => column !== undefined);
}

type Maker = (
  kind: KnobKind,
  family: string,
  group: FactGroup,
  key: string,
  values: TrialValues | undefined,
  parts?: readonly string[],
) => KnobColumn | undefined;

/** Loops over thousands of trials for hundreds of facts, so without a call or an allocation for each of them. */
function createMaker(outcomes: Uint8Array): Maker {
  return (kind, family, group, key, given, parts = [key]) => {
    if (given === undefined) return undefined;
    const { values, indexes } = given;
    const order = new Int32Array(values.length).fill(-1);
    const seen: number[] = [];
    const pattern = new Int32Array(indexes.length).fill(-1);
    let turned = false;
    let last = -1;
    for (let at = 0; at < indexes.length; at += 1) {
      const index = indexes[at] as number;
      if (index < 0) continue;
      if (order[index] === -1) {
        order[index] = seen.length;
        seen.push(index);
      }
      const value = order[index] as number;
      pattern[at] = value;
      if (last >= 0 && pattern[last] !== value && outcomes[last] !== outcomes[at]) turned = true;
      last = at;
    }
    if (!turned) return undefined;
    const told = seen.map((index) => values[index] ?? ABSENT);
    const safe = told.indexOf(ANOTHER_VM);
    return { kind, family, group, key, parts, values: told, pattern, ...(safe >= 0 && { safe }) };
  };
}

/** Whether a fact may have changed where the outcome turned: most have not, which a few comparisons tell. */
function createTurnTest(
  trials: readonly Trial[],
  outcomes: Uint8Array,
  places: Int32Array,
): (column: FactColumn) => boolean {
  const known = trials.flatMap((_trial, at) =>
    (places[at] ?? -1) < 0 ? [] : [{ outcome: outcomes[at], place: places[at] ?? -1 }],
  );
  // Pairs of neighbouring places, one after the other: asked of hundreds of facts.
  const turns = known.flatMap(({ outcome, place }, at) => {
    const before = known[at - 1];
    return before === undefined || before.outcome === outcome || before.place === place
      ? []
      : [before.place, place];
  });
  const vms = new Set(trials.map(({ tally }) => tally.vm)).size;
  return ({ key, indexes, values }) => {
    if (vms > 1 && key.startsWith("vm.")) return true;
    for (let at = 0; at < turns.length; at += 2) {
      const was = indexes[turns[at] as number] ?? ABSENT_INDEX;
      if (was !== (indexes[turns[at + 1] as number] ?? ABSENT_INDEX)) return true;
      if (was < 0 || values[was]?.state === "unknown") return true;
    }
    return false;
  };
}

/** `isOther` says of which trials the fact is another VM's. The values end with absent and with that. */
function readIndexes(
  places: Int32Array,
  table: FactTable,
  column: FactColumn,
  isOther: ((at: number) => boolean) | undefined,
): Int32Array {
  const { indexes, values } = column;
  const absent = values.length;
  const known = Int32Array.from(values, ({ state }, index) =>
    state === "unknown" ? UNKNOWN_INDEX : state === "absent" ? absent : index,
  );
  // Whether what is missing is absent costs more to find out, and is asked once for each snapshot.
  const missing = new Map<number, number>();
  const read = new Int32Array(places.length);
  for (let at = 0; at < places.length; at += 1) {
    const place = places[at] as number;
    const index = place < 0 ? UNKNOWN_INDEX : (indexes[place] ?? ABSENT_INDEX);
    if (isOther?.(at) === true) read[at] = absent + 1;
    else if (index >= 0) read[at] = known[index] as number;
    else if (index === UNKNOWN_INDEX) read[at] = UNKNOWN_INDEX;
    else {
      let found = missing.get(place);
      if (found === undefined) {
        found = table.indexAt(column, place) === ABSENT_INDEX ? absent : UNKNOWN_INDEX;
        missing.set(place, found);
      }
      read[at] = found;
    }
  }
  return read;
}

/** Whether another card is there; at which address follows from which others are. */
function presence(places: Int32Array, table: FactTable, column: FactColumn): TrialValues {
  const there = column.values.find(({ state }) => state === "value") ?? ABSENT;
  const absent = column.values.length;
  return {
    values: [there, ABSENT],
    indexes: readIndexes(places, table, column, undefined).map((index) =>
      index === absent ? 1 : Math.min(index, 0),
    ),
  };
}

function otherVmTrials(trials: readonly Trial[]): (key: string) => ((at: number) => boolean) | undefined {
  const vms = [...new Set(trials.map(({ tally }) => tally.vm))];
  if (vms.length < 2) return () => undefined;
  return (key) => {
    const vm = key.startsWith("vm.") ? vms.find((one) => key.startsWith(`${vmKey(one)}.`)) : undefined;
    return vm === undefined ? undefined : (at) => trials[at]?.tally.vm !== vm;
  };
}

/** What stands at the addresses that the VM asks for, what shares its groups, and what the firmware demands of them. */
function relationColumns(
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
