import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadCatalogue } from "../src/diagnosis/catalogue.ts";
import { createExplainer } from "../src/diagnosis/explain/explain.ts";
import type { Explanation } from "../src/diagnosis/explain/explanation.ts";
import { createLazyFinder } from "../src/diagnosis/generated/unknown-causes.ts";
import { loadMessages } from "../src/knowledge/load-messages.ts";
import {
  isAboutDevice,
  isRight,
  type LabelledCase,
  readCases,
  SHARED_CORPUS,
  WITHOUT_VFIO,
} from "./labelled.ts";

/*
 * Measures `explain` on log text that real users posted and a reader labelled. The text stays outside of the
 * project: `npm run accuracy [-- FILE] [--only even|odd] [--quiet]`. `--only` takes every second case, so that
 * one half can be kept back while the catalogue is worked on.
 */

interface Outcome {
  readonly case: LabelledCase;
  readonly explanation: Explanation;
  /** The first cause's class, or `none`. */
  readonly answer: string;
  readonly right: boolean;
}

const NAME_KINDS: readonly NameKind[] = [
  { name: "devices", labelled: ({ bdf }) => bdf, found: ({ devices }) => devices },
  {
    name: "groups",
    labelled: ({ group }) => (group === null ? [] : [String(group)]),
    found: ({ groups }) => groups.map(String),
  },
  { name: "VMs", labelled: ({ vm }) => (vm === null ? [] : [vm]), found: ({ vms }) => vms },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string" }, quiet: { type: "boolean", default: false } },
});
const file = positionals[0] ?? join(SHARED_CORPUS, "dev.jsonl");
if (!existsSync(file)) {
  console.log(`No labelled log text at ${file}: nothing was measured. Name a file, one JSON object a line.`);
  process.exit(0);
}
report(measure(wanted(file, values.only)));

function wanted(path: string, only: string | undefined): readonly LabelledCase[] {
  const all = readCases(path);
  return only === undefined ? all : all.filter((_, index) => (index % 2 === 0) === (only === "even"));
}

function measure(cases: readonly LabelledCase[]): readonly Outcome[] {
  const shippedDirectory = join(import.meta.dirname, "../config/signatures");
  const explain = createExplainer(
    loadCatalogue({ shippedDirectory }).catalogue,
    createLazyFinder(() => loadMessages(join(import.meta.dirname, "../config"))),
  );
  return cases.map((labelled) => {
    const explanation = explain(labelled.log);
    const answer = explanation.causes[0]?.class ?? "none";
    return { case: labelled, explanation, answer, right: isRight(labelled.accept, answer) };
  });
}

function report(outcomes: readonly Outcome[]): void {
  console.log(
    `${outcomes.length} cases from ${file}${values.only === undefined ? "" : `, ${values.only} ones`}\n`,
  );
  if (!values.quiet) {
    printConfusion(outcomes);
    printByClass(outcomes);
    printMisses(outcomes);
    printMisread(outcomes);
  }
  const labelled = outcomes.filter((outcome) => outcome.case.vm_start_failure !== null);
  const failures = labelled.filter((outcome) => outcome.case.vm_start_failure === true);
  const saysFailure = ({ explanation }: Outcome) => explanation.vmStartFailure;
  const other = outcomes.filter((outcome) => ["benign", "start-failed-other"].includes(outcome.case.class));
  const related = (outcome: Outcome) => outcome.explanation.deviceRelated === outcome.case.vfio_related;
  printRatio("VM-start failures found (wanted 0.97)", failures, saysFailure);
  printRatio("VM-start failure or not, right", labelled, (o) => saysFailure(o) === o.case.vm_start_failure);
  printRatio("cause class right (wanted 0.92)", outcomes, ({ right }) => right);
  const withoutVfio = outcomes.filter((outcome) => outcome.case.class === WITHOUT_VFIO);
  printRatio("of starts that failed without VFIO, by what the text shows", withoutVfio, ({ right }) => right);
  printRatio("device in trouble or not, right", outcomes, related);
  const isAlarm = (answer: string, accept: readonly string[]) =>
    isAboutDevice(answer) && !accept.includes(answer);
  const alarms = other.filter(({ explanation, case: { accept } }) =>
    explanation.causes.some((cause) => isAlarm(cause.class, accept)),
  );
  console.log(`VFIO causes on benign and unrelated text (wanted 0): ${alarms.length} of ${other.length}`);
  for (const kind of NAME_KINDS) printNames(kind, outcomes);
}

interface NameKind {
  readonly name: string;
  readonly labelled: (labelled: LabelledCase) => readonly string[];
  readonly found: (explanation: Explanation) => readonly string[];
}

/** Precision counts only where the reader wrote down something of the kind: elsewhere a label may be missing. */
function printNames(kind: NameKind, outcomes: readonly Outcome[]): void {
  const named = outcomes.filter((outcome) => kind.labelled(outcome.case).length > 0);
  const wanted = named.flatMap((outcome) => kind.labelled(outcome.case).map((name) => ({ name, outcome })));
  const given = named.flatMap((outcome) =>
    kind.found(outcome.explanation).map((name) => ({ name, outcome })),
  );
  const found = wanted.filter(({ name, outcome }) => kind.found(outcome.explanation).includes(name)).length;
  const right = given.filter(({ name, outcome }) => kind.labelled(outcome.case).includes(name)).length;
  const unasked = outcomes.filter(
    (outcome) => kind.labelled(outcome.case).length === 0 && kind.found(outcome.explanation).length > 0,
  ).length;
  console.log(
    `${kind.name}: recall ${ratio(found, wanted.length)} (${found} of ${wanted.length}), precision ${ratio(right, given.length)} (${right} of ${given.length}), named where the label has none: ${unasked} texts`,
  );
}

function printRatio(name: string, all: readonly Outcome[], holds: (outcome: Outcome) => boolean): void {
  const good = all.filter(holds).length;
  console.log(`${name}: ${(good / Math.max(1, all.length)).toFixed(3)} (${good} of ${all.length})`);
}

function printConfusion(outcomes: readonly Outcome[]): void {
  console.log("Label of the text → first answer (a star marks what is accepted)");
  for (const label of [...new Set(outcomes.map((outcome) => outcome.case.class))].sort()) {
    const answers = new Map<string, number>();
    for (const { answer, right } of outcomes.filter((outcome) => outcome.case.class === label)) {
      const key = `${answer}${right ? "*" : ""}`;
      answers.set(key, (answers.get(key) ?? 0) + 1);
    }
    const counted = [...answers].sort((a, b) => b[1] - a[1]).map(([answer, count]) => `${answer} ${count}`);
    console.log(`  ${label.padEnd(24)} ${counted.join(", ")}`);
  }
}

function printByClass(outcomes: readonly Outcome[]): void {
  console.log("\nAnswer                           given  right  precision  wanted  recall");
  const answers = new Set(outcomes.flatMap(({ answer, case: { accept } }) => [answer, accept[0] ?? "none"]));
  for (const answer of [...answers].sort()) {
    const given = outcomes.filter((outcome) => outcome.answer === answer);
    const wanted = outcomes.filter((outcome) => outcome.case.accept[0] === answer);
    const cells = [
      answer.padEnd(32),
      String(given.length).padStart(5),
      String(given.filter(({ right }) => right).length).padStart(6),
      ratio(given.filter(({ right }) => right).length, given.length).padStart(10),
      String(wanted.length).padStart(7),
      ratio(wanted.filter(({ right }) => right).length, wanted.length).padStart(7),
    ];
    console.log(cells.join(" "));
  }
}

function ratio(part: number, whole: number): string {
  return whole === 0 ? "-" : (part / whole).toFixed(2);
}

function printMisread(outcomes: readonly Outcome[]): void {
  console.log("Names that differ from the label");
  for (const { case: labelled, explanation } of outcomes) {
    for (const kind of NAME_KINDS) {
      const wanted = kind.labelled(labelled);
      const found = kind.found(explanation);
      const missing = wanted.filter((name) => !found.includes(name));
      const extra = found.filter((name) => !wanted.includes(name));
      if (missing.length + extra.length === 0) continue;
      console.log(
        `  ${labelled.id} ${kind.name}: missing ${missing.join(", ") || "-"}; extra ${extra.join(", ") || "-"}`,
      );
    }
  }
  console.log("");
}

function printMisses(outcomes: readonly Outcome[]): void {
  console.log("\nMisses");
  for (const { case: labelled, explanation, answer, right } of outcomes) {
    const { id, vm_start_failure: failed, vfio_related: related, accept } = labelled;
    const faults = [
      ...(right
        ? []
        : [`cause ${answer} (${explanation.causes[0]?.signature ?? "-"}), accepted ${accept.join("|")}`]),
      ...(failed === null || failed === explanation.vmStartFailure
        ? []
        : [`start failure should be ${failed}`]),
      ...(related === explanation.deviceRelated ? [] : [`device related should be ${related}`]),
    ];
    if (faults.length > 0) console.log(`  ${id} ${labelled.class}: ${faults.join("; ")}`);
  }
  console.log("");
}
