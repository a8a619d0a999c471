/**
 * Puts small faults into the code, one at a time, and prints how many of them the tests notice. The same seed gives the
 * same faults: of each file a kind of fault first, then a place for it, by chance.
 *
 *   node tools/mutate.ts [--rooms attempts,store/boots.ts] [--files 20] [--per-file 1] [--seed 1]
 *                        [--at LINE[,LINE]] [--workers 2] [--budget 240]
 *
 * With `--files` so many files of each room are taken by chance, otherwise all.
 *
 * Each fault is tried in a copy of the project with the tests that execute its place, those of its own room first and
 * the quick ones of them, until one fails. Which places a test executes V8 tells when it is first run without a fault;
 * that is kept in `node_modules/.cache` for as long as the test's own text is the same. A failure counts when the test
 * passes without the fault and fails with it twice. `--budget` is how many seconds one fault may cost; where tests are
 * left untried by then it counts as not noticed, and is told apart. So is a fault with which a test does not come back
 * though it does without: whoever runs the tests notices that, and it counts. With `--at` every fault of these lines is
 * tried.
 */
import { existsSync, globSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { keepStripped } from "./keep-stripped.ts";
import { isCode, type Mutation, mutationsOf, withMutation } from "./mutate/mutations.ts";
import { executes, keepKnownTests, measureTest, readKnownTests, sumOf } from "./mutate/reach.ts";
import { type Copy, copyProject, runTest } from "./mutate/test-run.ts";

const project = join(import.meta.dirname, "..");
const { values: options } = parseArgs({
  options: {
    rooms: { type: "string", default: "attempts,history,store,pipeline,sources" },
    files: { type: "string" },
    "per-file": { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
    at: { type: "string" },
    workers: { type: "string", default: "2" },
    budget: { type: "string", default: "240" },
  },
});

interface Fault {
  readonly room: string;
  readonly file: string;
  readonly source: string;
  readonly line: number;
  readonly mutation: Mutation;
}

const VERDICTS = ["noticed", "hung", "survived", "undecided", "untested"] as const;
type Verdict = (typeof VERDICTS)[number];

const KEPT = join(project, "node_modules/.cache/mutate.json");
const EVERY_TEST = "test/**/*.test.ts";
/** A test has come to a halt when it takes so much longer than without a fault; the machine may be busy (ms). */
const HUNG = { times: 4, more: 30_000 };

const random = createRandom(Number(options.seed));
const lines = options.at?.split(",").map(Number);
const faults = options.rooms
  .split(",")
  .flatMap((room) => someOf(sourcesOf(room)).flatMap((file) => chosen(room, file)));
const sources = new Set(globSync("src/**/*.ts", { cwd: project }));
const tests = globSync(EVERY_TEST, { cwd: project }).sort();
const sums = new Map(tests.map((test) => [test, sumOf(textOf(test))]));
const reached = testsThatReach();
const known = readKnownTests(KEPT);
/** Tests that were seen to pass without a fault in this run: what an earlier run knew may hold no longer. */
const sound = new Map<string, boolean>();
const unsteady = new Set<string>();
const verdicts: { readonly fault: Fault; readonly verdict: Verdict }[] = [];

keepStripped();
const copies = Array.from({ length: Number(options.workers) }, () => copyProject(project));
try {
  await shared(faults, async (copy, fault) => {
    const path = join(copy.path, fault.file);
    writeFileSync(path, withMutation(fault.source, fault.mutation));
    const verdict = await tried(copy, fault, () => writeFileSync(path, fault.source));
    writeFileSync(path, fault.source);
    verdicts.push({ fault, verdict });
    process.stderr.write(verdict === "noticed" ? "." : `\n${worded(fault, verdict)}\n`);
  });
} finally {
  for (const copy of copies) copy.remove();
}
report();

/** The workers share the work, each in its own copy. */
async function shared<T>(work: readonly T[], one: (copy: Copy, item: T) => Promise<void>): Promise<void> {
  const queue = [...work];
  await Promise.all(
    copies.map(async (copy) => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await one(copy, item);
    }),
  );
}

async function tried(copy: Copy, fault: Fault, takeOut: () => void): Promise<Verdict> {
  const end = Date.now() + Number(options.budget) * 1000;
  const putIn = () => writeFileSync(join(copy.path, fault.file), withMutation(fault.source, fault.mutation));
  let isReached = false;
  for (const test of testsFor(fault)) {
    if (Date.now() > end) return "undecided";
    if (!isMeasured(test)) {
      takeOut();
      known[test] = await measureTest(copy, test, sources);
      sound.set(test, known[test].passed);
      keepKnownTests(KEPT, known);
      putIn();
    }
    if (!mayNotice(test, fault)) continue;
    isReached = true;
    const first = await run(copy, test);
    if (first === "passed") continue;
    takeOut();
    if (sound.get(test) !== true || first === "hung") sound.set(test, (await run(copy, test)) === "passed");
    putIn();
    if (sound.get(test) !== true) continue;
    if (first === "hung") return "hung";
    if ((await run(copy, test)) !== "passed") return "noticed";
    unsteady.add(test);
  }
  return isReached ? "survived" : "untested";
}

function run(copy: Copy, test: string) {
  return runTest(copy, test, HUNG.times * (known[test]?.milliseconds ?? 0) + HUNG.more);
}

function isMeasured(test: string): boolean {
  return known[test]?.sum === sums.get(test);
}

function mayNotice(test: string, { file, source, mutation }: Fault): boolean {
  const measured = known[test];
  return (
    measured?.passed === true && sound.get(test) !== false && executes(measured, file, source, mutation.at)
  );
}

/** Those of the fault's own room first, then those that are known to execute it, and of all these the quick ones. */
function testsFor(fault: Fault): readonly string[] {
  const rank = (test: string) =>
    test.split("/")[1] === fault.room.split("/")[0] ? 0 : isMeasured(test) ? 1 : 2;
  const cost = (test: string) => known[test]?.milliseconds ?? 0;
  return [...(reached.get(fault.file) ?? [])]
    .filter((test) => !isMeasured(test) || mayNotice(test, fault))
    .sort((a, b) => rank(a) - rank(b) || cost(a) - cost(b));
}

/** For each source the tests that name it or what names it, however far away: as an import, or as a program. */
function testsThatReach(): ReadonlyMap<string, ReadonlySet<string>> {
  const named = new Map(
    globSync(["src/**/*.ts", "test/**/*.ts", "tools/**/*.ts"], { cwd: project }).map((file) => [
      file,
      [...textOf(file).matchAll(/"(\.[^"\n]+\.ts)"/g)].map(([, path = ""]) =>
        relative(project, resolve(project, dirname(file), path)),
      ),
    ]),
  );
  const reaching = new Map<string, Set<string>>();
  for (const test of tests) {
    const files = new Set([test]);
    for (const file of files) {
      for (const next of named.get(file) ?? []) files.add(next);
      reaching.set(file, (reaching.get(file) ?? new Set()).add(test));
    }
  }
  return reaching;
}

function chosen(room: string, file: string): readonly Fault[] {
  const source = textOf(file);
  const all = mutationsOf(source).map((mutation) => ({
    room,
    file,
    source,
    line: source.slice(0, mutation.at).split("\n").length,
    mutation,
  }));
  const valid = (fault: Fault) => isCode(withMutation(source, fault.mutation));
  if (lines !== undefined) return all.filter((fault) => lines.includes(fault.line) && valid(fault));
  const picked: Fault[] = [];
  for (let left = all; picked.length < Number(options["per-file"]) && left.length > 0; ) {
    const kinds = [...new Set(left.map(({ mutation }) => mutation.kind))];
    const kind = kinds[Math.floor(random() * kinds.length)];
    const ofKind = left.filter(({ mutation }) => mutation.kind === kind);
    const fault = ofKind[Math.floor(random() * ofKind.length)];
    left = left.filter((other) => other !== fault);
    if (fault !== undefined && valid(fault)) picked.push(fault);
  }
  return picked;
}

function someOf(files: readonly string[]): readonly string[] {
  const most = Number(options.files ?? files.length);
  return files
    .map((file) => ({ file, rank: options.files === undefined ? 0 : random() }))
    .sort((a, b) => a.rank - b.rank)
    .slice(0, most)
    .map(({ file }) => file);
}

/** A room is a directory of `src` or a file of that name or both. */
function sourcesOf(room: string): readonly string[] {
  const path = `src/${room}`;
  const files = [path, `${path}.ts`].filter((name) => isFile(join(project, name)));
  return [...files, ...globSync(`${path}/**/*.ts`, { cwd: project }).sort()];
}

function report(): void {
  const rows = Map.groupBy(verdicts, ({ fault }) => fault.room.split("/")[0] ?? "");
  const counted = (of: typeof verdicts) => {
    const count = Object.fromEntries(
      VERDICTS.map((verdict) => [verdict, of.filter((one) => one.verdict === verdict).length]),
    ) as Record<Verdict, number>;
    const share = ((100 * (count.noticed + count.hung)) / Math.max(1, of.length)).toFixed(1);
    return (
      `${count.noticed + count.hung} of ${of.length} faults noticed (${share} %)` +
      `, ${count.hung} of them by a test that did not come back; ${count.survived} not, ` +
      `${count.undecided} not with tests left untried, ${count.untested} where no test comes`
    );
  };
  for (const { fault, verdict } of verdicts) if (verdict !== "noticed") console.log(worded(fault, verdict));
  const broken = tests.filter((test) => known[test]?.passed === false || sound.get(test) === false);
  if (broken.length > 0) console.log(`not used, as they fail without any fault: ${broken.join(", ")}`);
  if (unsteady.size > 0) console.log(`failed once and then not: ${[...unsteady].join(", ")}`);
  const [first, ...more] = rows;
  if (first !== undefined && more.length > 0)
    for (const [room, of] of rows) console.log(`${room}: ${counted(of)}`);
  console.log(`seed ${options.seed}: ${counted(verdicts)}`);
}

function worded({ file, line, mutation }: Fault, verdict: Verdict): string {
  const short = (text: string) => JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
  return `${verdict}: ${file}:${line} ${mutation.kind}: ${short(mutation.from)} -> ${short(mutation.to)}`;
}

function textOf(path: string): string {
  return readFileSync(join(project, path), "utf8");
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

/** mulberry32: small, seeded, good enough to choose places. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
