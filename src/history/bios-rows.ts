import type { CauseClass } from "../model/catalogue.ts";
import type { FactTable } from "./fact-table.ts";
import { isFailure, type StartTally } from "./trials.ts";

/** How starts went on one BIOS version. */
export interface BiosRow {
  /** Undefined where the BIOS of the start is not on record. */
  readonly version: string | undefined;
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
  const rows = new Map<string | undefined, StartTally[]>();
  for (const tally of tallies) {
    const place = placeOf.get(tally.snapshotId ?? "");
    const value = place === undefined ? undefined : table.valueAt("firmware.bios.version", place);
    const version = value?.state === "value" ? value.value : undefined;
    const known = rows.get(version);
    if (known === undefined) rows.set(version, [tally]);
    else known.push(tally);
  }
  return [...rows].map(([version, own]): BiosRow => {
    const failures = own.filter(isFailure);
    const causes = new Map<CauseClass | "unknown", number>();
    for (const { cause = "unknown", count } of failures) causes.set(cause, (causes.get(cause) ?? 0) + count);
    return {
      version,
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
