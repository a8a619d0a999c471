import {
  type Change,
  FACT_GROUPS,
  type Fact,
  type FactGroup,
  type FactValue,
  type Snapshot,
} from "../model/fact.ts";
import { deviceLabel, importanceOf, sentenceOf } from "./change-sentences.ts";
import { alignDevices } from "./device-identity.ts";
import { entityOf, type FactView, viewFacts } from "./fact-collections.ts";

const ABSENT: FactValue = { state: "absent" };
/** Things whose coming or going is one change, told with what they are; the others are a single fact anyway. */
const WHOLE = /^(?:pci|vm|iommu\.group|boot-loader|firmware-tables)\./;
const GROUP_NUMBER = /^pci\.([^.]+)\.group$/;
const NUMBERED = /^(firmware-tables\.(?:IVRS|DMAR)\.[a-z]+\.)(\d+)$/;

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
  const told = new Set(whole.map(({ change }) => change.key));
  const changes = [
    ...whole,
    ...numberedChanges(older, newer),
    ...singleChanges(older, newer).filter(({ change }) => !told.has(change.key)),
  ];
  return mergeRenumbering(changes, older, newer)
    .sort(compareChanges)
    .map(({ change }) => change);
}

/** A change with its place in the order; what only got another number comes last. */
interface Ranked {
  readonly change: Change;
  readonly low: boolean;
}

function compareChanges(a: Ranked, b: Ranked): number {
  return (
    Number(a.low) - Number(b.low) ||
    FACT_GROUPS.indexOf(a.change.group) - FACT_GROUPS.indexOf(b.change.group) ||
    importanceOf(a.change.key) - importanceOf(b.change.key) ||
    compareTexts(addressOf(a.change), addressOf(b.change)) ||
    compareTexts(a.change.key, b.change.key)
  );
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Devices that moved stand in the order of where they are now: the functions of one card side by side. */
function addressOf({ key, after }: Change): string {
  return key.endsWith(".address") && after.state === "value" ? after.value : "";
}

function singleChanges(older: FactView, newer: FactView): readonly Ranked[] {
  const changes: Ranked[] = [];
  for (const key of new Set([...older.facts.keys(), ...newer.facts.keys()])) {
    if (NUMBERED.test(key) || missingWhole(key, older, newer)) continue;
    const before = older.valueOf(key);
    const after = newer.valueOf(key);
    if (before.state === "unknown" || after.state === "unknown" || sameValue(key, before, after)) continue;
    const group = groupOf(key, older, newer);
    if (group === undefined) continue;
    // Every device has or lacks a group when the IOMMU comes or goes, which is said once.
    if (GROUP_NUMBER.test(key) && wholeCollectionChange("iommu.group", older, newer) !== undefined) continue;
    const sentence = sentenceOf(key, before, after, newer, older);
    changes.push({ change: { group, key, before, after, sentence }, low: false });
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
  return /^iommu\.group\..*\.members$/.test(key) && sorted(before.value) === sorted(after.value);
}

function sorted(list: string): string {
  return list.split(", ").sort().join(", ");
}

/** Whether the key belongs to a thing that is there on one side only, and so is told as a whole (or not at all). */
function missingWhole(key: string, older: FactView, newer: FactView): boolean {
  const owner = entityOf(key);
  if (owner === undefined || !WHOLE.test(`${owner.entity}.`)) return false;
  return older.entities.has(owner.entity) !== newer.entities.has(owner.entity);
}

/** Devices, VMs, groups, boot loader files and tables that came or went. */
function wholeChanges(older: FactView, newer: FactView): readonly Ranked[] {
  const changes: Ranked[] = [];
  const said = new Set<string>();
  for (const fact of [...older.facts.values(), ...newer.facts.values()]) {
    const owner = entityOf(fact.key);
    const collection = owner === undefined ? undefined : wholeCollectionChange(owner.anchor, older, newer);
    if (owner !== undefined && collection !== undefined) {
      if (!said.has(owner.anchor)) changes.push({ change: collection, low: false });
      said.add(owner.anchor);
      continue;
    }
    if (owner === undefined || said.has(owner.entity) || !WHOLE.test(`${owner.entity}.`)) continue;
    said.add(owner.entity);
    const was = older.entities.has(owner.entity);
    if (was === newer.entities.has(owner.entity)) continue;
    if (!(was ? newer : older).lacks(owner.entity, owner.anchor)) continue;
    const view = was ? older : newer;
    if (owner.anchor === "iommu.group" && !isNews(owner.entity, view, was ? newer : older)) continue;
    const value: FactValue = { state: "value", value: describeThing(owner.entity, view) };
    const sentence = thingSentence(owner.anchor, owner.entity, value.value, was);
    changes.push({
      change: {
        group: fact.group,
        key: owner.entity,
        before: was ? value : ABSENT,
        after: was ? ABSENT : value,
        sentence,
      },
      low: false,
    });
  }
  return changes;
}

/** With the IOMMU off no group is left: that is one change, not one for each group. */
function wholeCollectionChange(anchor: string, older: FactView, newer: FactView): Change | undefined {
  if (anchor !== "iommu.group") return undefined;
  const none = [older, newer].map((view) => view.facts.get(anchor)?.value.state === "absent");
  if (none[0] === none[1]) return undefined;
  const view = none[0] === true ? newer : older;
  const count = [...view.entities].filter((entity) => entity.startsWith(`${anchor}.`)).length;
  if (count === 0) return undefined;
  const value: FactValue = { state: "value", value: `${count} groups` };
  const [before, after] = none[0] === true ? [ABSENT, value] : [value, ABSENT];
  const sentence = `IOMMU groups: ${none[0] === true ? "none" : value.value} → ${none[1] === true ? "none" : value.value}`;
  return { group: "iommu", key: anchor, before, after, sentence };
}

/**
 * A group comes and goes with its devices, and that is said of the devices; it is news when a device that is on both
 * sides is now in a group of another name, or when the group demands a 1:1 mapping.
 */
function isNews(entity: string, view: FactView, other: FactView): boolean {
  if (view.facts.get(`${entity}.direct`)?.value.state === "value") return true;
  return membersOf(entity, view).some((member) => other.entities.has(`pci.${member}`));
}

function membersOf(entity: string, view: FactView): readonly string[] {
  const members = view.facts.get(`${entity}.members`)?.value;
  return members?.state === "value" ? members.value.split(", ") : [];
}

function describeThing(entity: string, view: FactView): string {
  if (entity.startsWith("pci.")) return deviceLabel(entity.slice("pci.".length), view) ?? entity;
  if (entity.startsWith("iommu.group.")) {
    const members = membersOf(entity, view).map((member) => deviceLabel(member, view) ?? member);
    const direct = view.facts.get(`${entity}.direct`)?.value;
    return `${members.join(", ")}${direct?.state === "value" ? `, with direct regions ${direct.value}` : ""}`;
  }
  if (entity.startsWith("firmware-tables.")) {
    const hash = view.facts.get(`${entity}.sha256`)?.value;
    return hash?.state === "value" ? `sha256 ${hash.value}` : "there";
  }
  const attribute = entity.startsWith("vm.") ? "devices" : "parameters";
  const value = view.facts.get(`${entity}.${attribute}`)?.value;
  return value?.state === "value" ? value.value : "there";
}

function thingSentence(anchor: string, entity: string, description: string, was: boolean): string {
  const name = entity
    .slice(anchor.length + 1)
    .replaceAll("%2e", ".")
    .replaceAll("%25", "%");
  switch (anchor) {
    case "pci":
      return `PCI device ${was ? "removed" : "added"}: ${description}`;
    case "vm":
      return `VM '${name}' ${was ? "was deleted" : "is new"}`;
    case "iommu.group":
      return `IOMMU group ${was ? "gone" : "new"}: ${description}`;
    case "firmware-tables":
      return `Firmware table ${name} is ${was ? "no longer there" : "there now"}`;
    default:
      return `Boot loader file ${name} ${was ? "is gone" : "is new"}`;
  }
}

/**
 * Entries of the firmware's tables stand in a list: one more at its beginning turns all numbers around, so equal
 * entries are taken out first and only the rest is told.
 */
function numberedChanges(older: FactView, newer: FactView): readonly Ranked[] {
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
): readonly Ranked[] {
  const added = [...after];
  const removed: Fact[] = [];
  for (const fact of before) {
    const same = added.findIndex(({ value }) => JSON.stringify(value) === JSON.stringify(fact.value));
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
    const change: Change = { group: "firmware-tables", key, before: values[0], after: values[1], sentence };
    return { change, low: false };
  });
}

/** One more device in the host moves the numbers of all groups after it. With the same members that is one change. */
function mergeRenumbering(changes: readonly Ranked[], older: FactView, newer: FactView): Ranked[] {
  const homes = [homesOf(older), homesOf(newer)] as const;
  const moves = new Map<string, string>();
  const rest: Ranked[] = [];
  for (const ranked of changes) {
    const { key, before, after } = ranked.change;
    const identity = GROUP_NUMBER.exec(key)?.[1];
    const home = identity === undefined ? undefined : homes[0].get(identity);
    const same = home !== undefined && home === homes[1].get(identity ?? "");
    if (!same || before.state !== "value" || after.state !== "value") rest.push(ranked);
    else moves.set(before.value, after.value);
  }
  if (moves.size === 0) return rest;
  const ordered = [...moves].sort((a, b) => Number(a[0]) - Number(b[0]));
  const shown = ordered.slice(0, 12).map(([from, to]) => `${from} → ${to}`);
  if (ordered.length > shown.length) shown.push(`and ${ordered.length - shown.length} more`);
  const value = (side: 0 | 1): FactValue => ({
    state: "value",
    value: ordered.map((move) => move[side]).join(" "),
  });
  rest.push({
    change: {
      group: "iommu",
      key: "iommu.group-numbers",
      before: value(0),
      after: value(1),
      sentence: `IOMMU groups have other numbers and the same members: ${shown.join(", ")}`,
    },
    low: true,
  });
  return rest;
}

/** For each device the members of its group, as one comparable text. */
function homesOf(view: FactView): ReadonlyMap<string, string> {
  const homes = new Map<string, string>();
  for (const [key, { value }] of view.facts) {
    if (!/^iommu\.group\.[^.]+\.members$/.test(key) || value.state !== "value") continue;
    for (const member of value.value.split(", ")) homes.set(member, sorted(value.value));
  }
  return homes;
}
