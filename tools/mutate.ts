/**
 * Puts small faults into the code, one at a time, and prints how many of them the tests notice. The same seed gives the
 * same faults. Each fault is tried in a copy of the project with the tests that reach the changed file, its own first;
 * the first test that fails ends it.
 *
 *   node tools/mutate.ts [--rooms attempts,history] [--per-file 1] [--seed 1] [--workers 2] [--budget 90]
 *
 * `--budget` is the number of seconds that one fault may cost; one that the tests do not come back from counts as
 * noticed, as a test run that hangs would be.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Mutation, mutationsOf, withMutation } from "./mutate/mutations.ts";

const project = join(import.meta.dirname, "..");
const { values: options } = parseArgs({
  options: {
    rooms: { type: "string", default: "attempts,history,store,pipeline,sources" },
    "per-file": { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: "2" },
    budget: { type: "string", default: "90" },
  },
});

interface Fault {
  readonly file: string;
  readonly line: number;
  readonly mutation: Mutation;
}

const random = createRandom(Number(options.seed));
const rooms = options.rooms.split(",").map((room) => `src/${room}`);
const faults = rooms.flatMap((room) => filesBelow(room, ".ts")).flatMap((file) => chosen(file));
const reach = testsByFile();
const survivors: Fault[] = [];
const queue = [...faults];
const told = { noticed: 0, survived: 0, untested: 0 };
await Promise.all(Array.from({ length: Number(options.workers) }, () => work()));
for (const { file, line, mutation } of survivors.sort((a, b) => (a.file < b.file ? -1 : 1)))
  console.log(
    `not noticed: ${file}:${line} ${mutation.kind}: ${JSON.stringify(mutation.from)} -> ${JSON.stringify(mutation.to)}`,
  );
const share = ((100 * told.noticed) / Math.max(1, faults.length)).toFixed(1);
console.log(
  `${told.noticed} of ${faults.length} faults noticed (${share} %), ${told.survived} not, ${told.untested} in files that no test reaches`,
);

async function work(): Promise<void> {
  const copy = mkdtempSync(join(tmpdir(), "mutate-"));
  try {
    for (const name of readdirSync(project)) {
      if (name === "node_modules") symlinkSync(join(project, name), join(copy, name));
      else if (name !== ".git" && name !== "dist")
        cpSync(join(project, name), join(copy, name), { recursive: true });
    }
    for (let fault = queue.shift(); fault !== undefined; fault = queue.shift()) {
      const path = join(copy, fault.file);
      const source = readFileSync(path, "utf8");
      writeFileSync(path, withMutation(source, fault.mutation));
      const tests = reach.get(fault.file) ?? [];
      const noticed = tests.length > 0 && !(await pass(copy, tests));
      writeFileSync(path, source);
      if (noticed) told.noticed++;
      else survivors.push(fault);
      if (!noticed) told[tests.length > 0 ? "survived" : "untested"]++;
      process.stderr.write(`${noticed ? "." : "S"}`);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
    process.stderr.write("\n");
  }
}

/** Whether all of these tests pass; the nearest are tried first, each for itself, so that most faults cost little. */
async function pass(copy: string, tests: readonly string[]): Promise<boolean> {
  const end = Date.now() + Number(options.budget) * 1000;
  for (const test of tests) {
    if (Date.now() > end) return true;
    if (!(await passes(copy, test, end - Date.now()))) return false;
  }
  return true;
}

function passes(copy: string, test: string, milliseconds: number): Promise<boolean> {
  const { promise, resolve: settle } = Promise.withResolvers<boolean>();
  // Its own group: a test that hangs has children that hang.
  const child = spawn(process.execPath, ["--test", "--test-reporter=dot", test], {
    cwd: copy,
    stdio: "ignore",
    detached: true,
  });
  const timer = setTimeout(
    () => child.pid !== undefined && process.kill(-child.pid, "SIGKILL"),
    Math.max(1_000, milliseconds),
  );
  child.on("exit", (code) => {
    clearTimeout(timer);
    settle(code === 0);
  });
  return promise;
}

function chosen(file: string): readonly Fault[] {
  const source = readFileSync(join(project, file), "utf8");
  const all = [...mutationsOf(source)];
  const picked: Fault[] = [];
  while (picked.length < Number(options["per-file"]) && all.length > 0) {
    const [mutation] = all.splice(Math.floor(random() * all.length), 1);
    if (mutation === undefined) break;
    picked.push({ file, line: source.slice(0, mutation.at).split("\n").length, mutation });
  }
  return picked;
}

/** For each source file the tests that import it, however far away, nearest first. */
function testsByFile(): ReadonlyMap<string, readonly string[]> {
  const imports = new Map<string, readonly string[]>();
  for (const file of [
    ...filesBelow("src", ".ts"),
    ...filesBelow("test", ".ts"),
    ...filesBelow("tools", ".ts"),
  ]) {
    const source = readFileSync(join(project, file), "utf8");
    const named = [...source.matchAll(/(?:from|import\() ?"(\.[^"]+\.ts)"/g)].flatMap(
      ([, path]) => path ?? [],
    );
    imports.set(
      file,
      named.map((path) => relative(project, resolve(project, dirname(file), path))),
    );
  }
  const reached = new Map<string, { readonly test: string; readonly distance: number }[]>();
  for (const test of filesBelow("test", ".test.ts")) {
    const distances = new Map([[test, 0]]);
    for (const [file, distance] of distances)
      for (const next of imports.get(file) ?? []) if (!distances.has(next)) distances.set(next, distance + 1);
    for (const [file, distance] of distances) {
      const known = reached.get(file);
      if (known === undefined) reached.set(file, [{ test, distance }]);
      else known.push({ test, distance });
    }
  }
  const room = (path: string) => path.split("/")[1] ?? "";
  return new Map(
    [...reached].map(([file, tests]) => {
      const far = ({ test, distance }: { test: string; distance: number }) =>
        distance + (room(test) === room(file) ? 0 : 3);
      return [file, tests.sort((a, b) => far(a) - far(b)).map(({ test }) => test)] as const;
    }),
  );
}

function filesBelow(directory: string, ending: string): readonly string[] {
  return readdirSync(join(project, directory), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending) && !name.startsWith("fixtures"))
    .map((name) => join(directory, name))
    .sort();
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
