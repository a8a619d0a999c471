import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";
import { formatsInC, type TextConstants, textConstantsOf } from "./c-source.ts";
import { collect } from "./collection.ts";
import { formatsInGo, formatsInPerl, formatsInRust } from "./other-source.ts";
import type { PrintedFormat } from "./printed-format.ts";
import { PROGRAMS, type Program } from "./programs.ts";

/*
 * Makes config/messages/messages.txt.gz: what the programs around a passed-through device can print, out of their source
 * trees. `node tools/generate-messages/main.ts DIRECTORY [--output FILE]`, where DIRECTORY holds unpacked source trees,
 * one a directory; which program each is, and which version, it finds out itself and says. Of programs of which there is
 * no tree stays what the file holds.
 */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { output: { type: "string" } },
});
const [directory] = positionals;
if (directory === undefined) {
  process.stderr.write("Name the directory that holds the source trees.\n");
  process.exit(1);
}
const output = values.output ?? join(import.meta.dirname, "../../config/messages/messages.txt.gz");
const collection = collect();
for (const { program, version, tree } of treesIn(directory)) {
  for (const { path, formats } of formatsOf(program, tree))
    for (const format of formats) collection.add(program.name, version, path, format);
}
const before = existsSync(output) ? gunzipSync(readFileSync(output)).toString("utf8") : "";
writeFileSync(output, gzipSync(withKept(collection.text(), before), { level: 9 }));
for (const line of collection.summary()) process.stdout.write(`${line}\n`);

/** The programs' parts of a new text, and of an old one those of other programs, in the programs' order. */
function withKept(text: string, old: string): string {
  const parts = new Map([...partsOf(old), ...partsOf(text)]);
  return PROGRAMS.flatMap(({ name }) => parts.get(name) ?? []).join("");
}

function partsOf(text: string): readonly (readonly [string, string])[] {
  return text.split(/^(?== )/m).map((part) => [/^= (\S+)/.exec(part)?.[1] ?? "", part]);
}

interface Tree {
  readonly program: Program;
  readonly version: string;
  readonly tree: string;
}

/** The trees of known programs, in the programs' order, the newest version of each last. */
function treesIn(parent: string): readonly Tree[] {
  const trees = readdirSync(parent, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const known = trees.flatMap(({ name }): readonly Tree[] => {
    const tree = join(parent, name);
    for (const program of PROGRAMS) {
      const version = program.versionOf(tree);
      if (version !== undefined) return [{ program, version, tree }];
    }
    process.stderr.write(`${tree}: no program that is known here; nothing taken\n`);
    return [];
  });
  const byNumber = new Intl.Collator("en", { numeric: true });
  return known.sort(
    (a, b) =>
      PROGRAMS.indexOf(a.program) - PROGRAMS.indexOf(b.program) || byNumber.compare(a.version, b.version),
  );
}

/** Where the texts are defined that several files print. */
function headersOf(tree: string): readonly string[] {
  return readdirSync(tree, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".h"))
    .sort()
    .map((path) => readFileSync(join(tree, path), "utf8"));
}

function formatsOf(
  program: Program,
  tree: string,
): readonly { readonly path: string; readonly formats: readonly PrintedFormat[] }[] {
  const paths = readdirSync(tree, { recursive: true, encoding: "utf8" })
    .filter((path) => program.files.test(path) && program.without?.test(path) !== true)
    .sort();
  const sources = paths.flatMap((path) => {
    try {
      return [{ path, source: readFileSync(join(tree, path), "utf8") }];
    } catch {
      // A directory that is named like a source.
      return [];
    }
  });
  const constants =
    program.language === "c"
      ? new Map(headersOf(tree).flatMap((source) => [...textConstantsOf(source)]))
      : new Map();
  return sources.map(({ path, source }) => ({
    path,
    formats: formatsIn(program, source, constants),
  }));
}

function formatsIn(
  { language, printerOf }: Program,
  source: string,
  constants: TextConstants,
): readonly PrintedFormat[] {
  switch (language) {
    case "perl":
      return formatsInPerl(source);
    case "rust":
      return formatsInRust(source);
    case "go":
      return formatsInGo(source);
    default:
      return formatsInC(source, printerOf, new Map([...constants, ...textConstantsOf(source)]));
  }
}
