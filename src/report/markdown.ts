import type { Block, Cell, ReportContent } from "./document.ts";
import { codeMarkdown, escapeMarkdown, fencedMarkdown } from "./escape.ts";
import { factText, hostsText, spokenText, timeLineText } from "./plain-parts.ts";
import { timeOf } from "./words.ts";

/** The report as Markdown: for GitHub, Discourse, Reddit and anything else that shows CommonMark with tables. */
export function renderMarkdown(content: ReportContent): string {
  const lines = [
    `# ${escapeMarkdown(content.title)}`,
    "",
    ...content.answer.flatMap((sentence) => [`**${escapeMarkdown(sentence)}**`, ""]),
    ...content.glance.map((row) => `- ${escapeMarkdown(row.label)}: ${valueText(row)}`),
  ];
  for (const section of content.sections) {
    lines.push("", `## ${escapeMarkdown(section.title)}`);
    for (const block of section.blocks) lines.push("", renderBlock(block));
  }
  lines.push(
    "",
    "---",
    "",
    ...content.notes.flatMap((note) => [escapeMarkdown(note), ""]),
    `Made by ${escapeMarkdown(content.madeBy)}, ${timeOf(content.madeAt)}.`,
  );
  return `${lines.join("\n")}\n`;
}

function renderBlock(block: Block): string {
  switch (block.kind) {
    case "text":
      return escapeMarkdown(block.text);
    case "heading":
      return `### ${escapeMarkdown(block.text)}`;
    case "facts":
      return block.rows.map((row) => `- ${escapeMarkdown(row.label)}: ${valueText(row)}`).join("\n");
    case "list":
      return block.items
        .map((item, index) => `${block.ordered ? `${index + 1}.` : "-"} ${escapeMarkdown(item)}`)
        .join("\n");
    case "table":
      return [
        ...(block.caption === "" ? [] : [`${escapeMarkdown(block.caption)}:`, ""]),
        tableRow(block.columns.map((column) => escapeMarkdown(column))),
        tableRow(block.columns.map(() => "---")),
        ...block.rows.map((row) => tableRow(row.map(cellText))),
      ].join("\n");
    case "lines":
      return fencedMarkdown(spokenText(block.lines));
    case "changes":
      return block.changes.map(({ sentence }) => `- ${escapeMarkdown(sentence)}`).join("\n");
    case "time-line":
      return escapeMarkdown(timeLineText(block.timeLine));
    case "hosts":
      return escapeMarkdown(hostsText(block.picture));
  }
}

function valueText(row: Parameters<typeof factText>[0]): string {
  return row.code === true ? codeMarkdown(row.value, false) : escapeMarkdown(factText(row));
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function cellText({ text, tone, code, items = [] }: Cell): string {
  if (items.length > 0) return [...(text === "" ? [] : [text]), ...items].map(escapeMarkdown).join("<br>");
  const shown = code === true ? codeMarkdown(text, true) : escapeMarkdown(text);
  return tone === "bad" && code !== true ? `**${shown}**` : shown;
}
