import type { VmName } from "../model/identifiers.ts";
import { formatDay } from "../time-words.ts";
import type { BlameAnswer } from "./ask-blame.ts";
import { describeBlameSections, type TextSection } from "./blame-sections.ts";
import { nameSuspect } from "./name-suspects.ts";
import { describePhases } from "./outcome-phases.ts";
import { describeDevice } from "./short-names.ts";
import type { SuspectSet } from "./suspects.ts";

/** The answer in words. Plain text from hostile names: escape it for where it goes. */
export interface BlameText {
  /** The answer in one sentence. */
  readonly headline: string;
  /** How certain that is, and why, in one or two sentences. */
  readonly certainty: string;
  /** First row: headings. Empty where there is no start at all. */
  readonly table: readonly (readonly string[])[];
  readonly sections: readonly TextSection[];
}

/** Puts the answer into words, for the terminal and for the report. */
export function describeBlame(answer: BlameAnswer): BlameText {
  return {
    headline: headline(answer),
    certainty: [certainty(answer), importedNote(answer)].filter((text) => text !== "").join(" "),
    table: biosTable(answer),
    sections: describeBlameSections(answer),
  };
}

const VERBS = { confirmed: "broke", likely: "most likely broke", possible: "may have broken" } as const;

function headline(answer: BlameAnswer): string {
  const { blame } = answer;
  const [first] = blame.sets;
  if (blame.certainty === "unknown" || first === undefined) return unknownHeadline(answer);
  const names = first.suspects.map((suspect) => nameSuspect(suspect, answer));
  const [lead] = names;
  if (lead === undefined) return unknownHeadline(answer);
  const listed = names.map(({ full }) => full).join(" or ");
  const who = names.length > 1 ? `${listed}, which always changed together,` : listed;
  const verb = VERBS[blame.certainty];
  return `${capital(who)} ${verb} ${victim(answer)}: ${describePhases(blame.trials, lead)}.`;
}

/** `passthrough of NVIDIA RTX 4060 Ti (0000:01:00.0) for 'Windows 11'` */
function victim(answer: BlameAnswer): string {
  const [device] = answer.devices;
  if (device === undefined) return `the start of ${quoted(failing(answer))}`;
  return `passthrough of ${describeDevice(device)} for ${quoted(failing(answer))}`;
}

/** VMs that share the device and had no failure are no victims. */
function failing({ blame, vms }: BlameAnswer): readonly VmName[] {
  const failed = new Set(blame.trials.flatMap(({ good, tally }) => (good ? [] : [tally.vm])));
  return failed.size === 0 ? vms : vms.filter((vm) => failed.has(vm));
}

function quoted(vms: readonly VmName[]): string {
  const names = vms.map((vm) => `'${vm}'`);
  const last = names.pop() ?? "any VM";
  return names.length === 0 ? last : `${names.join(", ")} and ${last}`;
}

function unknownHeadline(answer: BlameAnswer): string {
  const { blame, bios } = answer;
  const named = failing(answer);
  const vms = named.length === 0 ? "" : quoted(named);
  // Asked about a device, the answer is not about what the VM did with another one.
  const [device] = answer.question.device === undefined ? [] : answer.devices;
  const withDevice = device === undefined ? "" : ` with ${describeDevice(device)}`;
  const all = blame.good + blame.bad;
  const newest = bios.at(-1)?.version;
  const on = newest === undefined ? "" : ` on BIOS ${newest}`;
  switch (blame.reason) {
    case "no-failure":
      return `No start of ${vms}${withDevice} has failed: ${blame.good} of ${all} worked, the newest${on}.`;
    case "no-good-start":
      return `No start of ${vms}${withDevice} has ever worked on record (0 of ${all}), so there is no good state to compare with.`;
    case "comes-and-goes":
      return `No BIOS version and no other change explains why ${vms} ${named.length > 1 ? "fail" : "fails"}: it comes and goes (${blame.bad} of ${all} starts failed).`;
    case "nothing-changed":
      return `Nothing that is watched and could explain it changed when ${vms} began to fail (${blame.bad} of ${all} starts failed).`;
    case "in-use":
      return `${vms} failed ${blame.bad} of ${all} times because a device was in use, by another VM or a driver; that says nothing about the BIOS.`;
    case "facts-missing":
      return `${vms} failed ${blame.bad} of ${all} times, but what the host was at the good or at the failed starts is not on record.`;
    default:
      return answer.question.device !== undefined
        ? `No start with the device ${answer.question.device} is on record.`
        : vms === ""
          ? "No start of a VM is on record, so there is nothing to blame."
          : `No start of ${vms} is on record.`;
  }
}

function certainty(answer: BlameAnswer): string {
  const { blame } = answer;
  const [first, ...others] = blame.sets;
  if (blame.certainty === "unknown" || first === undefined) return unknownWhy(answer);
  const proof =
    first.proof.length > 0 ? "what is known to cause this failure came with it and was not there before" : "";
  const back = first.reverted ? "it was changed back and the outcome went back with it" : "";
  const odds = `the chance that failures at random would fall like this is ${odd(blame.chance)}`;
  const reasons = [back, proof].filter((text) => text !== "");
  switch (blame.certainty) {
    case "confirmed":
      return `Confirmed: ${(proof === "" ? [back, "nothing else divides good from failed starts", odds] : reasons).join(", and ")}.`;
    case "likely":
      return `Likely: ${(proof === "" ? [...reasons, odds] : reasons).join(", and ")}.${nextStep(first, blame.healed)}`;
    case "possible": {
      if (first.misplaced > 0)
        return `Possible, no more: it divides nearly all starts, with ${first.misplaced} on the wrong side.`;
      const rivals =
        others.length > 0
          ? `${others.length} other ${others.length === 1 ? "change fits" : "changes fit"} as well`
          : "";
      const together = first.suspects.length > 1 ? "they always changed together" : "";
      const few =
        first.proof.length === 0 && blame.chance >= 0.05
          ? `there are too few starts to exclude coincidence (${odd(blame.chance)})`
          : "";
      const held =
        blame.failure === "device-busy"
          ? "a device that is in use may be so by chance, because another VM has it"
          : "";
      const why = [together, rivals, few, held].filter((text) => text !== "");
      return `Possible, no more: ${why.length === 0 ? "nothing speaks against it, and nothing proves it" : why.join(", and ")}.`;
    }
  }
}

function nextStep(first: SuspectSet, isHealed: boolean): string {
  if (first.reverted) return "";
  return isHealed
    ? " It works again, so there is nothing to try; it was not changed back, which alone would confirm it."
    : " Going back and starting the VM would confirm it.";
}

function odd(chance: number): string {
  const ways = Math.round(1 / chance);
  return ways >= 1_000_000 ? "below 1 in a million" : `1 in ${ways}`;
}

function unknownWhy({ blame }: BlameAnswer): string {
  switch (blame.reason) {
    case "no-good-start":
      return "Unknown: import older material (vfio-watch import), or try an older BIOS; one good start is enough to compare.";
    case "comes-and-goes":
      return "Unknown: with the same facts it sometimes works and sometimes fails, so look at the failure itself (vfio-watch show).";
    case "nothing-changed":
      return "Unknown: whatever changed there had no effect before; something that no file shows may have changed (a BIOS setting, a cable, the card itself).";
    case "in-use":
      return "Unknown: nothing that changed explains who had it; see who does (vfio-watch check).";
    case "facts-missing":
      return "Unknown: nothing can be compared.";
    case "no-failure":
      return "There is nothing to blame.";
    default:
      return "";
  }
}

function importedNote({ imported, blame }: BlameAnswer): string {
  if (imported === "none") return "";
  const which = imported === "all" ? "All" : "Some";
  return blame.trials.length === 0 && blame.good === 0
    ? ""
    : `${which} of these starts were not seen live: they come from imported material.`;
}

/** BIOS version by outcome. */
function biosTable({ bios }: BlameAnswer): readonly (readonly string[])[] {
  if (bios.length === 0) return [];
  const refusals = bios.some(({ refused }) => refused > 0);
  return [
    [
      "BIOS",
      "first seen",
      "last seen",
      "starts",
      "worked",
      "failed",
      ...(refusals ? ["refused"] : []),
      "causes",
    ],
    ...bios.map((row) => [
      row.version ?? "not on record",
      formatDay(row.firstSeen),
      formatDay(row.lastSeen),
      String(row.starts),
      String(row.worked),
      String(row.failed),
      ...(refusals ? [String(row.refused)] : []),
      row.causes.map(({ cause, starts }) => `${cause} (${starts})`).join(", ") || "-",
    ]),
  ];
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
