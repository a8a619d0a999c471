import type { Change, FactValue } from "../model/fact.ts";
import { deviceLabel } from "./change-words.ts";
import { ABSENT, listOf, textOf } from "./fact-value.ts";
import { nameOfKeyPart } from "./key-parts.ts";
import type { FactView } from "./presence.ts";
import { thingOf } from "./vocabulary.ts";

const GROUPS = "iommu.group";

/** Whether the key belongs to a thing that is there on one side only, and so is told as a whole (or not at all). */
export function missingWhole(key: string, older: FactView, newer: FactView): boolean {
  const owner = thingOf(key);
  if (owner?.kind.whole === undefined) return false;
  return older.entities.has(owner.entity) !== newer.entities.has(owner.entity);
}

/** Devices, VMs, groups, boot loader files and tables that came or went. */
export function wholeChanges(older: FactView, newer: FactView): readonly Change[] {
  const changes: Change[] = [];
  const said = new Set<string>();
  const allGroups = allGroupsChange(older, newer);
  if (allGroups !== undefined) changes.push(allGroups);
  for (const fact of [...older.facts.values(), ...newer.facts.values()]) {
    const owner = thingOf(fact.key);
    if (owner?.kind.whole === undefined || said.has(owner.entity)) continue;
    const { entity, anchor, kind } = owner;
    said.add(entity);
    const came = newer.entities.has(entity);
    const [view, other] = came ? [newer, older] : [older, newer];
    if (came === older.entities.has(entity) || !other.lacks(entity, anchor)) continue;
    if (anchor === GROUPS && (allGroups !== undefined || !isNews(entity, view, other))) continue;
    const description = describeThing(entity, anchor, kind.describedBy, view);
    const value: FactValue = { state: "value", value: description };
    changes.push({
      group: fact.group,
      key: entity,
      before: came ? ABSENT : value,
      after: came ? value : ABSENT,
      sentence:
        kind.whole?.(nameOfKeyPart(entity.slice(anchor.length + 1)), came, description) ?? description,
    });
  }
  return changes;
}

/** With the IOMMU off no group is left: that is one change, not one for each group. Undefined while there are some. */
export function allGroupsChange(older: FactView, newer: FactView): Change | undefined {
  const [had, has] = [older, newer].map((view) => view.facts.get(GROUPS)?.value.state !== "absent");
  if (had === has) return undefined;
  const view = had === true ? older : newer;
  const count = [...view.entities].filter((entity) => entity.startsWith(`${GROUPS}.`)).length;
  if (count === 0) return undefined;
  const some: FactValue = { state: "value", value: String(count) };
  const [before, after] = had === true ? [some, ABSENT] : [ABSENT, some];
  const sentence = `IOMMU groups: ${had === true ? `${count} → none` : `none → ${count}`}`;
  return { group: "iommu", key: GROUPS, before, after, sentence };
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
  return listOf(view.facts.get(`${entity}.members`)?.value);
}

function describeThing(
  entity: string,
  anchor: string,
  attribute: string | undefined,
  view: FactView,
): string {
  if (anchor === "pci") return deviceLabel(entity.slice("pci.".length), view) ?? entity;
  if (anchor === GROUPS) {
    const members = membersOf(entity, view).map((member) => deviceLabel(member, view) ?? member);
    const direct = textOf(view.facts.get(`${entity}.direct`)?.value);
    return `${members.join(", ")}${direct === undefined ? "" : `, with direct regions ${direct}`}`;
  }
  const text = textOf(view.facts.get(`${entity}.${attribute}`)?.value);
  return text === undefined ? "there" : attribute === "sha256" ? `sha256 ${text}` : text;
}
