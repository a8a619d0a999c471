import type { Block, Cell, Section, TimeLine } from "./document.ts";
import type { BlameFindings } from "./input.ts";
import { shortened } from "./words.ts";

const MOST_ROWS = 40;
const MOST_LINES = 30;

/** Which change broke it: the verdict, the picture, BIOS by outcome, and what speaks for and against each suspect. */
export function blameSection(
  blame: BlameFindings | undefined,
  timeLine: TimeLine | undefined,
): Section | undefined {
  const blocks: Block[] = [];
  if (blame !== undefined) {
    // The headline is the report's answer and stands at its beginning.
    if (blame.certainty !== "") blocks.push({ kind: "text", text: blame.certainty });
  }
  if (timeLine !== undefined && timeLine.runs.length > 0) blocks.push({ kind: "time-line", timeLine });
  const [columns, ...rows] = blame?.biosTable ?? [];
  if (columns !== undefined) {
    blocks.push({
      kind: "table",
      caption: "Starts by BIOS version",
      columns,
      rows: rows
        .slice(-MOST_ROWS)
        .map((row) => row.map((text, column) => toCell(columns[column] ?? "", text))),
      folded: false,
    });
  }
  for (const { title, lines } of blame?.sections ?? []) {
    blocks.push(
      { kind: "heading", text: title },
      { kind: "list", ordered: false, items: shortened(lines, MOST_LINES) },
    );
  }
  return blocks.length === 0 ? undefined : { id: "blame", title: "Which change broke it", blocks };
}

function toCell(column: string, text: string): Cell {
  if (column === "BIOS") return { text, code: true };
  if (text === "0" || text === "-") return { text };
  if (column === "worked") return { text, tone: "good" };
  if (column === "failed") return { text, tone: "bad" };
  return column === "refused" ? { text, tone: "warning" } : { text };
}
