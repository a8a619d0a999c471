import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { createPaint } from "../src/terminal-text.ts";
import { shortened, table, textWidth, wrap } from "../src/text-columns.ts";

test("what a terminal shows wide takes two columns, and what it puts on top of another letter none", () => {
  assert.equal(textWidth("视窗"), 4);
  assert.equal(textWidth("e\u0301"), 1);
  assert.equal(textWidth("🖥️👨‍👩‍👧"), 4);
  assert.equal(textWidth(createPaint(true)("red", "ab")), 2);
  const rows = [
    ["视窗 11", "x"],
    ["abc", "y"],
  ];
  assert.equal(table(rows), "视窗 11  x\nabc      y");
});

test("no line is wider than the terminal, whatever stands in it, and nothing is lost", () => {
  const words = fc.array(
    fc.oneof(fc.stringMatching(/^[a-z0-9/.]{1,90}$/), fc.stringMatching(/^[一-龥]{1,40}$/)),
    { minLength: 1, maxLength: 6 },
  );
  const paint = createPaint(true);
  fc.assert(
    fc.property(words, fc.integer({ min: 40, max: 80 }), fc.boolean(), (list, columns, colored) => {
      const text = colored ? paint("red", list.join(" ")) : list.join(" ");
      const wrapped = wrap(text, columns, "  ");
      for (const line of wrapped.split("\n")) assert.ok(textWidth(line) <= columns, line);
      assert.equal(wrapped.replace(/\s/g, ""), text.replace(/\s/g, ""));
    }),
  );
  fc.assert(
    fc.property(fc.array(words, { minLength: 1 }), fc.integer({ min: 40, max: 80 }), (rows, columns) => {
      const shown = table(rows, columns);
      for (const line of shown.split("\n")) assert.ok(textWidth(line) <= columns, line);
      const letters = (texts: readonly string[]) => texts.join("").replace(/\s/g, "");
      assert.equal(letters([shown]), letters(rows.flat()));
    }),
  );
});

test("where the first columns alone are too wide, each cell says the name of its column", () => {
  const rows = [
    ["", "id", "started", "BIOS", "end"],
    ["b1", "0000", "2026-01-21 12:02:34 +01:00", "E7E49AMSI.1A63", "clean"],
  ];
  assert.equal(
    table(rows, 40, { header: true }),
    "b1  id 0000\n    started 2026-01-21 12:02:34 +01:00\n    BIOS E7E49AMSI.1A63  end clean",
  );
  assert.equal(table(rows, 100, { header: true }).split("\n").length, 2);
});

test("a text that is cut says so, and never in the middle of a letter", () => {
  assert.equal(shortened("abcdef", 6), "abcdef");
  assert.equal(shortened("abcdefg", 6), "abcde…");
  assert.equal(shortened("视窗视窗", 6), "视窗…");
  assert.equal(shortened("ae\u0301bcd", 4), "ae\u0301b…");
});

test("the service never loads what counts columns: it would bring ICU's tables of letters into its memory", () => {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const statements = readFileSync(file, "utf8").matchAll(
      /^(?:import|export) (?!type )[^;]*? from "(\.[^"]+)";/gms,
    );
    for (const [, path = ""] of statements) visit(resolve(dirname(file), path));
  };
  for (const entry of ["../src/cli/main.ts", "../src/cli/commands/run.ts"])
    visit(fileURLToPath(new URL(entry, import.meta.url)));
  assert.ok(seen.size > 200, `only ${seen.size} files were followed`);
  assert.deepEqual(
    [...seen].filter((file) => file.endsWith("text-columns.ts")),
    [],
  );
});
