import type { Bdf } from "../model/identifiers.ts";
import { describeDevice } from "./devices.ts";
import type { Block, Cell, FactRow } from "./document.ts";
import type { HostFacts } from "./host-facts.ts";
import { code, cutNote, MOST_ITEMS, MOST_ROWS } from "./limits.ts";
import { count, shortened } from "./words.ts";

/** The IOMMU, the groups of the concerned devices and those that demand a 1:1 mapping in full, and all groups. */
export function iommuBlocks(facts: HostFacts, concerned: readonly Bdf[]): readonly Block[] {
  const rows = [
    facts.row("iommu.units", "IOMMU units in use"),
    facts.row("iommu.interrupt-remapping", "Interrupt remapping"),
    facts.row("iommu.default-domain", "Default domain type"),
  ];
  if (facts.groups.length === 0) {
    return [{ kind: "facts", rows: [...rows, facts.row("iommu.group", "IOMMU groups")] }];
  }
  const own = facts.groups.filter(({ members }) =>
    members.some((member) => concerned.some((bdf) => bdf === member)),
  );
  const demanding = facts.groups.filter(({ direct }) => direct !== undefined);
  const detailed = [...new Set([...own, ...demanding])].slice(0, MOST_ITEMS);
  return [
    { kind: "facts", rows },
    {
      kind: "text",
      text:
        demanding.length === 0
          ? `None of the ${count(facts.groups.length, "group")} has a direct region, so the firmware demands no 1:1 mapping.`
          : `${count(demanding.length, "group")} of ${facts.groups.length} ${demanding.length === 1 ? "has" : "have"} a direct region (a 1:1 mapping that the firmware demands): ${shortened(
              demanding.map(({ number }) => number ?? "?"),
              MOST_ITEMS,
            ).join(", ")}.`,
    },
    ...detailed.map((group): Block => {
      const row = (label: string, value: string): FactRow => ({
        key: group.key,
        label,
        value,
        state: "value",
        code: true,
      });
      return {
        kind: "facts",
        rows: [
          row(`Group ${group.number ?? "?"}`, memberText(facts, group.members)),
          row("Domain type", group.type ?? "not shown by the kernel"),
          ...group.regions.map(({ kind, addresses }) => row(`Region ${kind}`, addresses)),
        ],
      };
    }),
    {
      kind: "table",
      caption: `All ${count(facts.groups.length, "IOMMU group")}${cutNote(facts.groups.length)}`,
      columns: ["Group", "Type", "Members", "Direct regions"],
      rows: facts.groups
        .slice(0, MOST_ROWS)
        .map(({ number, type, members, direct }): readonly Cell[] => [
          code(number ?? "?"),
          code(type ?? "?"),
          code(shortened(members, 12).join(", ")),
          direct === undefined ? { text: "none" } : { text: direct, tone: "bad", code: true },
        ]),
      folded: true,
    },
  ];
}

function memberText(facts: HostFacts, members: readonly string[]): string {
  const named = members.map((member) => {
    const device = facts.devices.find(({ address }) => address === member);
    return device === undefined ? member : `${member} ${describeDevice(device)}`;
  });
  return shortened(named, 24).join("; ");
}
