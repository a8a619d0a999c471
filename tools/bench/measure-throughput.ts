import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { requiredLiterals } from "../../src/diagnosis/required-literals.ts";
import { type BudgetRow, median } from "./budget.ts";
import { mixedTexts, shippedCatalogue } from "./kernel-lines.ts";
import { secondsOfEndedChildren } from "./process-figures.ts";

const WORKER = fileURLToPath(new URL("kernel-log-throughput.ts", import.meta.url));
const LINES = 1_000_000;
const RUNS = 3;
const RULES = 30;
/** mtail is slow: a part of the lines is enough. */
const MTAIL_LINES = 100_000;

/**
 * What was measured once, side by side on one otherwise idle machine, with node-problem-detector 0.8 there (lines a
 * second; 1 000 000 lines, 30 rules, 2 % hits). mtail, Go and RE2 like node-problem-detector, says best what that
 * would do here; where it is missing, the same two loops that Node ran then.
 */
const THEN = { npd: 0.21e6, mtail: 0.0999e6, ruleByRule: 1.14e6, split: 4.9e6 } as const;
/** mtail's processor time, all threads, was this multiple of the time on the clock. */
const MTAIL_THREADS = 11.3 / 10.7;

interface WorkerResult {
  readonly seconds: number;
  readonly lines: number;
  readonly hits: number;
  readonly stored?: number;
}

/** Kernel log through the whole catalogue, each hit stored, against what node-problem-detector does. */
export function measureThroughput(directory: string, mtail: string | undefined): readonly BudgetRow[] {
  const catalogue = shippedCatalogue();
  const records = join(directory, "kmsg.txt");
  const syslog = join(directory, "kernel.log");
  writeLog(records, LINES, asRecord);
  writeLog(syslog, LINES, asSyslog);
  const expressions = join(directory, "expressions.json");
  const patterns = catalogue.signatures
    .filter(({ layer }) => layer === "kernel")
    .flatMap(({ pattern }) => requiredLiterals(pattern)?.slice(0, 1) ?? [])
    .slice(0, RULES)
    .map((words) => words.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"));
  writeFileSync(expressions, JSON.stringify(patterns));

  const results = { service: [] as WorkerResult[], rules: [] as WorkerResult[], split: [] as WorkerResult[] };
  // In turn, so that a busy moment hits all of them alike.
  for (let run = 0; run < RUNS; run++) {
    for (const mode of ["service", "rules", "split"] as const) {
      const text = execFileSync(
        process.execPath,
        [WORKER, mode, mode === "service" ? records : syslog, expressions],
        { encoding: "utf8" },
      );
      results[mode].push(JSON.parse(text) as WorkerResult);
    }
  }
  const perSecond = (all: readonly WorkerResult[]) => all.map(({ lines, seconds }) => lines / seconds);
  const service = perSecond(results.service);
  const rules = median(perSecond(results.rules));
  const split = median(perSecond(results.split));
  const [first] = results.service;
  if (first === undefined || first.stored !== first.hits || first.lines !== LINES)
    throw new Error(`not every hit was stored: ${JSON.stringify(first)}`);

  const peer = mtail === undefined ? undefined : mtailSpeed(directory, mtail, patterns);
  const npd =
    peer === undefined
      ? Math.sqrt(((rules * THEN.npd) / THEN.ruleByRule) * ((split * THEN.npd) / THEN.split))
      : (peer * THEN.npd) / THEN.mtail;
  const part = "kernel log";
  const size = (statSync(records).size / 1e6).toFixed(0);
  const thousands = (value: number) => `${Math.round(value / 1000)} 000`;
  const conversion =
    peer === undefined
      ? `mtail is not on the PATH (--mtail FILE names it), so what two Node loops do in this run is compared with what they did beside node-problem-detector (geometric mean of the two conversions)`
      : `mtail (measured in this run: ${thousands(peer)} lines/s with ${RULES} rules) was ${(THEN.npd / THEN.mtail).toFixed(1)} times slower than node-problem-detector where both were measured`;
  return [
    {
      part,
      what: "whole catalogue, each hit stored",
      unit: "lines/s",
      runs: service,
      limit: { bound: "at least", value: 10 * npd },
      yardstick: { what: "node-problem-detector, 30 rules, converted", value: npd, unit: "lines/s" },
      method: `${LINES} records (${size} MB, 2 % hits), ${catalogue.signatures.length} signatures, every hit counted in the database at the end; processor time of the main thread. node-problem-detector is not here; ${conversion}`,
    },
    {
      part,
      what: "the same",
      unit: "lines/s",
      runs: service,
      yardstick: { what: `Node, ${RULES} plain expressions one by one`, value: rules, unit: "lines/s" },
      method: `nothing is parsed or stored by the yardstick; it ran at ${thousands(THEN.ruleByRule)} lines/s beside node-problem-detector's ${thousands(THEN.npd)}`,
    },
    {
      part,
      what: "the same",
      unit: "lines/s",
      runs: service,
      yardstick: { what: "Node, splitting lines only", value: split, unit: "lines/s" },
      method: `the floor; it ran at ${thousands(THEN.split)} lines/s beside node-problem-detector's ${thousands(THEN.npd)}`,
    },
  ];
}

type Form = (sequence: number, text: string) => string;

const asRecord: Form = (sequence, text) => `4,${sequence},${sequence * 100},-;${text}\n`;

/** What a daemon that reads log files gets to see of the same. */
const asSyslog: Form = (sequence, text) =>
  `Nov 23 14:00:00 tower kernel: [${(sequence / 1e4).toFixed(6).padStart(12)}] ${text}\n`;

function writeLog(file: string, count: number, form: Form): void {
  const descriptor = openSync(file, "w");
  let block = "";
  let sequence = 0;
  for (const text of mixedTexts(shippedCatalogue(), count)) {
    block += form(sequence++, text);
    if (block.length > 1 << 20) {
      writeSync(descriptor, block, null, "latin1");
      block = "";
    }
  }
  writeSync(descriptor, block, null, "latin1");
  closeSync(descriptor);
}

/** Lines a second on an otherwise idle machine: its processor time, corrected for the threads it runs. */
function mtailSpeed(directory: string, mtail: string, patterns: readonly string[]): number {
  const file = join(directory, "mtail.log");
  writeLog(file, MTAIL_LINES, asSyslog);
  const programs = join(directory, "mtail-programs");
  mkdirSync(programs);
  const rules = patterns.map(
    (pattern, index) =>
      `counter hits_${index}\n/${pattern.replaceAll("/", "\\/")}/ {\n  hits_${index}++\n}\n`,
  );
  writeFileSync(join(programs, "rules.mtail"), rules.join("\n"));
  const speeds: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const before = secondsOfEndedChildren();
    execFileSync(mtail, ["--one_shot", "--logtostderr", "--progs", programs, "--logs", file], {
      stdio: "ignore",
    });
    speeds.push((MTAIL_LINES * MTAIL_THREADS) / (secondsOfEndedChildren() - before));
  }
  return median(speeds);
}
