import type { StartTally } from "../history/trials.ts";
import type { CauseClass } from "../model/catalogue.ts";
import { bootId, vmName } from "../model/identifiers.ts";
import type { HostTally } from "./questions.ts";

/** Starts of one host in one environment, with no other between them. */
export interface Stretch {
  readonly host: number;
  readonly tally: StartTally;
}

interface Moment {
  readonly at: number;
  readonly row: HostTally;
  readonly starts: number;
}

/**
 * A tally knows its first and its last start: what another environment lies between is two stretches. Hosts come in the
 * order in which they were first seen.
 */
export function stretchesOf(rows: readonly HostTally[]): readonly Stretch[] {
  const byHost = [...Map.groupBy(rows, ({ host }) => host)].map(([host, own]) => ({
    host,
    moments: own.flatMap(momentsOf).sort((a, b) => a.at - b.at),
  }));
  byHost.sort((a, b) => (a.moments[0]?.at ?? 0) - (b.moments[0]?.at ?? 0));
  let number = 0;
  return byHost.flatMap(({ host, moments }) => {
    const stretches: Stretch[] = [];
    let boot = 0;
    let last: Moment | undefined;
    let merged: (StartTally & { count: number; lastAt: number }) | undefined;
    for (const moment of moments) {
      const { at, row, starts } = moment;
      if (last?.row.environment !== row.environment) boot += 1;
      if (last?.row === row && merged !== undefined) {
        merged.count += starts;
        merged.lastAt = at;
      } else {
        number += 1;
        merged = tallyOf(row, host, boot, number, at, starts);
        stretches.push({ host, tally: merged });
      }
      last = moment;
    }
    return stretches;
  });
}

function momentsOf(row: HostTally): readonly Moment[] {
  const { firstAt, lastAt, starts } = row;
  if (starts < 2 || lastAt <= firstAt) return [{ at: firstAt, row, starts }];
  return [
    { at: firstAt, row, starts: starts - 1 },
    { at: lastAt, row, starts: 1 },
  ];
}

function tallyOf(row: HostTally, host: number, boot: number, number: number, at: number, starts: number) {
  return {
    vm: vmName(`host ${host}`),
    bootId: bootId(`${host}.${boot}`),
    bootOrdinal: undefined,
    outcome: row.outcome,
    cause: row.class === "" ? undefined : (row.class as CauseClass),
    devices: [],
    snapshotId: row.environment,
    origin: "live" as const,
    count: starts,
    firstAt: at,
    lastAt: at,
    firstNumber: number,
    lastNumber: number,
  };
}
