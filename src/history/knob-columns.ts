import { ABSENT } from "../facts/fact-value.ts";
import { familyOf, oddsOf } from "../facts/vocabulary.ts";
import { biosBuilds, kernelBuilds, type TrialValues } from "./builds.ts";
import { ABSENT_INDEX, type FactColumn, type FactTable, UNKNOWN_INDEX } from "./fact-table.ts";
import { ANOTHER_VM, createMaker, FAILED, type KnobColumn } from "./knob-column.ts";
import { areOfSeveralHosts } from "./model-trials.ts";
import { relationColumns } from "./relation-columns.ts";
import { addressOwner, type Subject, vmKey } from "./subject.ts";
import type { Trial } from "./trials.ts";

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
  const ofSeveralHosts = areOfSeveralHosts(trials);
  const make = createMaker(outcomes, ofSeveralHosts);
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
    if (!(ofSeveralHosts || mayTurn(column)) || COMPOSED.test(column.key)) continue;
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

/**
 * Whether a fact may have changed where the outcome turned, or have had a value with which nothing failed: most have
 * not, which a few comparisons tell.
 */
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
  const placesOf = (failed: boolean) =>
    Int32Array.from(
      new Set(known.flatMap(({ outcome, place }) => ((outcome === FAILED) === failed ? [place] : []))),
    );
  const failing = placesOf(true);
  const working = placesOf(false);
  return ({ key, indexes, values }) => {
    if (vms > 1 && key.startsWith("vm.")) return true;
    for (let at = 0; at < turns.length; at += 2) {
      const was = indexes[turns[at] as number] ?? ABSENT_INDEX;
      if (was !== (indexes[turns[at + 1] as number] ?? ABSENT_INDEX)) return true;
      if (was < 0 || values[was]?.state === "unknown") return true;
    }
    // By value, behind absent and unknown.
    const failed = new Uint8Array(values.length - UNKNOWN_INDEX);
    for (const place of failing) failed[(indexes[place] ?? ABSENT_INDEX) - UNKNOWN_INDEX] = 1;
    return working.some((place) => failed[(indexes[place] ?? ABSENT_INDEX) - UNKNOWN_INDEX] === 0);
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
