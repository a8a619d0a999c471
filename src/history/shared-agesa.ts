import { textOf } from "../facts/fact-value.ts";
import { ownSpellings } from "../knowledge/bios-version.ts";
import type { FactTable } from "./fact-table.ts";
import type { Trial } from "./trials.ts";

/**
 * What the BIOS versions of all failed starts have in common: vendors' names for versions do not compare from board to
 * board, the AGESA that they carry does.
 */
export interface SharedAgesa {
  readonly agesa: string;
  /** Of the failed starts, in the order in which they appear. */
  readonly boards: readonly string[];
  readonly versions: readonly string[];
}

/**
 * The one AGESA of all failed starts where they are of several boards or versions and no good start had it; undefined
 * where there is no such, or where one start's is not known, for that one may be the exception.
 */
export function sharedAgesa(
  trials: readonly Pick<Trial, "good" | "tally">[],
  table: Pick<FactTable, "valueAt">,
  placeOf: ReadonlyMap<string, number>,
): SharedAgesa | undefined {
  const said = (key: string, { tally }: Pick<Trial, "tally">) => {
    const place = placeOf.get(tally.snapshotId ?? "");
    return place === undefined ? undefined : textOf(table.valueAt(key, place));
  };
  const failed = trials.filter(({ good }) => !good);
  const distinct = (key: string) => [...new Set(failed.map((trial) => said(key, trial)))];
  const [agesa, ...others] = distinct("firmware.agesa");
  if (agesa === undefined || others.length > 0) return undefined;
  const worked = trials.filter(({ good }) => good).map((trial) => said("firmware.agesa", trial));
  if (worked.length === 0 || worked.some((one) => one === undefined || one === agesa)) return undefined;
  const [boards, spellings] = ["firmware.board.name", "firmware.bios.version"].map((key) =>
    distinct(key).filter((text) => text !== undefined),
  );
  const versions = [...new Set(ownSpellings(spellings ?? []).values())];
  if (boards === undefined || Math.max(boards.length, versions.length) < 2) return undefined;
  return { agesa, boards, versions };
}

/** Empty where there is nothing to say. */
export function agesaSentence(shared: SharedAgesa | undefined): string {
  if (shared === undefined) return "";
  const { agesa, boards, versions } = shared;
  const tail = "none of the good starts had it";
  if (boards.length === 2) return `Both boards broke with AGESA ${agesa}; ${tail}.`;
  if (boards.length > 2) return `All ${boards.length} boards broke with AGESA ${agesa}; ${tail}.`;
  return `Every BIOS version that failed (${versions.join(", ")}) carries AGESA ${agesa}; ${tail}.`;
}
