import type { Change, Fact } from "../model/fact.ts";
import { sentenceOf } from "./change-words.ts";
import { ABSENT, isSameValue } from "./fact-value.ts";
import type { FactView } from "./presence.ts";
import { missingWhole } from "./whole-changes.ts";

const NUMBERED = /^(firmware-tables\.(?:IVRS|DMAR)\.[a-z]+\.)(\d+)$/;

/** Whether a key is an entry of a firmware table, numbered in the order of the table. */
export function isTableEntry(key: string): boolean {
  return NUMBERED.test(key);
}

/**
 * Entries of the firmware's tables stand in a list: one more at its beginning turns all numbers around, so equal
 * entries are taken out first and only the rest is told.
 */
export function numberedChanges(older: FactView, newer: FactView): readonly Change[] {
  const lists = new Map<string, { before: Fact[]; after: Fact[] }>();
  for (const side of ["before", "after"] as const) {
    for (const fact of (side === "before" ? older : newer).facts.values()) {
      const list = NUMBERED.exec(fact.key)?.[1];
      if (list === undefined || fact.value.state === "absent" || missingWhole(fact.key, older, newer))
        continue;
      const entry = lists.get(list) ?? { before: [], after: [] };
      entry[side].push(fact);
      lists.set(list, entry);
    }
  }
  return [...lists].flatMap(([list, { before, after }]) => listChanges(list, before, after, older, newer));
}

function listChanges(
  list: string,
  before: readonly Fact[],
  after: readonly Fact[],
  older: FactView,
  newer: FactView,
): readonly Change[] {
  const added = [...after];
  const removed: Fact[] = [];
  for (const fact of before) {
    const same = added.findIndex(({ value }) => isSameValue(value, fact.value));
    if (same >= 0) added.splice(same, 1);
    else removed.push(fact);
  }
  if ([...added, ...removed].some(({ value }) => value.state === "unknown")) return [];
  const used = new Set<string>();
  return Array.from({ length: Math.max(added.length, removed.length) }, (_unused, index) => {
    const from = removed[index];
    const to = added[index];
    let key = (to ?? from)?.key ?? `${list}1`;
    for (let number = 1; used.has(key); number += 1) key = `${list}${number}`;
    used.add(key);
    const values = [from?.value ?? ABSENT, to?.value ?? ABSENT] as const;
    const sentence = sentenceOf(key, values[0], values[1], newer, older);
    return { group: "firmware-tables", key, before: values[0], after: values[1], sentence };
  });
}
