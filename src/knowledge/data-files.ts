import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Why something of the files with data was not taken; the rest of it works all the same. */
export interface DataFileProblem {
  readonly file: string;
  /** 1-based; absent where the whole file is meant. */
  readonly line?: number;
  readonly reason: string;
}

const LARGEST_FILE = 1_000_000;
const MOST_FILES = 200;

/** The `*.json` files of a directory in order; one that is not `required` may not be there. */
export function listDataFiles(
  directory: string,
  required: boolean,
  problems: DataFileProblem[],
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

/** The text of a file; undefined, and a problem, where it cannot be one. */
export function readDataFile(file: string, problems: DataFileProblem[]): string | undefined {
  try {
    // A FIFO or a device in the directory would block or never end.
    const status = statSync(file);
    if (!status.isFile()) problems.push({ file, reason: "not an ordinary file" });
    else if (status.size > LARGEST_FILE) problems.push({ file, reason: `larger than ${LARGEST_FILE} bytes` });
    else return readFileSync(file, "utf8");
  } catch (error) {
    problems.push({ file, reason: `cannot be read: ${codeOf(error)}` });
  }
  return undefined;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
