import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ClassAdvice, Signature, SignatureClass } from "../model/catalogue.ts";
import { type OrderedSignature, readCatalogueFile } from "./catalogue-file.ts";

/** All known messages, in match order: what is specific stands before what is general. */
export interface Catalogue {
  readonly signatures: readonly Signature[];
  readonly advice: ReadonlyMap<SignatureClass, ClassAdvice>;
}

/** Why something of the catalogue was not taken; the rest of it works all the same. */
export interface CatalogueProblem {
  readonly file: string;
  /** 1-based; absent where the whole file is meant. */
  readonly line?: number;
  readonly reason: string;
}

export interface CatalogueDirectories {
  /** The catalogue that comes with the program (`config/signatures`). */
  readonly shippedDirectory: string;
  /** The user's own files; need not exist. */
  readonly userDirectory?: string;
}

const LARGEST_FILE = 1_000_000;
const MOST_FILES = 200;
const MOST_SIGNATURES = 2_000;
/** Of one file; more are only counted. */
const MOST_PROBLEMS = 20;

/**
 * Loads the shipped catalogue and then the user's `*.json` files beside it. A file that is not JSON is left
 * out whole, a bad signature alone; each is named in `problems` with file, line and reason. Never throws.
 */
export function loadCatalogue(directories: CatalogueDirectories): {
  readonly catalogue: Catalogue;
  readonly problems: readonly CatalogueProblem[];
} {
  const problems: CatalogueProblem[] = [];
  const all: OrderedSignature[] = [];
  const fileOfId = new Map<string, string>();
  const advice = new Map<SignatureClass, ClassAdvice>();

  const add = (directory: string, required: boolean) => {
    for (const file of catalogueFiles(directory, required, problems)) {
      const text = readBounded(file, problems);
      if (text === undefined) continue;
      const content = readCatalogueFile(text);
      problems.push(...content.problems.map((problem) => ({ file, ...problem })));
      // The shipped files come first, and an owner's file says what holds for its own signatures only.
      if (content.class !== undefined && !advice.has(content.class))
        advice.set(content.class, content.advice);
      for (const candidate of content.signatures) {
        const { id } = candidate.signature;
        const taken = fileOfId.get(id);
        const fault =
          taken !== undefined
            ? `the id "${id}" is taken already, in ${taken}`
            : all.length >= MOST_SIGNATURES
              ? `more than ${MOST_SIGNATURES} signatures`
              : undefined;
        if (fault !== undefined) {
          problems.push({ file, line: candidate.line, reason: fault });
          continue;
        }
        fileOfId.set(id, file);
        all.push(candidate);
      }
    }
  };

  add(directories.shippedDirectory, true);
  if (directories.userDirectory !== undefined) add(directories.userDirectory, false);
  // Stable: of equal order, what was read first comes first.
  const signatures = all.sort((a, b) => a.order - b.order).map(({ signature }) => signature);
  return { catalogue: { signatures, advice }, problems: firstOfEachFile(problems) };
}

/** A file with the same mistake in a thousand places is one thing to put right; the rest is counted. */
function firstOfEachFile(problems: readonly CatalogueProblem[]): readonly CatalogueProblem[] {
  const counts = new Map<string, number>();
  for (const { file } of problems) counts.set(file, (counts.get(file) ?? 0) + 1);
  const shown = new Map<string, number>();
  return problems.flatMap((problem) => {
    const number = (shown.get(problem.file) ?? 0) + 1;
    shown.set(problem.file, number);
    if (number < MOST_PROBLEMS) return [problem];
    const more = (counts.get(problem.file) ?? 0) - MOST_PROBLEMS + 1;
    if (number > MOST_PROBLEMS) return [];
    return more === 1
      ? [problem]
      : [{ file: problem.file, reason: `${more} more of its signatures are refused` }];
  });
}

function catalogueFiles(
  directory: string,
  required: boolean,
  problems: CatalogueProblem[],
): readonly string[] {
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith(".json"));
  } catch (error) {
    if (required || codeOf(error) !== "ENOENT") {
      problems.push({ file: directory, reason: `the directory cannot be read: ${codeOf(error)}` });
    }
    return [];
  }
  // By code unit: the order must not depend on the locale.
  const files = names.sort().map((name) => join(directory, name));
  for (const file of files.slice(MOST_FILES)) {
    problems.push({ file, reason: `not read: only the first ${MOST_FILES} files of a directory are` });
  }
  return files.slice(0, MOST_FILES);
}

function readBounded(file: string, problems: CatalogueProblem[]): string | undefined {
  try {
    // A FIFO or a device in the directory would block or never end.
    const { size } = statSync(file);
    if (!statSync(file).isFile()) problems.push({ file, reason: "not an ordinary file" });
    else if (size > LARGEST_FILE) problems.push({ file, reason: `larger than ${LARGEST_FILE} bytes` });
    else return readFileSync(file, "utf8");
  } catch (error) {
    problems.push({ file, reason: `cannot be read: ${codeOf(error)}` });
  }
  return undefined;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
