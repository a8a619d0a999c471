import { type Change, FACT_GROUPS, type FactGroup, type FactValue, type Snapshot } from "../model/fact.ts";
import { importanceOf, sentenceOf } from "./change-sentences.ts";
import { alignDevices } from "./device-identity.ts";
import { type FactView, viewFacts } from "./fact-collections.ts";
import { groupNumberOwner, mergeRenumbering, sortedMembers } from "./group-renumbering.ts";
import { isTableEntry, numberedChanges } from "./table-entry-changes.ts";
import { allGroupsChange, missingWhole, wholeChanges } from "./whole-changes.ts";

/**
 * What differs between two snapshots, for a reader: the most interesting first. A fact that is unknown on one side
 * has not changed (law 7). A device that moved is one change, a thing that came or went is one change, groups that
 * only got other numbers are one change at the end.
 */
export function diffSnapshots(before: Snapshot, after: Snapshot): readonly Change[] {
  if (before.id === after.id) return [];
  const { apply } = alignDevices(before.facts, after.facts);
  const older = viewFacts(before.facts.map(apply));
  const newer = viewFacts(after.facts);
  const whole = wholeChanges(older, newer);
  const told = new Set(whole.map(({ key }) => key));
  const { changes, renumbering } = mergeRenumbering(
    [
      ...whole,
      ...numberedChanges(older, newer),
      ...singleChanges(older, newer).filter(({ key }) => !told.has(key)),
    ],
    older,
    newer,
  );
  // What only got another number changes nothing for anybody, so it comes last.
  return [...changes.toSorted(compareChanges), ...(renumbering === undefined ? [] : [renumbering])];
}

function compareChanges(a: Change, b: Change): number {
  return (
    FACT_GROUPS.indexOf(a.group) - FACT_GROUPS.indexOf(b.group) ||
    importanceOf(a.key) - importanceOf(b.key) ||
    compareTexts(addressOf(a), addressOf(b)) ||
    compareTexts(a.key, b.key)
  );
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Devices that moved stand in the order of where they are now: the functions of one card side by side. */
function addressOf({ key, after }: Change): string {
  return key.endsWith(".address") && after.state === "value" ? after.value : "";
}

function singleChanges(older: FactView, newer: FactView): readonly Change[] {
  const changes: Change[] = [];
  const groupsCameOrWent = allGroupsChange(older, newer) !== undefined;
  for (const key of new Set([...older.facts.keys(), ...newer.facts.keys()])) {
    if (isTableEntry(key) || missingWhole(key, older, newer)) continue;
    const before = older.valueOf(key);
    const after = newer.valueOf(key);
    if (before.state === "unknown" || after.state === "unknown" || sameValue(key, before, after)) continue;
    const group = groupOf(key, older, newer);
    if (group === undefined) continue;
    // Every device has or lacks a group when the IOMMU comes or goes, which is said once.
    if (groupsCameOrWent && groupNumberOwner(key) !== undefined) continue;
    const sentence = sentenceOf(key, before, after, newer, older);
    changes.push({ group, key, before, after, sentence });
  }
  return changes;
}

function groupOf(key: string, older: FactView, newer: FactView): FactGroup | undefined {
  return (newer.facts.get(key) ?? older.facts.get(key))?.group;
}

function sameValue(key: string, before: FactValue, after: FactValue): boolean {
  if (before.state !== "value" || after.state !== "value") return before.state === after.state;
  if (before.value === after.value) return true;
  // Members stand in the order of addresses, which a move turns around without changing the group.
  return (
    /^iommu\.group\..*\.members$/.test(key) && sortedMembers(before.value) === sortedMembers(after.value)
  );
}
