import type { CauseClass } from "../model/catalogue.ts";
import type { FactGroup, FactValue } from "../model/fact.ts";
import { familyOf, isMechanism, rootRank } from "./fact-families.ts";
import type { Trial } from "./trials.ts";

/** A fact that is not the same in all snapshots, with its value in each: as the store gives it. */
export interface FactColumn {
  readonly group: FactGroup;
  readonly key: string;
  readonly values: readonly FactValue[];
  /** For each snapshot an index into `values`, -1 where the snapshot lacks the key. */
  readonly indexes: ArrayLike<number>;
}

/** How starts went with one value of a fact. */
export interface ValueCount {
  readonly value: FactValue;
  readonly good: number;
  readonly bad: number;
}

/** A fact on trial: how far its values separate good starts from failed ones. */
export interface FactRecord {
  readonly group: FactGroup;
  readonly key: string;
  readonly family: string;
  readonly counts: readonly ValueCount[];
  /** No value has both good and failed starts, and both are known. */
  readonly separates: boolean;
  /** Starts on the smaller side of values that have both, as a share of all: 0 separates, 0.5 says nothing. */
  readonly mixed: number;
  /** Times that the outcome turned while the fact changed, and that it turned while the fact stayed. */
  readonly turnedWith: number;
  readonly turnedWithout: number;
  /** Times that the fact changed while the outcome stayed. */
  readonly changedAlone: number;
  /** The fact went back to an earlier value and the outcome went back with it. */
  readonly reverted: boolean;
  /** Its values are the known mechanism of the failure. */
  readonly mechanism: boolean;
  /** Equal for facts that always changed together. */
  readonly pattern: string;
}

/** Weighs each fact against the trials. `snapshotIndex` gives a snapshot's place in the columns. */
export function weighFacts(
  trials: readonly Trial[],
  columns: readonly FactColumn[],
  snapshotIndex: ReadonlyMap<string, number>,
  failure: CauseClass | "unknown",
): readonly FactRecord[] {
  const places = trials.map(({ tally }) =>
    tally.snapshotId === undefined ? -1 : (snapshotIndex.get(tally.snapshotId) ?? -1),
  );
  const byKey = new Map(columns.map((column) => [column.key, column]));
  return columns
    .map((column) => weighFact(trials, places, column, ancestorsOf(column.key, byKey), failure))
    .filter((record) => record !== undefined);
}

/** `kernel.parameter` speaks for `kernel.parameter.iommu`: where it is unknown, so is everything below it. */
function ancestorsOf(key: string, byKey: ReadonlyMap<string, FactColumn>): readonly FactColumn[] {
  const parts = key.split(".");
  return parts.flatMap((_part, length) => byKey.get(parts.slice(0, length).join(".")) ?? []);
}

function weighFact(
  trials: readonly Trial[],
  places: readonly number[],
  column: FactColumn,
  ancestors: readonly FactColumn[],
  failure: CauseClass | "unknown",
): FactRecord | undefined {
  const goodBy = new Map<number, number>();
  const badBy = new Map<number, number>();
  const pattern: number[] = [];
  const renamed = new Map<number, number>();
  let turnedWith = 0;
  let turnedWithout = 0;
  let changedAlone = 0;
  let reverted = false;
  let previous: { readonly value: number; readonly good: boolean } | undefined;
  const lastOutcome = new Map<number, boolean>();

  for (const [position, trial] of trials.entries()) {
    const place = places[position] ?? -1;
    const value = place < 0 ? UNKNOWN : knownIndex(column, ancestors, place);
    if (value === UNKNOWN) {
      pattern.push(UNKNOWN);
      continue;
    }
    if (!renamed.has(value)) renamed.set(value, renamed.size);
    pattern.push(renamed.get(value) ?? UNKNOWN);
    const side = trial.good ? goodBy : badBy;
    side.set(value, (side.get(value) ?? 0) + trial.tally.count);
    if (previous !== undefined) {
      const changed = previous.value !== value;
      const turned = previous.good !== trial.good;
      if (changed && turned) {
        turnedWith += 1;
        if (lastOutcome.get(value) === trial.good) reverted = true;
      } else if (turned) turnedWithout += 1;
      else if (changed) changedAlone += 1;
    }
    lastOutcome.set(value, trial.good);
    previous = { value, good: trial.good };
  }
  if (renamed.size < 2) return undefined;

  const indexes = [...renamed.keys()];
  const counts = indexes.map((index) => ({
    value: valueAt(column, index),
    good: goodBy.get(index) ?? 0,
    bad: badBy.get(index) ?? 0,
  }));
  const total = counts.reduce((sum, { good, bad }) => sum + good + bad, 0);
  const overlap = counts.reduce((sum, { good, bad }) => sum + Math.min(good, bad), 0);
  return {
    group: column.group,
    key: column.key,
    family: familyOf(column.group, column.key),
    counts,
    separates: overlap === 0 && goodBy.size > 0 && badBy.size > 0,
    mixed: total === 0 ? 0.5 : overlap / total,
    turnedWith,
    turnedWithout,
    changedAlone,
    reverted,
    mechanism: isMechanism(failure, column.group, column.key, counts),
    pattern: pattern.join(","),
  };
}

const UNKNOWN = -2;
const ABSENT: FactValue = { state: "absent" };

/** A fact that could not be read says nothing (law 7); a key that a snapshot lacks is absent. */
function knownIndex(column: FactColumn, ancestors: readonly FactColumn[], place: number): number {
  const index = column.indexes[place] ?? -1;
  if (index < 0) return ancestors.some((ancestor) => isUnknown(ancestor, place)) ? UNKNOWN : -1;
  return column.values[index]?.state === "unknown" ? UNKNOWN : index;
}

function isUnknown(column: FactColumn, place: number): boolean {
  return column.values[column.indexes[place] ?? -1]?.state === "unknown";
}

function valueAt(column: FactColumn, index: number): FactValue {
  return index < 0 ? ABSENT : (column.values[index] ?? ABSENT);
}

/** Facts of one root that changed together, e.g. the BIOS with its version and date. */
export interface Suspect {
  /** The family that a person would name: `BIOS`, `kernel`, `definition of VM …`. */
  readonly family: string;
  readonly facts: readonly FactRecord[];
}

/** Facts that always changed together and that the history cannot tell apart. */
export interface SuspectSet {
  readonly suspects: readonly Suspect[];
  /** Facts of the failure's known mechanism that came and went with it. */
  readonly proof: readonly FactRecord[];
  readonly reverted: boolean;
  /** How often it changed without effect, and with. */
  readonly changedAlone: number;
  readonly turnedWith: number;
}

/** Firmware tables and regions are written by the BIOS, under its settings, and by nothing else. */
const WRITES_TABLES = /^BIOS/;

/**
 * The sets of suspects that separate good from failed starts, strongest first. What firmware or kernel bring
 * along (tables, regions, groups) counts as their consequence, not as a rival, wherever a root explains it.
 */
export function suspectSets(records: readonly FactRecord[]): readonly SuspectSet[] {
  const separating = records.filter((record) => record.separates);
  const roots = separating.filter((record) => rootRank(record.family) < Number.POSITIVE_INFINITY);
  const consequences = separating.filter((record) => !roots.includes(record));
  const explained = (consequence: FactRecord) => roots.some((root) => explains(root, consequence));
  const named = [...roots, ...consequences.filter((consequence) => !explained(consequence))];

  const byPattern = new Map<string, FactRecord[]>();
  for (const record of named)
    byPattern.set(record.pattern, [...(byPattern.get(record.pattern) ?? []), record]);
  const proofs = separating.filter((record) => record.mechanism);
  return [...byPattern.values()].map((together) => toSet(together, proofs)).sort(compareSets);
}

/** A root explains a consequence if each of its values always came with one and the same of the consequence's. */
function explains(root: FactRecord, consequence: FactRecord): boolean {
  if (consequence.group === "firmware-tables" && !WRITES_TABLES.test(root.family)) return false;
  const seen = new Map<string, string>();
  const theirs = consequence.pattern.split(",");
  for (const [position, own] of root.pattern.split(",").entries()) {
    const other = theirs[position] ?? "";
    if (own === String(UNKNOWN) || other === String(UNKNOWN)) continue;
    if ((seen.get(own) ?? other) !== other) return false;
    seen.set(own, other);
  }
  return true;
}

function toSet(records: readonly FactRecord[], proofs: readonly FactRecord[]): SuspectSet {
  const families = new Map<string, FactRecord[]>();
  for (const record of records) families.set(record.family, [...(families.get(record.family) ?? []), record]);
  const updatedTogether = consequencesOf([...families.keys()]);
  const suspects = [...families]
    .filter(([family]) => !updatedTogether.has(family))
    .sort(([a], [b]) => orderOf(a) - orderOf(b))
    .map(([family, facts]): Suspect => ({ family, facts }));
  return {
    suspects,
    proof: proofs.filter((proof) => records.some((record) => record === proof || explains(record, proof))),
    reverted: records.some((record) => record.reverted),
    changedAlone: Math.min(...records.map((record) => record.changedAlone)),
    turnedWith: Math.max(...records.map((record) => record.turnedWith)),
  };
}

/** An update of the operating system brings kernel, QEMU and libvirt with it; they are not rivals of it. */
function consequencesOf(families: readonly string[]): ReadonlySet<string> {
  return new Set(families.includes("operating system") ? ["kernel", "QEMU", "libvirt"] : []);
}

function compareSets(a: SuspectSet, b: SuspectSet): number {
  return (
    Number(b.proof.length > 0) - Number(a.proof.length > 0) ||
    Number(b.reverted) - Number(a.reverted) ||
    a.changedAlone - b.changedAlone ||
    Math.min(...a.suspects.map(({ family }) => orderOf(family))) -
      Math.min(...b.suspects.map(({ family }) => orderOf(family)))
  );
}

function orderOf(family: string): number {
  return Math.min(1_000, rootRank(family));
}
