import { textOf } from "../facts/fact-value.ts";
import { ownSpellings } from "../knowledge/bios-version.ts";
import type { CauseClass } from "../model/catalogue.ts";
import { biosBuilds } from "./builds.ts";
import { eachOnce, type FactTable } from "./fact-table.ts";
import { isFailure, type StartTally } from "./trials.ts";

const VERSION = "firmware.bios.version";

/** How starts went on one BIOS version. */
export interface BiosRow {
  /** Undefined where the BIOS of the start is not on record. */
  readonly version: string | undefined;
  /** The version, with its date where there were two of one name, or where it has none. */
  readonly build: string | undefined;
  /** First and last start on it, UTC epoch milliseconds. */
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly starts: number;
  readonly worked: number;
  readonly failed: number;
  /** Refused by the platform's own policy, which is neither. */
  readonly refused: number;
  /** Classes of the failures, most frequent first. */
  readonly causes: readonly { readonly cause: CauseClass | "unknown"; readonly starts: number }[];
}

/** The table BIOS version × outcome, in the order in which the versions first appear. */
export function biosRows(
  tallies: readonly StartTally[],
  table: FactTable,
  placeOf: ReadonlyMap<string, number>,
): readonly BiosRow[] {
  const places = Int32Array.from(tallies, ({ snapshotId }) => placeOf.get(snapshotId ?? "") ?? -1);
  const { values, indexes } = biosBuilds(places, table);
  const rows = Map.groupBy(tallies.keys(), (at) => indexes[at] ?? -1);
  return [...rows].map(([index, ats]): BiosRow => {
    const own = ats.flatMap((at) => tallies[at] ?? []);
    const said = eachOnce(table, [VERSION], new Set(ats.map((at) => places[at] ?? -1)), (place) =>
      place < 0 ? undefined : textOf(table.valueAt(VERSION, place)),
    );
    const versions = [...new Set(said)].filter((version) => version !== undefined);
    const build = values[index];
    const failures = own.filter(isFailure);
    const causes = new Map<CauseClass | "unknown", number>();
    for (const { cause = "unknown", count } of failures) causes.set(cause, (causes.get(cause) ?? 0) + count);
    return {
      version: ownSpellings(versions).get(versions[0] ?? ""),
      build: textOf(build),
      firstSeen: Math.min(...own.map(({ firstAt }) => firstAt)),
      lastSeen: Math.max(...own.map(({ lastAt }) => lastAt)),
      starts: total(own),
      worked: total(own.filter(({ outcome }) => outcome === "started")),
      failed: total(failures),
      refused: total(own.filter(({ outcome }) => outcome === "refused")),
      causes: [...causes].map(([cause, starts]) => ({ cause, starts })).sort((a, b) => b.starts - a.starts),
    };
  });
}

function total(tallies: readonly StartTally[]): number {
  return tallies.reduce((sum, { count }) => sum + count, 0);
}
