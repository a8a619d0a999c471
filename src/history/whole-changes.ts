import type { Change, FactValue } from "../model/fact.ts";
import { deviceLabel } from "./change-sentences.ts";
import { entityOf, type FactView } from "./fact-collections.ts";

const ABSENT: FactValue = { state: "absent" };
const GROUPS = "iommu.group";
/** Things whose coming or going is one change, told with what they are; the others are a single fact anyway. */
const WHOLE = /^(?:pci|vm|iommu\.group|boot-loader|firmware-tables)\./;

/** Whether the key belongs to a thing that is there on one side only, and so is told as a whole (or not at all). */
export function missingWhole(key: string, older: FactView, newer: FactView): boolean {
  const owner = entityOf(key);
  if (owner === undefined || !WHOLE.test(`${owner.entity}.`)) return false;
  return older.entities.has(owner.entity) !== newer.entities.has(owner.entity);
}

/** Devices, VMs, groups, boot loader files and tables that came or went. */
export function wholeChanges(older: FactView, newer: FactView): readonly Change[] {
  const changes: Change[] = [];
  const said = new Set<string>();
  const allGroups = allGroupsChange(older, newer);
  if (allGroups !== undefined) changes.push(allGroups);
  for (const fact of [...older.facts.values(), ...newer.facts.values()]) {
    const owner = entityOf(fact.key);
    if (owner === undefined || said.has(owner.entity) || !WHOLE.test(`${owner.entity}.`)) continue;
    said.add(owner.entity);
    const was = older.entities.has(owner.entity);
    if (was === newer.entities.has(owner.entity)) continue;
    if (!(was ? newer : older).lacks(owner.entity, owner.anchor)) continue;
    const view = was ? older : newer;
    if (owner.anchor === GROUPS && allGroups !== undefined) continue;
    if (owner.anchor === GROUPS && !isNews(owner.entity, view, was ? newer : older)) continue;
    const value: FactValue = { state: "value", value: describeThing(owner.entity, view) };
    const sentence = thingSentence(owner.anchor, owner.entity, value.value, was);
    changes.push({
      group: fact.group,
      key: owner.entity,
      before: was ? value : ABSENT,
      after: was ? ABSENT : value,
      sentence,
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
