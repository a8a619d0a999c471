import { type DataFileProblem, listDataFiles, readDataFile } from "../knowledge/data-files.ts";
import type { ClassAdvice, Signature, SignatureClass } from "../model/catalogue.ts";
import { type OrderedSignature, readCatalogueFile } from "./catalogue-file.ts";

/** All known messages, in match order: what is specific stands before what is general. */
export interface Catalogue {
  readonly signatures: readonly Signature[];
  readonly advice: ReadonlyMap<SignatureClass, ClassAdvice>;
}

export interface CatalogueDirectories {
  /** The catalogue that comes with the program (`config/signatures`). */
  readonly shippedDirectory: string;
  /** The user's own files; need not exist. */
  readonly userDirectory?: string;
}

const MOST_SIGNATURES = 2_000;
/** Of one file; more are only counted. */
const MOST_PROBLEMS = 20;

/**
 * Loads the shipped catalogue and then the user's `*.json` files beside it. A file that is not JSON is left
 * out whole, a bad signature alone; each is named in `problems` with file, line and reason. Never throws.
 */
export function loadCatalogue(directories: CatalogueDirectories): {
  readonly catalogue: Catalogue;
  readonly problems: readonly DataFileProblem[];
} {
  const problems: DataFileProblem[] = [];
  const all: OrderedSignature[] = [];
  const fileOfId = new Map<string, string>();
  const advice = new Map<SignatureClass, ClassAdvice>();

  const add = (directory: string, isShipped: boolean) => {
    for (const file of listDataFiles(directory, isShipped, problems)) {
      const text = readDataFile(file, problems);
      if (text === undefined) continue;
      const content = readCatalogueFile(text, isShipped);
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
function firstOfEachFile(problems: readonly DataFileProblem[]): readonly DataFileProblem[] {
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
