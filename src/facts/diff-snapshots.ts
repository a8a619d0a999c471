import { type Change, FACT_GROUPS, type FactValue, type Snapshot } from "../model/fact.ts";
import { alignDevices } from "./align-devices.ts";
import { alignVms } from "./align-vms.ts";
import { sentenceOf } from "./change-words.ts";
import { isSameValue, textOf } from "./fact-value.ts";
import { groupNumberOwner, mergeRenumbering } from "./group-renumbering.ts";
import { type FactView, viewFacts } from "./presence.ts";
import { isTableEntry, numberedChanges } from "./table-entry-changes.ts";
import { foldUpdates } from "./update-changes.ts";
import { importanceOf, knownKey } from "./vocabulary.ts";
import { allGroupsChange, missingWhole, wholeChanges } from "./whole-changes.ts";

/**
 * What differs between two snapshots, for a reader: the most interesting first. A fact that is unknown on one side
 * has not changed (law 7). A device that moved is one change, a thing that came or went is one change, what one update
 * changed is one change, groups that only got other numbers are one change at the end.
 */
export function diffSnapshots(before: Snapshot, after: Snapshot): readonly Change[] {
  if (before.id === after.id) return [];
  const { apply } = alignDevices(before.facts, after.facts);
  const named = alignVms(before.facts, after.facts);
  const older = viewFacts(before.facts.map((fact) => named(apply(fact))));
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
  const ordered = foldUpdates(changes.toSorted(compareChanges), older, newer);
  // What only got another number changes nothing for anybody, so it comes last.
  return [...ordered, ...(renumbering === undefined ? [] : [renumbering])];
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
  return key.endsWith(".address") ? (textOf(after) ?? "") : "";
}

function singleChanges(older: FactView, newer: FactView): readonly Change[] {
  const changes: Change[] = [];
  const groupsCameOrWent = allGroupsChange(older, newer) !== undefined;
  for (const key of new Set([...older.facts.keys(), ...newer.facts.keys()])) {
    if (isTableEntry(key)) continue;
    const before = older.valueOf(key);
    const after = newer.valueOf(key);
    if (before.state === "unknown" || after.state === "unknown" || isSameValue(before, after)) continue;
    if (isSameInOtherWords(key, before, after)) continue;
    if (missingWhole(key, older, newer)) continue;
    const group = (newer.facts.get(key) ?? older.facts.get(key))?.group;
    if (group === undefined) continue;
    // Every device has or lacks a group when the IOMMU comes or goes, which is said once.
    if (groupsCameOrWent && groupNumberOwner(key) !== undefined) continue;
    const sentence = sentenceOf(key, before, after, newer, older);
    changes.push({ group, key, before, after, sentence });
  }
  return changes;
}

function isSameInOtherWords(key: string, before: FactValue, after: FactValue): boolean {
  const [one, other] = [before, after].map(textOf);
  return one !== undefined && other !== undefined && knownKey(key)?.form.isSame?.(one, other) === true;
}
