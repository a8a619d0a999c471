import { textOf, valueText } from "../facts/fact-value.ts";
import type { Bdf } from "../model/identifiers.ts";
import { describeDevice } from "./devices.ts";
import type { Block, Cell } from "./document.ts";
import type { FactGroupEntry, HostFacts } from "./host-facts.ts";
import { code, cutNote, MOST_ITEMS, MOST_ROWS } from "./limits.ts";
import { count, shortened } from "./words.ts";

/** The groups of the concerned devices and those that demand a 1:1 mapping in full, and all groups. */
export function iommuBlocks(facts: HostFacts, concerned: readonly Bdf[]): readonly Block[] {
  const { groups } = facts;
  if (groups.length === 0) return [{ kind: "facts", rows: [facts.row("iommu.group")] }];
  const own = groups.filter(({ members }) => concerned.some((bdf) => members.includes(bdf)));
  const demanding = groups.filter(({ direct }) => direct.state === "value");
  const detailed = [...new Set([...own, ...demanding])].slice(0, MOST_ITEMS);
  return [
    { kind: "text", text: demandText(groups, demanding) },
    ...detailed.map(
      ({ key, number, members, regions }): Block => ({
        kind: "facts",
        rows: [
          { ...facts.row(`${key}.members`, `Group ${number ?? "?"}`), value: memberText(facts, members) },
          facts.row(`${key}.type`, "Domain type"),
          ...regions.map((kind) => facts.row(`${key}.${kind}`, `Region ${kind}`)),
        ],
      }),
    ),
    {
      kind: "table",
      caption: `All ${count(groups.length, "IOMMU group")}${cutNote(groups.length)}`,
      columns: ["Group", "Type", "Members", "Direct regions"],
      rows: groups
        .slice(0, MOST_ROWS)
        .map(({ number, type, members, direct }): readonly Cell[] => [
          code(number ?? "?"),
          code(textOf(type) ?? "?"),
          code(shortened(members, 12).join(", ")),
          direct.state === "value"
            ? { text: valueText(direct), tone: "bad", code: true }
            : { text: valueText(direct) },
        ]),
      folded: true,
    },
  ];
}

/** What the kernel shows of demands for 1:1 mappings, and of how many groups it is not known. */
function demandText(groups: readonly FactGroupEntry[], demanding: readonly FactGroupEntry[]): string {
  const unknown = groups.filter(({ direct }) => direct.state === "unknown");
  const [first] = unknown;
  const why = first?.direct.state === "unknown" ? first.direct.why : "";
  if (unknown.length === groups.length)
    return `Whether a group has a direct region, for which the firmware demands a 1:1 mapping, is not known: ${why}.`;
  const rest = unknown.length === 0 ? "" : ` Of ${unknown.length} of them it is not known: ${why}.`;
  if (demanding.length === 0) {
    return unknown.length === 0
      ? `None of the ${count(groups.length, "group")} has a direct region, so none is kept from a VM by a demand of the firmware for a 1:1 mapping.`
      : `None of the groups of which it is known has a direct region.${rest}`;
  }
  const numbers = shortened(
    demanding.map(({ number }) => number ?? "?"),
    MOST_ITEMS,
  );
  return `${count(demanding.length, "group")} of ${groups.length} ${demanding.length === 1 ? "has" : "have"} a direct region (a 1:1 mapping that the firmware demands): ${numbers.join(", ")}.${rest}`;
}

function memberText(facts: HostFacts, members: readonly string[]): string {
  const named = members.map((member) => {
    const device = facts.devices.find(({ address }) => address === member);
    return device === undefined ? member : `${member} ${describeDevice(device)}`;
  });
  return shortened(named, 24).join("; ");
}
