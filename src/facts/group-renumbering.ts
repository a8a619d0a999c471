import type { Change, FactValue } from "../model/fact.ts";
import { listOf, textOf } from "./fact-value.ts";
import type { FactView } from "./presence.ts";

/** More pairs of numbers than this nobody reads. */
const SHOWN = 12;

/** One more device in the host moves the numbers of all groups after it. With the same members that is one change. */
export function mergeRenumbering(
  changes: readonly Change[],
  older: FactView,
  newer: FactView,
): { readonly changes: readonly Change[]; readonly renumbering: Change | undefined } {
  const homes = [homesOf(older), homesOf(newer)] as const;
  const moves = new Map<string, string>();
  const rest: Change[] = [];
  for (const change of changes) {
    const identity = groupNumberOwner(change.key) ?? "";
    const home = homes[0].get(identity);
    const [from, to] = [textOf(change.before), textOf(change.after)];
    const isRenumbered = home !== undefined && home === homes[1].get(identity);
    if (isRenumbered && from !== undefined && to !== undefined) moves.set(from, to);
    else rest.push(change);
  }
  if (moves.size === 0) return { changes: rest, renumbering: undefined };
  const ordered = [...moves].sort((a, b) => Number(a[0]) - Number(b[0]));
  const shown = ordered.slice(0, SHOWN).map(([from, to]) => `${from} → ${to}`);
  if (ordered.length > shown.length) shown.push(`and ${ordered.length - shown.length} more`);
  const value = (side: 0 | 1): FactValue => ({ state: "value", value: ordered.map((move) => move[side]) });
  const renumbering: Change = {
    group: "iommu",
    key: "iommu.group-numbers",
    before: value(0),
    after: value(1),
    sentence: `IOMMU groups have other numbers and the same members: ${shown.join(", ")}`,
  };
  return { changes: rest, renumbering };
}

/** For each device the members of its group, as one comparable text. */
function homesOf(view: FactView): ReadonlyMap<string, string> {
  const homes = new Map<string, string>();
  for (const [key, { value }] of view.facts) {
    if (!/^iommu\.group\.[^.]+\.members$/.test(key)) continue;
    const members = listOf(value);
    for (const member of members) homes.set(member, members.join(", "));
  }
  return homes;
}

/** The device whose group number the key holds; undefined for any other key. */
export function groupNumberOwner(key: string): string | undefined {
  return /^pci\.([^.]+)\.group$/.exec(key)?.[1];
}
