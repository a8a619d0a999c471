import type { Block, ReportContent } from "./document.ts";
import { codeBbcode, escapeBbcode } from "./escape.ts";
import { factText, hostsText, spokenText, timeLineText } from "./plain-parts.ts";
import { plainTable } from "./plain-table.ts";
import { timeOf } from "./words.ts";

/**
 * The report for a forum (Invision, phpBB and their kin). Only tags that all of them know: bold, lists and code; tables
 * are blocks of code, because few forums have any.
 */
export function renderBbcode(content: ReportContent): string {
  const lines = [
    `[b]${escapeBbcode(content.title)}[/b]`,
    "",
    ...content.answer.flatMap((sentence) => [escapeBbcode(sentence), ""]),
    list(content.glance.map((row) => `${row.label}: ${factText(row)}`)),
  ];
  for (const section of content.sections) {
    lines.push("", `[b]${escapeBbcode(section.title)}[/b]`);
    for (const block of section.blocks) lines.push("", renderBlock(block));
  }
  lines.push(
    "",
    ...content.notes.map(escapeBbcode),
    `Made by ${escapeBbcode(content.madeBy)}, ${timeOf(content.madeAt)}.`,
  );
  return `${lines.join("\n")}\n`;
}

function renderBlock(block: Block): string {
  switch (block.kind) {
    case "text":
      return escapeBbcode(block.text);
    case "heading":
      return `[b]${escapeBbcode(block.text)}[/b]`;
    case "facts":
      return list(block.rows.map((row) => `${row.label}: ${factText(row)}`));
    case "list":
      return list(block.items, block.ordered);
    case "table":
      return [
        ...(block.caption === "" ? [] : [`${escapeBbcode(block.caption)}:`]),
        codeBbcode(plainTable(block).split("\n")),
      ].join("\n");
    case "lines":
      return codeBbcode(spokenText(block.lines));
    case "changes":
      return list(block.changes.map(({ sentence }) => sentence));
    case "time-line":
      return escapeBbcode(timeLineText(block.timeLine));
    case "hosts":
      return escapeBbcode(hostsText(block.picture));
  }
}

function list(items: readonly string[], ordered = false): string {
  return [`[list${ordered ? "=1" : ""}]`, ...items.map((item) => `[*]${escapeBbcode(item)}`), "[/list]"].join(
    "\n",
  );
}
