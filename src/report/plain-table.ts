import { table, wrap } from "../text-columns.ts";
import type { TableBlock } from "./document.ts";
import { visible } from "./escape.ts";

/** A column this wide makes lines that no forum shows without a scroll bar. */
const WIDEST = 48;

/** A table of characters, for where there is no better one; cells that are too wide go on in the next line. */
export function plainTable({ columns, rows }: Pick<TableBlock, "columns" | "rows">): string {
  const names = columns.map(visible);
  const header = [names, names.map((name) => "-".repeat(name.length))];
  const body = rows.flatMap((row) => {
    const cells = row.map(({ text, items = [] }) => [
      ...(text === "" && items.length > 0 ? [] : wrapped(visible(text))),
      ...items.flatMap((item) => wrapped(`- ${visible(item)}`, "  ")),
    ]);
    const height = Math.max(1, ...cells.map((lines) => lines.length));
    return Array.from({ length: height }, (_unused, line) => cells.map((lines) => lines[line] ?? ""));
  });
  return table([...header, ...body])
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

function wrapped(text: string, indent = ""): readonly string[] {
  return wrap(text, WIDEST, indent).split("\n");
}
