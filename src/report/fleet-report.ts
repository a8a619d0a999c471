import type { FleetBlame, FleetFault } from "../fleet/fleet-blame.ts";
import { describeFleetBlame } from "../fleet/fleet-words.ts";
import type { HostsPicture, ReportContent, Section } from "./document.ts";
import { count } from "./words.ts";

/** What a fleet says of a board, as a document. */
export function describeFleetReport(
  blame: FleetBlame,
  made: { readonly at: number; readonly by: string },
): ReportContent {
  const { headline, hosts, certainty, table, others } = describeFleetBlame(blame);
  const [first] = blame.faults;
  const [columns = [], ...rows] = table;
  const section = (title: string, blocks: Section["blocks"]): readonly Section[] =>
    blocks.length === 0 ? [] : [{ id: "hosts", title, blocks }];
  return {
    title: `Passthrough on ${blame.board}`,
    outcome: undefined,
    answer: [headline, hosts, certainty].filter((sentence) => sentence !== ""),
    glance: [
      { key: "", label: "Board", value: blame.board, state: "value" },
      { key: "", label: "Hosts", value: String(blame.hosts.size), state: "value" },
      { key: "", label: "Starts", value: startsText(first), state: "value" },
    ],
    sections: [
      ...section("Hosts", [
        { kind: "hosts", picture: hostsPicture(first) },
        {
          kind: "table",
          caption: `Hosts by ${first.family}`,
          columns,
          rows: rows.map((row) => row.map((text) => ({ text }))),
          folded: false,
        },
        ...(others.length === 0
          ? []
          : [
              { kind: "heading" as const, text: "Other faults" },
              { kind: "list" as const, ordered: false, items: others },
            ]),
      ]),
    ],
    notes: [],
    madeAt: made.at,
    madeBy: made.by,
  };
}

function startsText({ answer: { blame } }: FleetFault): string {
  return `${count(blame.good + blame.bad, "start")}, ${blame.bad} failed`;
}

/** How hosts fare by what divides them. */
export function hostsPicture({ family, values, changes }: FleetFault): HostsPicture {
  return {
    family,
    lanes: values.map(({ label, hosts, failing }) => ({ label, working: hosts - failing, failing })),
    turns: changes.map(({ from, to, failedBefore, failedAfter }) => ({
      from,
      to,
      failedBefore,
      failedAfter,
    })),
  };
}
