import { contentText } from "../../facts/fact-value.ts";
import { findMoment } from "../../history/references.ts";
import { FACT_GROUPS, type Fact, type FactGroup, type Snapshot } from "../../model/fact.ts";
import { createPaint, type Paint, printable } from "../../terminal-text.ts";
import { textWidth, wrap } from "../../text-columns.ts";
import { type Command, EXIT, Refusal, UsageError } from "../command.ts";
import { findForeign } from "../foreign-history.ts";
import { documentText } from "../json/document.ts";
import { factJson } from "../json/facts.ts";
import { readLiveFacts } from "../live-facts.ts";
import { findSurroundings, HISTORY_OPTIONS, HISTORY_OPTIONS_HELP, withHistory } from "../surroundings.ts";
import { GROUP_TITLES } from "./diff.ts";

/** What the machine is. */
export const factsCommand: Command = {
  name: "facts",
  summary: "Shows what is known of the host: firmware, IOMMU, kernel, devices, VMs.",
  usage: "[GROUP] [--at MOMENT] [--json]",
  help: `
GROUP is one of ${FACT_GROUPS.join(", ")}; without it all of them.

  --at MOMENT        a boot (b12), a start (#12) or good instead of now
${HISTORY_OPTIONS_HELP}

Facts of now are read from the host; some need root, and then say so. With a history of another machine they are those of
its newest boot.
JSON: {"at","facts":[{"group","key","value":{"state":"value|absent|unknown","value","why"}}]},
a value is a text, a number, true or false, or a list of texts.
Example: vfio-watch facts iommu`,
  options: { ...HISTORY_OPTIONS, at: { type: "string" } },
  async run(args, io) {
    const [group, ...others] = args.positionals;
    if (others.length > 0 || (group !== undefined && !isGroup(group)))
      throw new UsageError(`name one group of ${FACT_GROUPS.join(", ")}`);
    const { database, paths } = findSurroundings(io.env, args.text("database"));
    const show = (label: string, snapshot: Snapshot): number => {
      const facts = snapshot.facts.filter((fact) => group === undefined || fact.group === group);
      if (args.flag("json")) io.out(documentText({ at: label, facts: facts.map(factJson) }));
      else io.out(`${describeFacts(label, facts, createPaint(io.color), io.columns)}\n`);
      return EXIT.ok;
    };
    const at = args.text("at") ?? "now";
    if (at === "now" && args.text("database") === undefined) return show("now", await readLiveFacts(paths));
    return withHistory(database, io, async (store) => {
      if (at === "now") {
        const foreign = findForeign(store, paths);
        if (foreign === undefined) return show("now", await readLiveFacts(paths));
        if (foreign.newest === undefined)
          throw new Refusal(`this history is of ${foreign.machine}, and has no facts of it.`);
        return show(foreign.newest.label, foreign.newest.snapshot);
      }
      const moment = findMoment(store, at);
      const snapshot = moment.kind === "stored" ? store.snapshots.get(moment.snapshotId) : undefined;
      if (snapshot !== undefined && moment.kind === "stored") return show(moment.label, snapshot);
      const why = moment.kind === "problem" ? moment.why : "its facts are no longer stored";
      io.err(`vfio-watch: ${printable(why)}.\n`);
      return EXIT.failure;
    });
  },
};

function isGroup(text: string): text is FactGroup {
  return FACT_GROUPS.some((group) => group === text);
}

/** The facts as a page for a person: those that are so, then what could not be learned and why. */
export function describeFacts(label: string, facts: readonly Fact[], paint: Paint, columns: number): string {
  const lines = [paint("bold", wrap(`Facts of ${printable(label)}`, columns))];
  for (const group of FACT_GROUPS) {
    const own = facts.filter((fact) => fact.group === group && !isAnchor(fact));
    if (own.length === 0) continue;
    lines.push("", paint("bold", GROUP_TITLES[group]));
    const rows = own.map((fact) => [`  ${printable(shortKey(fact))}`, valueText(fact, paint)]);
    const width = Math.min(48, Math.max(...rows.map(([key = ""]) => textWidth(key))));
    // A value that does not fit goes on below itself, so that keys stay easy to find.
    lines.push(
      ...rows.map(([key = "", value = ""]) =>
        wrap(
          `${key}${" ".repeat(Math.max(0, width - textWidth(key)))}  ${value}`,
          columns,
          " ".repeat(Math.min(width + 2, Math.floor(columns / 3))),
        ),
      ),
    );
  }
  if (lines.length === 1) lines.push("", "Nothing is known of it.");
  return lines.join("\n");
}

/** `listed` only says that things of the kind were looked for. */
function isAnchor({ value }: Fact): boolean {
  return value.state === "value" && value.value === "listed";
}

function shortKey({ group, key }: Fact): string {
  const short = key.startsWith(`${group}.`) ? key.slice(group.length + 1) : key;
  return short.replaceAll("%2e", ".").replaceAll("%25", "%");
}

function valueText({ value }: Fact, paint: Paint): string {
  switch (value.state) {
    case "value":
      return printable(contentText(value.value));
    case "absent":
      return paint("dim", "none");
    case "unknown":
      return paint("yellow", `unknown: ${printable(value.why)}`);
  }
}
