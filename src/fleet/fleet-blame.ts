import { valueText } from "../facts/fact-value.ts";
import { roleOf } from "../facts/vocabulary.ts";
import type { FaultAnswer } from "../history/ask-blame.ts";
import { biosRows } from "../history/bios-rows.ts";
import { type Blame, findBlames } from "../history/blame.ts";
import { biosBuilds } from "../history/builds.ts";
import type { FactTable } from "../history/fact-table.ts";
import { nameSuspect, type SuspectName } from "../history/name-suspects.ts";
import { sharedAgesa } from "../history/shared-agesa.ts";
import { findFaults, type Trial } from "../history/trials.ts";
import type { FactValue } from "../model/fact.ts";
import type { Environment } from "./environment.ts";
import { fleetTable } from "./fleet-table.ts";
import { stretchesOf } from "./host-stretches.ts";
import type { BoardTallies } from "./questions.ts";

/** How hosts fare with one value of a suspect. */
export interface HostsOfValue {
  readonly value: FactValue;
  readonly label: string;
  readonly broken: boolean;
  readonly hosts: number;
  readonly failing: number;
}

/** A host on which nothing that is changed as such changed but the suspect. */
export interface LoneChange {
  readonly host: number;
  /** Indexes into the values. */
  readonly from: number;
  readonly to: number;
  readonly failedBefore: boolean;
  readonly failedAfter: boolean;
  /** Whether the host had the value that it came to before. */
  readonly isReturn: boolean;
}

/** The answer for one fault of a board's hosts: the same blame as on one host, and how many hosts say so. */
export interface FleetFault {
  readonly answer: FaultAnswer;
  /** What the hosts are divided by: `BIOS`, or the likeliest suspect where that is another one. */
  readonly family: string;
  /** Each as it is called, in the order in which they were first seen. */
  readonly values: readonly HostsOfValue[];
  readonly changes: readonly LoneChange[];
  /** Undefined where no suspect is likely enough to be named. */
  readonly name: SuspectName | undefined;
}

export interface FleetBlame {
  readonly board: string;
  readonly hosts: ReadonlyMap<number, string>;
  readonly faults: readonly [FleetFault, ...FleetFault[]];
}

/** Says which change breaks starts on this board, hosts being blocks within which alone things are compared in time. */
export function askFleetBlame(data: BoardTallies): FleetBlame {
  const { table, placeOf } = fleetTable(data.environments);
  const stretches = stretchesOf(data.tallies);
  const hostOf = new Map(stretches.map(({ tally, host }) => [tally, host]));
  const tallies = stretches.map(({ tally }) => tally);
  const blames = findBlames({
    tallies,
    faults: findFaults(tallies, (tally) => hostOf.get(tally) ?? -1),
    ...{ table, placeOf, subject: EVERYTHING },
  });
  const bios = biosRows(tallies, table, placeOf);
  /** Where nothing failed there is no fault with trials of its own. */
  const goodTrials = stretches.flatMap(({ tally, host }, boot): readonly Trial[] =>
    tally.outcome === "started" ? [{ boot, good: true, first: true, later: true, tally, block: host }] : [],
  );
  const faultOf = (blame: Blame): FleetFault => {
    const answer: FaultAnswer = {
      ...{ question: {}, about: `VMs on ${data.board}`, vms: [], devices: [], blame, bios },
      agesa: sharedAgesa(blame.trials, table, placeOf),
      ...{ changes: undefined, otherChanges: 0, newest: undefined, names: new Map() },
      stood: { before: new Map(), after: new Map() },
    };
    const [suspect] = blame.certainty === "unknown" ? [] : (blame.sets[0]?.suspects ?? []);
    const name = suspect === undefined ? undefined : nameSuspect(suspect, answer);
    const trials = blame.trials.length > 0 ? blame.trials : goodTrials;
    const division =
      suspect === undefined || name === undefined
        ? byBios(trials, table, placeOf)
        : dividedBy(
            name,
            suspect.facts.flatMap(({ key, parts }) => [key, ...parts]),
          );
    return {
      ...{ answer, name, family: suspect?.family ?? "BIOS" },
      values: hostsOfValues(trials, division),
      changes: loneChanges(trials, division, data.environments),
    };
  };
  const [first, ...others] = blames;
  return { board: data.board, hosts: data.hosts, faults: [faultOf(first), ...others.map(faultOf)] };
}

/** Nothing of a fleet is told by device or group, so nothing is left out. */
const EVERYTHING = {
  ...{ vms: new Set<never>(), devices: new Set<never>(), members: new Set<never>() },
  ...{ groups: new Set<never>(), addresses: new Set<never>() },
};

/** Values by which trials are divided. */
interface Division {
  /** For each trial the index of its value; negative where it is not known. */
  readonly pattern: ArrayLike<number>;
  readonly values: readonly Pick<HostsOfValue, "value" | "label" | "broken">[];
  /** The facts that it is made of. */
  readonly keys: readonly string[];
}

function dividedBy({ lead, short }: SuspectName, keys: readonly string[]): Division {
  const values = lead.counts.map(({ value }, index) => ({
    ...{ value, label: short(value), broken: lead.broken[index] === true },
  }));
  return { pattern: lead.pattern, values, keys };
}

function byBios(trials: readonly Trial[], table: FactTable, placeOf: ReadonlyMap<string, number>): Division {
  const places = Int32Array.from(trials, ({ tally }) => placeOf.get(tally.snapshotId ?? "") ?? -1);
  const { values, indexes } = biosBuilds(places, table);
  return {
    pattern: indexes,
    values: values.map((value) => ({ value, label: valueText(value), broken: false })),
    keys: ["firmware.bios.version", "firmware.bios.date", "firmware.bios.release"],
  };
}

function hostsOfValues(trials: readonly Trial[], { pattern, values }: Division): readonly HostsOfValue[] {
  return values.map((value, index) => {
    const own = trials.filter((_trial, at) => pattern[at] === index);
    const hostsOf = (some: readonly Trial[]) => new Set(some.map(({ block }) => block)).size;
    return {
      ...value,
      hosts: hostsOf(own),
      failing: hostsOf(own.filter(({ good }) => !good)),
    };
  });
}

/** Neighbouring stretches of one host with different values of the suspect and nothing else that is changed as such. */
function loneChanges(
  trials: readonly Trial[],
  { pattern, keys }: Division,
  environments: ReadonlyMap<string, Environment>,
): readonly LoneChange[] {
  const changesMore = createMoreTest(environments, keys);
  const known = trials.flatMap((trial, at) => ((pattern[at] ?? -1) < 0 ? [] : [{ trial, at }]));
  const changes = new Map<string, LoneChange>();
  /** Values that the host in hand has had. */
  const had = new Set<number>();
  for (const [place, { trial, at }] of known.entries()) {
    const before = known[place - 1];
    const to = pattern[at] ?? -1;
    if (before?.trial.block !== trial.block) had.clear();
    const isReturn = had.has(to);
    had.add(to);
    if (before === undefined || before.trial.block !== trial.block) continue;
    const from = pattern[before.at] ?? -1;
    if (from === to) continue;
    if (changesMore(before.trial.tally.snapshotId ?? "", trial.tally.snapshotId ?? "")) continue;
    changes.set(`${trial.block} ${from} ${to}`, {
      ...{ host: trial.block ?? -1, from, to },
      failedBefore: !before.trial.good,
      failedAfter: !trial.good,
      isReturn,
    });
  }
  return [...changes.values()];
}

/**
 * Whether more than these keys changed from one environment to another, of what is changed as such: what follows from
 * something else is no change of its own, and what only one side knows is none (law 7). Hosts share environments.
 */
function createMoreTest(
  environments: ReadonlyMap<string, Environment>,
  own: readonly string[],
): (was: string, is: string) => boolean {
  const all = new Set([...environments.values()].flatMap((environment) => Object.keys(environment)));
  const telling = [...all].filter((key) => {
    const role = roleOf(key);
    return !own.includes(key) && role !== "bystander" && !("follows" in role);
  });
  const isMore = (was: Environment, is: Environment) =>
    telling.some((key) => {
      const [before, after] = [was[key], is[key]];
      // A parameter that is missing in a list of them is absent.
      const isParameter = key.startsWith("kernel.parameter.");
      if (before === after || (!isParameter && (before === undefined || after === undefined))) return false;
      return JSON.stringify(before ?? null) !== JSON.stringify(after ?? null);
    });
  const known = new Map<string, boolean>();
  return (wasName, isName) => {
    const name = `${wasName} ${isName}`;
    const [was, is] = [environments.get(wasName), environments.get(isName)];
    const more = known.get(name) ?? (was === undefined || is === undefined || isMore(was, is));
    known.set(name, more);
    return more;
  };
}
