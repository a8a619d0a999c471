import { wrap } from "../text-columns.ts";
import type { Block, FactRow, ReportContent } from "./document.ts";
import { visible } from "./escape.ts";
import { factText, hostsText, spokenText, timeLineText } from "./plain-parts.ts";
import { plainTable } from "./plain-table.ts";
import { timeOf } from "./words.ts";

/** The report as plain text, e.g. for a mail; lines of logs and tables are as wide as they are. */
export function renderText(content: ReportContent, columns: number): string {
  const heading = visible(content.title);
  const lines = [
    heading,
    "=".repeat(Math.min(columns, heading.length)),
    "",
    ...content.answer.map((sentence) => wrap(visible(sentence), columns)),
    "",
    factLines(content.glance, columns),
  ];
  for (const { title, blocks } of content.sections) {
    lines.push("", visible(title), "-".repeat(Math.min(columns, visible(title).length)));
    for (const [index, block] of blocks.entries()) {
      if (index > 0) lines.push("");
      lines.push(renderBlock(block, columns));
    }
  }
  lines.push(
    "",
    ...content.notes.map((note) => wrap(visible(note), columns)),
    `Made by ${visible(content.madeBy)}, ${timeOf(content.madeAt)}.`,
  );
  return `${lines.join("\n")}\n`;
}

function renderBlock(block: Block, columns: number): string {
  switch (block.kind) {
    case "text":
      return wrap(visible(block.text), columns);
    case "heading":
      return wrap(`${visible(block.text)}:`, columns);
    case "facts":
      return factLines(block.rows, columns);
    case "list":
      return block.items
        .map((item, index) =>
          wrap(`${block.ordered ? `${index + 1}.` : "-"} ${visible(item)}`, columns, "   "),
        )
        .join("\n");
    case "table":
      return [...(block.caption === "" ? [] : [`${visible(block.caption)}:`, ""]), plainTable(block)].join(
        "\n",
      );
    case "lines":
      return spokenText(block.lines).join("\n");
    case "changes":
      return block.changes.map(({ sentence }) => wrap(`- ${visible(sentence)}`, columns, "  ")).join("\n");
    case "time-line":
      return wrap(visible(timeLineText(block.timeLine)), columns, "  ");
    case "hosts":
      return wrap(visible(hostsText(block.picture)), columns, "  ");
  }
}

function factLines(rows: readonly FactRow[], columns: number): string {
  const width = Math.min(32, Math.max(0, ...rows.map(({ label }) => visible(label).length)));
  return rows
    .map((row) =>
      wrap(
        `${`${visible(row.label)}:`.padEnd(width + 1)} ${visible(factText(row))}`,
        columns,
        " ".repeat(width + 2),
      ),
    )
    .join("\n");
}
