import { diffSnapshots } from "../../facts/diff-snapshots.ts";
import { findMoment } from "../../history/references.ts";
import { type Change, FACT_GROUPS, type FactGroup, type Snapshot } from "../../model/fact.ts";
import { createPaint, type Paint, printable } from "../../terminal-text.ts";
import { wrap } from "../../text-columns.ts";
import { type Command, EXIT, Refusal, UsageError } from "../command.ts";
import { findForeign } from "../foreign-history.ts";
import { documentText } from "../json/document.ts";
import { changeJson } from "../json/facts.ts";
import { readLiveFacts } from "../live-facts.ts";
import { vmOnRecord } from "../meant-vm.ts";
import { findSurroundings, HISTORY_OPTIONS, HISTORY_OPTIONS_HELP, withHistory } from "../surroundings.ts";

/** What changed between two moments. */
export const diffCommand: Command = {
  name: "diff",
  summary: "Says what changed on the host between two moments, the most interesting first.",
  usage: "[A [B]] [--vm NAME] [--json]",
  help: `
A, B: a boot (b12 or the beginning of its id), a start (12 or #12), good (the last good start), now.
Without arguments the last good start against now; with one, that against now.

  --vm NAME          whose last good start is meant (default: of the VM that failed last)
${HISTORY_OPTIONS_HELP}

A fact that could not be read on one side is never a change. In a history of another machine now is its newest boot.
JSON: {"from","to","changes":[{"group","key","before","after","sentence","also"}]}, with
before and after as facts give them, and also what came with the same update and says nothing more.
Example: vfio-watch diff b41 b42`,
  options: { ...HISTORY_OPTIONS, vm: { type: "string" } },
  run(args, io) {
    const [from = "good", to = "now", ...others] = args.positionals;
    if (others.length > 0) throw new UsageError("compares two moments, not more");
    const vm = args.text("vm");
    const { database, paths } = findSurroundings(io.env, args.text("database"));
    return withHistory(database, io, async (store) => {
      const whose = vm === undefined ? undefined : vmOnRecord(vm, store);
      const foreign = findForeign(store, paths);
      const sides: { readonly label: string; readonly snapshot: Snapshot }[] = [];
      for (const text of [from, to]) {
        const moment = findMoment(store, text, whose);
        // What another machine was is never compared with what this one is.
        if (moment.kind === "now" && foreign !== undefined) {
          if (foreign.newest === undefined)
            throw new Refusal(`this history is of ${foreign.machine}, and has no facts of it.`);
          sides.push(foreign.newest);
          continue;
        }
        const snapshot =
          moment.kind === "now"
            ? await readLiveFacts(paths)
            : moment.kind === "stored"
              ? store.snapshots.get(moment.snapshotId)
              : undefined;
        if (moment.kind === "problem" || snapshot === undefined) {
          const why =
            moment.kind === "problem" ? moment.why : `the facts of ${moment.label} are no longer stored`;
          io.err(`vfio-watch: ${printable(why)}.\n`);
          return EXIT.failure;
        }
        sides.push({ label: moment.label, snapshot });
      }
      const [before, after] = sides;
      if (before === undefined || after === undefined) return EXIT.failure;
      const changes = diffSnapshots(before.snapshot, after.snapshot);
      if (args.flag("json"))
        io.out(documentText({ from: before.label, to: after.label, changes: changes.map(changeJson) }));
      else
        io.out(`${describeChanges(before.label, after.label, changes, createPaint(io.color), io.columns)}\n`);
      return EXIT.ok;
    });
  },
};

/** Headings that a person would use, in the order of interest. */
export const GROUP_TITLES: Readonly<Record<FactGroup, string>> = {
  firmware: "Firmware",
  "firmware-tables": "Firmware's IOMMU tables",
  iommu: "IOMMU",
  kernel: "Kernel and parameters",
  "boot-loader": "Boot loader files",
  "vfio-setup": "VFIO binding",
  pci: "PCI devices",
  vm: "VMs",
  software: "Software",
  hardware: "Hardware",
};

/** The changes as a page for a person, by group. */
export function describeChanges(
  from: string,
  to: string,
  changes: readonly Change[],
  paint: Paint,
  columns: number,
): string {
  const heading = `From ${printable(from)} to ${printable(to)}`;
  if (changes.length === 0) return wrap(`${heading}: nothing that is watched has changed.`, columns);
  const lines = [
    paint(
      "bold",
      wrap(`${heading}: ${changes.length} ${changes.length === 1 ? "change" : "changes"}`, columns),
    ),
  ];
  for (const group of FACT_GROUPS) {
    const own = changes.filter((change) => change.group === group);
    if (own.length === 0) continue;
    lines.push("", paint("bold", GROUP_TITLES[group]));
    for (const { sentence, also = [] } of own) {
      lines.push(wrap(`- ${printable(sentence)}`, columns, "  "));
      const more = also.map((change) => printable(change.sentence)).join("; ");
      if (more !== "") lines.push(paint("dim", wrap(`  with it: ${more}`, columns, "    ")));
    }
  }
  return lines.join("\n");
}
