import stringWidth from "string-width";

/** So little room for the last column is none: it goes below its row. */
const LEAST_ROOM = 30;
/** Where a row does not fit, what goes on below it begins so. */
const INDENT = "    ";

/** How many columns of a terminal a text takes: a Chinese character takes two, an accent by itself none. */
export function textWidth(text: string): number {
  return stringWidth(text);
}

/** The text in so many columns, with `…` for what does not fit. Takes plain text, without colours. */
export function shortened(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  return `${cutAt(text, columns - 1)[0].trimEnd()}…`;
}

/**
 * Lines up rows in columns, two spaces apart; the last column is not padded. Where a row would be wider than `width`
 * its last cell is broken at spaces, within its column or below the row; where its first cells alone are too wide, all
 * of the table's cells flow, and with `header` each says the name of its column.
 */
export function table(
  rows: readonly (readonly string[])[],
  width = Number.POSITIVE_INFINITY,
  { header = false }: { readonly header?: boolean } = {},
): string {
  const clean = rows.map((row) => row.map(withoutTabs));
  const widths: number[] = [];
  for (const row of clean) {
    for (const [column, cell] of row.entries())
      widths[column] = Math.max(widths[column] ?? 0, textWidth(cell));
  }
  const longest = Math.max(0, ...clean.map(({ length }) => length));
  const head = widths.slice(0, longest - 1).reduce((sum, one) => sum + one + 2, 0);
  if (head > width) return flowing(clean, width, header);
  return clean
    .map((row) => {
      const first = row
        .slice(0, -1)
        .map((cell, column) => `${cell}${" ".repeat((widths[column] ?? 0) - textWidth(cell) + 2)}`)
        .join("");
      const last = row.at(-1) ?? "";
      const start = textWidth(first);
      if (start + textWidth(last) <= width) return (first + last).trimEnd();
      if (width - start < LEAST_ROOM) return `${first.trimEnd()}\n${wrap(INDENT + last, width, INDENT)}`;
      return first + wrap(last, width - start).replaceAll("\n", `\n${" ".repeat(start)}`);
    })
    .join("\n");
}

/** Each row as its cells one after the other, going on below it where the terminal ends. */
function flowing(rows: readonly (readonly string[])[], width: number, header: boolean): string {
  const [names = [], ...body] = header ? rows : [[], ...rows];
  return body
    .map((row) => {
      const lines: string[] = [];
      let line = "";
      for (const [column, cell] of row.entries()) {
        if (cell === "") continue;
        const name = names[column] ?? "";
        const said = name === "" ? cell : `${name} ${cell}`;
        if (line !== "" && textWidth(line) + 2 + textWidth(said) > width) {
          lines.push(line);
          line = INDENT + said;
        } else line = line === "" ? said : `${line}  ${said}`;
      }
      return [...lines, line].map((one) => wrap(one, width, INDENT)).join("\n");
    })
    .join("\n");
}

/**
 * Breaks text at spaces so that no line is wider than `columns`; continuation lines begin with `indent`. A word that
 * has no room in any line is broken where it has to be.
 */
export function wrap(text: string, columns: number, indent = ""): string {
  const lines: string[] = [];
  const plain = withoutTabs(text);
  const [leading = ""] = /^ */.exec(plain) ?? [];
  const indentWidth = textWidth(indent);
  let line = leading;
  let width = leading.length;
  let isEmpty = true;
  const begin = () => {
    line = indent;
    width = indentWidth;
    isEmpty = true;
  };
  for (let word of plain.slice(leading.length).split(" ")) {
    let wordWidth = textWidth(word);
    if (!isEmpty && width + 1 + wordWidth > columns) {
      lines.push(line);
      begin();
    }
    while (isEmpty && width + wordWidth > columns) {
      const [fits, rest] = cutAt(word, columns - width);
      if (fits === "" || rest === "") break;
      lines.push(line + fits);
      begin();
      word = rest;
      wordWidth = textWidth(word);
    }
    line = isEmpty ? line + word : `${line} ${word}`;
    width += wordWidth + (isEmpty ? 0 : 1);
    isEmpty = false;
  }
  return [...lines, line].join("\n");
}

/** The characters that fit into so many columns, and the rest; a colour takes no room. */
function cutAt(text: string, columns: number): readonly [string, string] {
  let width = 0;
  let end = 0;
  for (const [part = "", colour] of text.matchAll(/(\u001b\[\d+m)|[\u0020-\u007e]|\P{M}\p{M}*|\p{M}+/gsu)) {
    width += colour === undefined ? textWidth(part) : 0;
    if (width > columns) break;
    end += part.length;
  }
  return [text.slice(0, end), text.slice(end)];
}

/** Where a tab ends depends on what stands before it. */
function withoutTabs(text: string): string {
  return text.replaceAll("\t", "    ");
}
