import { blameSection } from "./blame-section.ts";
import { describeDevice, deviceAt } from "./devices.ts";
import { type FactRow, type Mark, mapTexts, type ReportContent, type Section } from "./document.ts";
import {
  changesSection,
  diagnosisSection,
  evidenceSection,
  noEffectSection,
  triedSection,
  vmSection,
} from "./failure-sections.ts";
import { createHostFacts, type HostFacts } from "./host-facts.ts";
import { hostSections } from "./host-sections.ts";
import type { ReportInput } from "./input.ts";
import type { MaskedThing } from "./redaction.ts";
import { vendorQuestions } from "./vendor-questions.ts";
import { outcomeMark, quoted, shortened, timeOf } from "./words.ts";

/** Longer texts are cut; a kernel record has at most 1 KB and a line of QEMU's seldom more than 2. */
const LONGEST_TEXT = 4_000;

const SUBJECTS = {
  started: (vm: string) => `${vm} started`,
  failed: (vm: string) => `${vm} did not start`,
  "crashed-early": (vm: string) => `${vm} started and died soon after`,
  refused: (vm: string) => `The start of ${vm} was refused`,
} as const;

/**
 * Writes the report as a document. Pure: the same input gives the same document. `mask` replaces what names a person
 * or a machine; it sees each text before it is cut, so that no half of an address is left over. `masked` tells afterwards what it masked.
 */
export function describeReport(
  input: ReportInput,
  mask: ((text: string) => string) | undefined,
  masked: () => readonly MaskedThing[] = () => [],
): ReportContent {
  const facts = createHostFacts(input.facts);
  const content: ReportContent = {
    title: titleOf(input),
    outcome: outcomeOf(input),
    answer: answerOf(input),
    glance: glanceOf(input, facts),
    sections: sectionsOf(input, facts).filter(({ blocks }) => blocks.length > 0),
    notes: [
      ...(input.facts.length === 0 ? [] : [`Facts ${input.factsFrom}.`]),
      ...input.missing,
      mask === undefined
        ? "Nothing is masked: serial numbers and addresses stand as they are."
        : "Serial numbers, UUIDs, MAC and IP addresses, passwords, names of hosts, users, volumes and shares are replaced by placeholders such as MAC-1; one placeholder always stands for the same thing.",
    ],
    madeAt: input.madeAt,
    madeBy: input.madeBy,
  };
  const written = mapTexts(content, (text) => cut(mask === undefined ? text : mask(text)));
  return { ...written, notes: [...written.notes, ...maskedNotes(masked())] };
}

/** What was masked and what was left, by kind. */
function maskedNotes(things: readonly MaskedThing[]): readonly string[] {
  const told = (shown: boolean) => {
    const kinds = Map.groupBy(
      things.filter((thing) => thing.shown === shown),
      ({ kind }) => kind,
    );
    return [...kinds].map(([kind, all]) => {
      const places = all.reduce((sum, thing) => sum + thing.count, 0);
      return `${kind} ${all.length} (in ${places} ${places === 1 ? "place" : "places"})`;
    });
  };
  const [masked, shown] = [told(false), told(true)];
  return [
    ...(masked.length === 0
      ? []
      : [
          `Masked: ${masked.join(", ")}. On this host 'report --masked' lists them, 'report --show MAC-1' leaves one.`,
        ]),
    ...(shown.length === 0 ? [] : [`Left as it is, as asked for: ${shown.join(", ")}.`]),
  ];
}

function cut(text: string): string {
  if (text.length <= LONGEST_TEXT) return text;
  return `${text.slice(0, LONGEST_TEXT).toWellFormed()} … (${text.length - LONGEST_TEXT} more characters)`;
}

function titleOf({ attempt, vm }: ReportInput): string {
  if (attempt !== undefined) return SUBJECTS[attempt.outcome ?? "failed"](quoted(attempt.vm));
  return vm === undefined ? "Passthrough on this host" : `Passthrough of ${quoted(vm)}`;
}

function outcomeOf({ attempt }: ReportInput): Mark | undefined {
  return attempt === undefined ? undefined : outcomeMark(attempt.outcome, attempt.diagnosis !== undefined);
}

function answerOf({ attempt, answer: told, blame, vm }: ReportInput): readonly string[] {
  const why = attempt?.diagnosis === undefined ? undefined : told?.why;
  const answer = [...(why === undefined ? [] : [why]), ...(blame === undefined ? [] : [blame.headline])];
  if (answer.length > 0 || attempt !== undefined) return answer;
  return [
    vm === undefined ? "No failed start is on record." : `No failed start of ${quoted(vm)} is on record.`,
  ];
}

const GLANCE = [
  ["firmware.board.name", "Mainboard"],
  ["firmware.bios.version", "BIOS"],
  ["kernel.release", "Kernel"],
] as const;

function glanceOf({ attempt, devices, answer }: ReportInput, facts: HostFacts): readonly FactRow[] {
  const lastGood = answer?.lastGood;
  const named = devices.map((address) => {
    const device = deviceAt(facts, address);
    return device === undefined ? address : `${address} ${describeDevice(device)}`;
  });
  const row = (label: string, value: string): FactRow => ({ key: "", label, value, state: "value" });
  return [
    ...(attempt === undefined ? [] : [row(`Start ${attempt.number}`, timeOf(attempt.openedAt))]),
    ...(named.length === 0
      ? []
      : [row(named.length === 1 ? "Device" : "Devices", shortened(named, 8).join("; "))]),
    ...(attempt === undefined || attempt.groups.length === 0
      ? []
      : [row("IOMMU group", attempt.groups.join(", "))]),
    ...GLANCE.map(([key, label]) => ({ ...facts.row(key, label), code: false })),
    ...(lastGood === undefined
      ? []
      : [
          row(
            "Last good start",
            `${timeOf(lastGood.at)}${lastGood.bios === undefined ? "" : ` on BIOS ${lastGood.bios}`}`,
          ),
        ]),
  ];
}

function sectionsOf(input: ReportInput, facts: HostFacts): readonly Section[] {
  const { answer, attempt, blame, devices, vm } = input;
  const failed = attempt !== undefined && attempt.outcome !== "started";
  const diagnosis = attempt?.diagnosis;
  const host = hostSections(facts, devices);
  const questions = failed
    ? vendorQuestions({
        causes: diagnosis?.causes.map((cause) => cause.class) ?? [],
        devices: diagnosis?.causes[0]?.devices.length ? diagnosis.causes[0].devices : devices,
        facts,
        goodBios: answer?.lastGood?.bios,
        changes: answer?.changes?.flatMap((line) => line.changes) ?? [],
        biosBlamed: blame?.biosBlamed === true,
      })
    : [];
  const sections: readonly (Section | undefined)[] = [
    blameSection(blame, input.timeLine),
    diagnosis === undefined ? undefined : diagnosisSection(answer),
    attempt === undefined ? undefined : evidenceSection(attempt, input.hostSaid),
    failed && answer !== undefined ? changesSection(answer) : undefined,
    vm === undefined || input.tried.length === 0
      ? undefined
      : triedSection(vm, input.tried, input.triedEarlier, timeOf),
    noEffectSection(diagnosis),
    questions.length === 0
      ? undefined
      : {
          id: "questions",
          title: "Questions for the board's vendor",
          blocks: [{ kind: "list", ordered: true, items: questions }],
        },
    ...host.filter(({ id }) => id !== "software" && id !== "unknown"),
    vm === undefined ? undefined : vmSection(facts, vm, devices),
    ...host.filter(({ id }) => id === "software" || id === "unknown"),
  ];
  return sections.filter((section) => section !== undefined);
}
