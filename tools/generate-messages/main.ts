import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { formatsInC, textConstantsOf } from "./c-source.ts";
import { collect } from "./collection.ts";
import { formatsInPerl, formatsInRust } from "./other-source.ts";
import type { PrintedFormat } from "./printed-format.ts";
import { PROGRAMS, type Program } from "./programs.ts";

/*
 * Makes config/messages/messages.txt.gz: what the programs around a passed-through device can print, out of their source
 * trees. `node tools/generate-messages/main.ts DIRECTORY [--output FILE]`, where DIRECTORY holds unpacked source trees,
 * one a directory; which program each is, and which version, it finds out itself and says.
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
writeFileSync(output, gzipSync(collection.text(), { level: 9 }));
for (const line of collection.summary()) process.stdout.write(`${line}\n`);

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
    formats:
      program.language === "perl"
        ? formatsInPerl(source)
        : program.language === "rust"
          ? formatsInRust(source)
          : formatsInC(source, program.printerOf, new Map([...constants, ...textConstantsOf(source)])),
  }));
}
