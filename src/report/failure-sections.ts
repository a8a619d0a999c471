import type { Answer } from "../answer/answer.ts";
import { changeTexts, demandText, failingText, sinceText } from "../answer/words.ts";
import { isStateEvidence } from "../diagnosis/state-cause.ts";
import { valueText } from "../facts/fact-value.ts";
import { vmFactPrefix } from "../facts/key-parts.ts";
import type { Evidence } from "../model/attempt.ts";
import type { Diagnosis } from "../model/diagnosis.ts";
import type { FactValue } from "../model/fact.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { Observation, SourceName } from "../model/observation.ts";
import { SOURCES } from "../sources/kinds/all.ts";
import type { StoredAttempt } from "../store/attempt-store.ts";
import type { Sighting } from "../store/record-stores.ts";
import type { Block, Cell, ChangeLine, FactRow, Section, SpokenLine } from "./document.ts";
import type { HostFacts } from "./host-facts.ts";
import type { TriedStart } from "./input.ts";
import { count, outcomeMark, quoted, shortened } from "./words.ts";

const MOST_LINES = 60;
const MOST_DIFFERENCES = 6;

/** Why it failed and what to do, best cause first. */
export function diagnosisSection(answer: Answer | undefined): Section | undefined {
  if (answer === undefined) return undefined;
  const { cause, why, remedies, others } = answer;
  const first = cause === undefined ? [{ kind: "text", text: why } as const, ...adviceBlocks(remedies)] : [];
  const causes = [...(cause === undefined ? [] : [{ cause, remedies }]), ...others];
  return {
    id: "diagnosis",
    title: "Diagnosis and what to do",
    blocks: [...first, ...causes.flatMap(causeBlocks)],
  };
}

function causeBlocks({ cause, remedies }: Answer["others"][number], index: number): readonly Block[] {
  const where = [...cause.devices, ...cause.groups.map((group) => `IOMMU group ${group}`)].join(", ");
  const rows = [
    ...(where === "" ? [] : [said("Where", where)]),
    ...cause.evidence.filter(isStateEvidence).map((line) => said("Seen on the host", line)),
  ];
  return [
    {
      kind: "text",
      text: `${index === 0 ? "" : "Also: "}${cause.sentence} (${cause.class}, ${cause.certainty})`,
    },
    ...(rows.length > 0 ? [{ kind: "facts", rows } as const] : []),
    ...adviceBlocks(remedies),
  ];
}

function adviceBlocks(remedies: readonly string[]): readonly Block[] {
  if (remedies.length === 0) return [];
  return [
    { kind: "heading", text: "What to do, best first" },
    { kind: "list", ordered: true, items: remedies },
  ];
}

function said(label: string, value: string): FactRow {
  return { key: "", label, value, state: "value", code: true };
}

/** What was said, word for word, in order. */
export function evidenceSection(attempt: StoredAttempt, hostSaid: readonly Sighting[]): Section {
  const spoken = attempt.evidence.filter(({ observation }) => textOf(observation) !== undefined);
  const lines = telling(spoken).map(toLine);
  const left = attempt.evidenceLeftOut + spoken.length - lines.length;
  return {
    id: "evidence",
    title: "What was said, word for word",
    blocks: [
      lines.length === 0
        ? { kind: "text", text: "No log said anything about this start." }
        : { kind: "lines", lines },
      ...(left > 0 ? [{ kind: "text", text: `${count(left, "more line")} left out.` } as const] : []),
      ...(hostSaid.length === 0 ? [] : beside(hostSaid)),
    ],
  };
}

function beside(hostSaid: readonly Sighting[]): readonly Block[] {
  const lines = hostSaid.map(({ firstAt, source, text, count }) => {
    return { at: firstAt, source: speakerOf(source), text, count, decisive: false };
  });
  return [
    { kind: "heading", text: "What the kernel said in this boot beside its starts" },
    { kind: "lines", lines },
  ];
}

/** With more lines than fit, those that the catalogue knows come first; all in order of time. */
function telling(spoken: readonly Evidence[]): readonly Evidence[] {
  if (spoken.length <= MOST_LINES) return spoken;
  const rank = (evidence: Evidence) =>
    evidence.matches.some(({ signature }) => signature.role === "cause")
      ? 0
      : evidence.matches.length > 0
        ? 1
        : 2;
  const kept = new Set([...spoken].sort((a, b) => rank(a) - rank(b)).slice(0, MOST_LINES));
  return spoken.filter((evidence) => kept.has(evidence));
}

function toLine({ observation, matches, count: times }: Evidence): SpokenLine {
  return {
    at: observation.at,
    source: speakerOf(observation.source),
    text: textOf(observation) ?? "",
    count: times,
    decisive: matches.some(({ signature }) => signature.role === "cause"),
  };
}

function speakerOf(source: SourceName): string {
  return SOURCES.find(({ name }) => name === source)?.speaker ?? source;
}

function textOf(observation: Observation): string | undefined {
  switch (observation.kind) {
    case "kernel-record":
    case "domain-log-line":
    case "libvirtd-record":
      return observation.text;
    case "domain-log-end":
      // Of a task of Proxmox the line with its error is there already.
      return observation.source === "proxmox" ? undefined : `shutting down, reason=${observation.reason}`;
    default:
      return undefined;
  }
}

/** Since when, and what changed since the last good start. */
export function changesSection(answer: Answer): Section {
  const changes = changeTexts(answer, { withConsequences: true }).map((sentence, index): ChangeLine => {
    const [change] = answer.changes?.[index]?.changes ?? [];
    return { sentence, before: shown(change?.before), after: shown(change?.after) };
  });
  const said = [sinceText(answer), failingText(answer), demandText(answer)].filter(
    (text) => text !== undefined,
  );
  return {
    id: "changes",
    title: "What changed since the last good start",
    blocks: [
      ...said.map((text) => ({ kind: "text", text }) as const),
      ...(changes.length === 0 ? [] : [{ kind: "changes", changes } as const]),
    ],
  };
}

function shown(value: FactValue | undefined): string {
  return value === undefined ? "" : valueText(value);
}

/** Each start of the VM with what differed from the one before it, oldest first. */
export function triedSection(
  vm: VmName,
  tried: readonly TriedStart[],
  earlier: number,
  timeOf: (at: number) => string,
): Section {
  const rows = tried.map((start): readonly Cell[] => [
    {
      text:
        start.first === start.last
          ? `start ${start.first}`
          : `starts ${start.first} to ${start.last} (${start.count})`,
    },
    { text: `${timeOf(start.at)}${start.imported ? " (imported)" : ""}` },
    { text: start.bios ?? "unknown" },
    markOf(start),
    { text: start.summary ?? "" },
    differenceCell(start),
  ]);
  return {
    id: "tried",
    title: "What was tried",
    blocks: [
      {
        kind: "text",
        text: `Every start of ${quoted(vm)} that is on record, oldest first, each with what differed from the one before${earlier > 0 ? `; ${count(earlier, "earlier one")} not shown` : ""}.`,
      },
      {
        kind: "table",
        caption: "",
        columns: ["Start", "When", "BIOS", "Outcome", "Why", "What differed"],
        rows,
        folded: false,
      },
    ],
  };
}

function markOf({ outcome, summary }: TriedStart): Cell {
  const { word, tone } = outcomeMark(outcome, summary !== undefined);
  return { text: word, tone };
}

function differenceCell({ differences }: TriedStart): Cell {
  if (differences === "first") return { text: "first on record" };
  if (differences === undefined) return { text: "not known" };
  if (differences.length === 0) return { text: "nothing that is watched" };
  return { text: "", items: shortened(differences, MOST_DIFFERENCES) };
}

/** Advice that people repeat for this failure and that changes nothing. */
export function noEffectSection(diagnosis: Diagnosis | undefined): Section | undefined {
  if (diagnosis === undefined || diagnosis.noEffect.length === 0) return undefined;
  return {
    id: "no-effect",
    title: "What does not matter here",
    blocks: [
      { kind: "text", text: "People often advise this for such a failure. It has no effect on this one:" },
      { kind: "list", ordered: false, items: diagnosis.noEffect },
    ],
  };
}

/** The VM as libvirt defines it, as far as passthrough depends on it. */
export function vmSection(facts: HostFacts, vm: VmName, devices: readonly Bdf[]): Section {
  const prefix = vmFactPrefix(vm);
  const known = facts.below(prefix).length > 0;
  const rows: readonly FactRow[] = known
    ? [
        facts.row(`${prefix}machine`, "Machine type"),
        facts.row(`${prefix}firmware`, "Firmware"),
        facts.row(`${prefix}memory`, "Memory"),
        facts.row(`${prefix}hugepages`, "Huge pages"),
        facts.row(`${prefix}autostart`, "Autostart"),
        ...facts
          .below(`${prefix}device.`)
          .map(({ rest, fact }) => facts.row(fact.key, `Host device ${rest}`)),
      ]
    : [facts.row(prefix.slice(0, -1), "Definition")];
  return {
    id: "vm",
    title: `Definition of VM ${quoted(vm)}`,
    blocks: [
      {
        kind: "facts",
        rows: devices.length === 0 ? rows : [said("Passed through", devices.join(", ")), ...rows],
      },
    ],
  };
}
