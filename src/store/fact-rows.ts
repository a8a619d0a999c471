import { FACT_GROUPS, type Fact, type FactGroup } from "../model/fact.ts";
import { decodeValue, type StoredValue } from "./fact-values.ts";

/** A fact with its number in the table. */
export interface FactRow extends StoredValue {
  readonly number: number;
  readonly fact_group: FactGroup;
  readonly key: string;
}

/** The fact that a row holds. */
export function toFact(row: FactRow): Fact {
  return { group: row.fact_group, key: row.key, value: decodeValue(row) };
}

const GROUP_RANK = new Map<string, number>(FACT_GROUPS.map((group, rank) => [group, rank]));

/** What is in order by key, ordered by group first. */
export function byGroup<T>(ordered: readonly T[], groupOf: (one: T) => FactGroup): readonly T[] {
  // Group by group, because thousands of them would be slow to compare by both.
  return [...Map.groupBy(ordered, groupOf)]
    .sort(([a], [b]) => (GROUP_RANK.get(a) ?? 99) - (GROUP_RANK.get(b) ?? 99))
    .flatMap(([, own]) => own);
}
