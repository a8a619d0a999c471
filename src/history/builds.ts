import { textOf } from "../facts/fact-value.ts";
import { ownSpellings } from "../knowledge/bios-version.ts";
import type { FactValue } from "../model/fact.ts";
import { eachOnce, type FactTable } from "./fact-table.ts";

/** What a fact, or several together, said at each trial. */
export interface TrialValues {
  readonly values: readonly FactValue[];
  /** For each trial; negative where it is not known. */
  readonly indexes: Int32Array;
}

/** The BIOS of each place. Two spellings of one version are one, shown as the machine itself spells it. */
export function biosBuilds(places: Int32Array, table: FactTable): TrialValues {
  const [main, detail, other] = ["version", "date", "release"].map((field) => `firmware.bios.${field}`);
  return buildValues(places, table, { main, detail, other, name: ownSpellings });
}

/** The kernel of each place. */
export function kernelBuilds(places: Int32Array, table: FactTable): TrialValues {
  return buildValues(places, table, { main: "kernel.release", detail: "kernel.build" });
}

interface BuildFacts {
  readonly main: string | undefined;
  readonly detail: string | undefined;
  readonly other?: string | undefined;
  /** Gives each of the versions the name under which it is shown; without it that is itself. */
  readonly name?: (versions: readonly string[]) => ReadonlyMap<string, string>;
}

/**
 * A build of something that has a version: the same version of another date is another build. Where only part of it
 * is on record it is the one build that this part fits. Also without a name there are builds, told by their date.
 */
function buildValues(places: Int32Array, table: FactTable, facts: BuildFacts): TrialValues {
  const read = (key: string | undefined, place: number) => {
    return key === undefined || place < 0 ? undefined : textOf(table.valueAt(key, place));
  };
  const keys = [facts.main, facts.detail, facts.other].filter((key) => key !== undefined);
  const said = eachOnce(table, keys, places, (place) => ({
    own: read(facts.main, place)?.trim(),
    detail: read(facts.detail, place),
    other: read(facts.other, place),
  }));
  const distinct = [...new Set(said)];
  const versions = [...new Set(distinct.map(({ own }) => own))].filter((version) => version !== undefined);
  const names = facts.name?.(versions);
  const builds = distinct.map((facts) => {
    const { own, detail, other } = facts;
    const version = own === undefined ? undefined : (names?.get(own) ?? own);
    return { facts, version, date: detail ?? (version === undefined ? other : undefined) };
  });
  const fold = (text: string) => text.toLowerCase();
  const datesOf = new Map<string, Set<string>>();
  const versionsOf = new Map<string, Set<string>>();
  for (const { version, date } of builds) {
    if (version !== undefined && date !== undefined) {
      datesOf.set(fold(version), (datesOf.get(fold(version)) ?? new Set()).add(date));
      versionsOf.set(date, (versionsOf.get(date) ?? new Set()).add(version));
    }
  }
  const values: FactValue[] = [];
  const numbers = new Map<string, number>();
  const indexOf = ({ version, date }: (typeof builds)[number]): number => {
    const known = date === undefined ? undefined : versionsOf.get(date);
    const named = version ?? (known?.size === 1 ? [...known][0] : undefined);
    if (named === undefined && date === undefined) return -1;
    const dates = named === undefined ? undefined : datesOf.get(fold(named));
    const isRebuilt = (dates?.size ?? 0) > 1;
    // Which of two builds of one name it was is not known.
    if (isRebuilt && date === undefined) return -1;
    const id = named === undefined ? `of ${date}` : isRebuilt ? `${fold(named)} of ${date}` : fold(named);
    const text =
      named === undefined
        ? `of ${isoDate(date ?? "")}`
        : isRebuilt
          ? `${named} of ${isoDate(date ?? "")}`
          : named;
    let number = numbers.get(id);
    if (number === undefined) {
      number = values.length;
      numbers.set(id, number);
      values.push({ state: "value", value: text });
    }
    return number;
  };
  const numberOf = new Map(builds.map((build) => [build.facts, indexOf(build)]));
  return { values, indexes: Int32Array.from(said, (one) => numberOf.get(one) ?? -1) };
}

/** DMI writes dates as 08/05/2025; a kernel's build ends with its own. */
function isoDate(date: string): string {
  const [, month, day, year] = /^(\d\d)\/(\d\d)\/(\d{4})$/.exec(date) ?? [];
  return year === undefined ? date : `${year}-${month}-${day}`;
}
