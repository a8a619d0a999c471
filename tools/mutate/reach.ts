import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Copy, runTest } from "./test-run.ts";

/** What one file of tests did when there was no fault. */
export interface Measured {
  /** Of the test's own text. */
  readonly sum: string;
  readonly passed: boolean;
  readonly milliseconds: number;
  /** For each source that it loaded: its text's sum, and from where to where it was executed, flat. */
  readonly executed: Readonly<Record<string, { readonly sum: string; readonly spans: readonly number[] }>>;
}

/** What is known of the tests; it is kept from run to run. */
export type KnownTests = Record<string, Measured>;

/** A test that takes longer than this without any fault is not used (ms). */
const LONGEST_TEST_MS = 300_000;

export function sumOf(text: string): string {
  return createHash("sha1").update(text).digest("base64").slice(0, 12);
}

export function readKnownTests(path: string): KnownTests {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as KnownTests) : {};
}

export function keepKnownTests(path: string, known: KnownTests): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(known));
}

/** Runs one test without a fault, and sees what of `sources` (paths in the project) it and its children execute. */
export async function measureTest(copy: Copy, test: string, sources: ReadonlySet<string>): Promise<Measured> {
  const sum = sumOf(readFileSync(join(copy.path, test), "utf8"));
  const coverage = join(copy.temporary, "coverage");
  const begun = performance.now();
  const end = await runTest(copy, test, LONGEST_TEST_MS, coverage);
  const milliseconds = Math.round(performance.now() - begun);
  const painted = new Map<string, Uint8Array>();
  for (const name of existsSync(coverage) ? readdirSync(coverage) : [])
    paint(join(coverage, name), copy.path, sources, painted);
  rmSync(coverage, { recursive: true, force: true });
  const executed = Object.fromEntries(
    [...painted].map(([file, marks]) => [
      file,
      { sum: sumOf(readFileSync(join(copy.path, file), "utf8")), spans: spansOf(marks) },
    ]),
  );
  return { sum, passed: end === "passed", milliseconds, executed };
}

/**
 * Whether this test executes what stands at this place. Where the source is another since the test was measured, it
 * does where it loads the file.
 */
export function executes(measured: Measured, file: string, source: string, at: number): boolean {
  const of = measured.executed[file];
  if (of === undefined || of.sum !== sumOf(source)) return of !== undefined;
  // The spans' ends, in order: before an odd number of them a place is inside of one.
  return of.spans.filter((end) => end <= at).length % 2 === 1;
}

interface V8Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly ranges: readonly { startOffset: number; endOffset: number; count: number }[];
    }[];
  }[];
}

/** One process's ranges are nested, the innermost counts; what any process executed was executed. */
function paint(
  path: string,
  project: string,
  sources: ReadonlySet<string>,
  painted: Map<string, Uint8Array>,
): void {
  const root = pathToFileURL(`${project}/`).href;
  let coverage: V8Coverage;
  try {
    coverage = JSON.parse(readFileSync(path, "utf8")) as V8Coverage;
  } catch {
    // A process that was killed while it wrote.
    return;
  }
  for (const { url, functions } of coverage.result) {
    const file = url.startsWith(root) ? url.slice(root.length) : "";
    if (!sources.has(file)) continue;
    const ranges = functions
      .flatMap((one) => one.ranges)
      .sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
    const own = new Uint8Array(ranges[0]?.endOffset ?? 0);
    for (const { startOffset, endOffset, count } of ranges)
      own.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    const before = painted.get(file);
    if (before === undefined) painted.set(file, own);
    else
      own.forEach((mark, at) => {
        if (mark === 1) before[at] = 1;
      });
  }
}

function spansOf(marks: Uint8Array): readonly number[] {
  const spans: number[] = [];
  for (let at = 0; at <= marks.length; at++)
    if ((marks[at] ?? 0) !== (at === 0 ? 0 : (marks[at - 1] ?? 0))) spans.push(at);
  return spans;
}
