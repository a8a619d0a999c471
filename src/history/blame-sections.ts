import { valueText as text } from "../facts/fact-value.ts";
import { formatMinute } from "../time-words.ts";
import type { BlameAnswer } from "./ask-blame.ts";
import type { Blame } from "./blame.ts";
import { blameCertainty, blameHeadline, outOf } from "./blame-sentences.ts";
import { whatWouldSettle } from "./blame-settle.ts";
import { brokenValue, describeFamily, nameSuspect, type SuspectName } from "./name-suspects.ts";
import { describePhases } from "./outcome-phases.ts";
import { describeDevice, labelOfKey } from "./short-names.ts";
import type { SuspectFact, SuspectSet } from "./suspects.ts";

/** A heading and lines below it. */
export interface TextSection {
  readonly title: string;
  readonly lines: readonly string[];
}

const MOST_CHANGES = 12;
const MOST_SETS = 4;

/** What stands below the answer; sections without content are left out. */
export function describeBlameSections(answer: BlameAnswer): readonly TextSection[] {
  return [
    { title: "Where it turned", lines: boundaryLines(answer) },
    { title: "What changed there", lines: changeLines(answer) },
    { title: "How it breaks the start", lines: mechanismLines(answer) },
    ...suspectSections(answer),
    { title: "Cleared", lines: clearedLines(answer) },
    { title: "What would tell them apart", lines: settleLines(answer) },
    ...answer.others.map((other) => ({
      title: "Another fault",
      lines: [blameHeadline(other), blameCertainty(other)],
    })),
    { title: "Also", lines: otherLines(answer) },
  ].filter(({ lines }) => lines.length > 0);
}

function boundaryLines({ blame, bios }: BlameAnswer): readonly string[] {
  const { boundary, healedBy } = blame;
  if (boundary === undefined) return [];
  const { lastGood, firstBad } = boundary;
  const lines = [
    `Last good start before it: #${lastGood.lastNumber}, ${formatMinute(lastGood.lastAt)}${inBoot(lastGood.bootOrdinal)}`,
    `First failed start after it: #${firstBad.firstNumber}, ${formatMinute(firstBad.firstAt)}${inBoot(firstBad.bootOrdinal)}`,
  ];
  if (healedBy !== undefined)
    lines.push(
      `Works again since: #${healedBy.firstNumber}, ${formatMinute(healedBy.firstAt)}${inBoot(healedBy.bootOrdinal)}`,
    );
  else if (bios.length > 0) lines.push("It has not worked since.");
  return lines;
}

function inBoot(ordinal: number | undefined): string {
  return ordinal === undefined ? "" : `, boot b${ordinal}`;
}

function changeLines({ changes, otherChanges, blame }: BlameAnswer): readonly string[] {
  if (blame.boundary === undefined) return [];
  if (changes === undefined) return ["Not on record: one of the two starts has no snapshot."];
  const lines = changes.slice(0, MOST_CHANGES).map(({ sentence }) => sentence);
  if (lines.length === 0) lines.push("Nothing that can matter for it.");
  const { lastGood, firstBad } = blame.boundary;
  const more = Math.max(0, changes.length - MOST_CHANGES) + otherChanges;
  if (more > 0)
    lines.push(
      `${more} more, with less to do with it: vfio-watch diff ${lastGood.lastNumber} ${firstBad.firstNumber}`,
    );
  return lines;
}

/** For the 1:1 refusal: which entry of which table, in the vendor's own terms. */
function mechanismLines(answer: BlameAnswer): readonly string[] {
  const { blame, newest } = answer;
  const proof = blame.sets[0]?.proof ?? [];
  if (proof.length > 0) {
    const fromFirmware = (record: SuspectFact) => Number(record.group === "firmware-tables");
    return proof
      .toSorted((a, b) => fromFirmware(b) - fromFirmware(a))
      .map((record) => proofLine(record, answer));
  }
  if (blame.failure !== "iommu-direct-mapping-required" || newest === undefined) return [];
  // Without a good start there is nothing to compare, but what the firmware demands is there to be seen.
  const lines: string[] = [];
  for (const { key, value } of newest.facts) {
    if (value.state !== "value") continue;
    const table = /^firmware-tables\.(IVRS|DMAR)\.(?:ivmd|rmrr)\.\d+$/.exec(key)?.[1];
    if (table !== undefined)
      lines.push(`The firmware's table ${table} demands a fixed mapping: ${value.value}`);
  }
  return lines;
}

function proofLine(record: SuspectFact, answer: BlameAnswer): string {
  const value = text(brokenValue(record, answer.blame));
  const table = /^firmware-tables\.(IVRS|DMAR)\./.exec(record.key)?.[1];
  if (table !== undefined)
    return `The firmware's table ${table} of the failed starts holds an entry that those of the good starts do not: ${value}`;
  const group = /^iommu\.group\.([^.]+)\.direct$/.exec(record.key)?.[1];
  if (group !== undefined) {
    const device = answer.devices.find(({ identity }) => identity === group) ?? answer.devices[0];
    const name = device === undefined ? group : describeDevice(device);
    return `The kernel shows the direct region ${value} for the IOMMU group of ${name}, and hands no such group to a VM.`;
  }
  const sentence = answer.changes?.find(({ key }) => key === record.key)?.sentence;
  return sentence ?? `${labelOfKey(record.key, answer.names)} is ${value} in the failed starts`;
}

function suspectSections(answer: BlameAnswer): readonly TextSection[] {
  return answer.blame.sets.slice(0, MOST_SETS).map((set, index) => {
    const names = set.suspects.map((suspect) => nameSuspect(suspect, answer));
    const title = `${index === 0 ? "Suspect" : "Also fits"}: ${names.map(({ full }) => full).join(set.together ? " together with " : " or ")}`;
    const [lead] = names;
    return {
      title,
      lines:
        lead === undefined ? [] : [...speaksFor(set, lead, answer), ...speaksAgainst(set, answer, index)],
    };
  });
}

function speaksFor(set: SuspectSet, lead: SuspectName, { blame }: BlameAnswer): readonly string[] {
  const lines = [`for: ${describePhases(blame.trials, lead)}`];
  if (set.proof.length > 0) lines.push("for: the known mechanism of this failure came and went with it");
  if (set.reverted) lines.push("for: it went back, and the outcome went back with it");
  lines.push(`chance: ${outOf(set.probability)}`);
  return lines;
}

function speaksAgainst(set: SuspectSet, { blame }: BlameAnswer, index: number): readonly string[] {
  const lines: string[] = [];
  if (set.misplaced > 0) lines.push(`against: ${count(set.misplaced)} went the other way`);
  if (set.changedAlone > 0)
    lines.push(
      `against: it changed ${times(set.changedAlone)} without any effect, and ${times(set.turnedWith)} with one`,
    );
  if (set.suspects.length > 1 && !set.together)
    lines.push("against each: they always changed together, so the history cannot say which of them it was");
  for (const { family } of set.besides)
    lines.push(`besides: ${describeFamily(family)} changed with it, and seldom does such a thing`);
  if (!set.reverted)
    lines.push(
      blame.healed
        ? "against: it was never changed back; it works since it was changed to something else"
        : "against: it was never changed back to see whether that heals",
    );
  const leftOut = leftOutStarts(set, blame);
  if (leftOut !== "") lines.push(leftOut);
  if (index > 0 && set.proof.length === 0 && (blame.sets[0]?.proof.length ?? 0) > 0)
    lines.push("against: it did not bring the mechanism of this failure");
  return lines;
}

function leftOutStarts(set: SuspectSet, { trials }: Blame): string {
  const fact = set.suspects[0]?.facts[0];
  const left = trials.filter((_trial, position) => fact?.pattern[position] === -1);
  if (fact === undefined || left.length === 0) return "";
  const starts = count(left.reduce((sum, { tally }) => sum + tally.count, 0));
  return fact.key.startsWith("vm.") && new Set(trials.map(({ tally }) => tally.vm)).size > 1
    ? `left out: ${starts} of other VMs with the device, or with its value not on record`
    : `left out: ${starts} at which its value is not on record`;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

function clearedLines(answer: BlameAnswer): readonly string[] {
  const { blame, changes } = answer;
  const told = new Set<string>();
  return blame.cleared.flatMap((record) => {
    const sentence =
      changes?.find(({ key }) => key === record.key)?.sentence ?? labelOfKey(record.key, answer.names);
    if (told.has(sentence)) return [];
    told.add(sentence);
    const both = record.counts.find(({ good, bad }) => good > 0 && bad > 0);
    const why =
      both === undefined
        ? ""
        : `: with ${text(both.value)}, ${count(both.good)} worked and ${both.bad} failed`;
    return [`${sentence} (it changed there too${why})`];
  });
}

function settleLines(answer: BlameAnswer): readonly string[] {
  const said = whatWouldSettle(answer);
  return said === undefined ? [] : [said];
}

function otherLines({ otherClasses, otherVms, madeAnewAt, blame }: BlameAnswer): readonly string[] {
  const lines = madeAnewAt.map(
    (at) =>
      `The VM was made anew on ${formatMinute(at)} with the same name and devices; its starts before that count too.`,
  );
  for (const { cause, starts } of otherClasses) {
    if (blame.reason === "in-use" || blame.reason === "not-passthrough") continue;
    if (cause === "refused")
      lines.push(
        `${count(starts)} ${starts === 1 ? "was" : "were"} refused by the platform's own policy; that says nothing about the device.`,
      );
    else if (cause === "cut-short")
      lines.push(
        `${count(starts)} ${starts === 1 ? "was" : "were"} cut short when the host went down; how ${starts === 1 ? "it" : "they"} would have gone is not known.`,
      );
    else if (blame.failure !== undefined)
      lines.push(`${count(starts)} failed for another reason (${cause}), which was left out.`);
  }
  for (const { vm, at, number, cause } of otherVms)
    lines.push(
      `'${vm}' fails too: #${number}, ${formatMinute(at)}${cause === undefined ? "" : `, ${cause}`} (vfio-watch blame --vm ${shellQuoted(vm)})`,
    );
  return lines;
}

function count(starts: number): string {
  return starts === 1 ? "1 start" : `${starts} starts`;
}

/** A name that can be pasted into a shell. */
function shellQuoted(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
