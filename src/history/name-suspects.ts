import type { FactValue } from "../model/fact.ts";
import type { BlameAnswer } from "./ask-blame.ts";
import type { Blame } from "./blame.ts";
import { UNKNOWN_INDEX } from "./fact-table.ts";
import { shortDeviceName, shortVersions } from "./short-names.ts";
import { addressOwner } from "./subject.ts";
import type { Suspect } from "./suspects.ts";
import type { FactRecord, ValueCount } from "./weigh-facts.ts";

/** How a suspect is spoken of. */
export interface SuspectName {
  /** With its value in the failed starts: `BIOS E7E49AMSI.1A95`. */
  readonly full: string;
  /** The fact by which its values are counted. */
  readonly lead: FactRecord;
  /** `on A63`, `with q35`, `without it`. */
  readonly on: (value: FactValue) => string;
  /** `A63` */
  readonly short: (value: FactValue) => string;
  /** Another device stands at the address: the one that was there before. */
  readonly replaced?: string;
}

/** Families that are a version of something: the fact that carries it, and what it is called. */
const VERSIONED: Readonly<Record<string, { readonly key: string; readonly word: string }>> = {
  BIOS: { key: "firmware.bios.version", word: "BIOS" },
  kernel: { key: "kernel.release", word: "kernel" },
  "operating system": { key: "software.os.version", word: "operating system version" },
  QEMU: { key: "software.qemu", word: "QEMU" },
  libvirt: { key: "software.libvirt", word: "libvirt" },
};

/** The words for a suspect of this answer. */
export function nameSuspect(suspect: Suspect, answer: BlameAnswer): SuspectName {
  const versioned = VERSIONED[suspect.family];
  const lead =
    suspect.facts.find(({ key }) => key === versioned?.key) ??
    suspect.facts.find(({ key }) => key === `pci.${answer.devices[0]?.identity}.address`) ??
    suspect.facts.find(({ key }) => key.endsWith(".address")) ??
    suspect.facts.find(({ mechanism }) => mechanism) ??
    suspect.facts[0];
  if (lead === undefined) throw new Error(`the suspect ${suspect.family} has no fact`);
  const bad = brokenValue(lead, answer.blame);
  const good = goodValue(lead, answer.blame);
  if (versioned !== undefined && lead.key === versioned.key) {
    const versions = lead.counts.flatMap(({ value }) => (value.state === "value" ? [value.value] : []));
    // Of a kernel's release people keep all.
    const shortened = suspect.family === "BIOS" ? shortVersions(versions) : new Map<string, string>();
    const short = (value: FactValue) =>
      value.state === "value" ? (shortened.get(value.value) ?? value.value) : "an unknown version";
    return { full: `${versioned.word} ${text(bad)}`, lead, short, on: (value) => `on ${short(value)}` };
  }
  const swap = replacement(suspect, lead, answer);
  if (swap !== undefined) {
    const called = (value: FactValue) => (value.state === "value" ? swap.after : swap.before);
    return {
      full: `the replacement of ${swap.before} by ${swap.after} at ${swap.address}`,
      lead,
      short: called,
      on: (value) => `with ${called(value)}`,
      replaced: swap.before,
    };
  }
  if (suspect.family === "firmware tables" && lead.mechanism) {
    const table = lead.key.split(".")[1];
    return {
      full: `a change of what the firmware's table ${table} demands, without a new BIOS (as a BIOS setting would make it),`,
      lead,
      short: (value) => (value.state === "value" ? "that demand" : "none"),
      on: (value) => (value.state === "value" ? "with that demand" : "without it"),
    };
  }
  const short = (value: FactValue) => text(value);
  const on = (value: FactValue) => (value.state === "value" ? `with ${short(value)}` : "without it");
  return { full: changeInWords(suspect, lead, good, bad, answer), lead, short, on };
}

/** One device at the address of another that is gone; the lead is the address of the new one. */
function replacement(
  suspect: Suspect,
  lead: FactRecord,
  answer: BlameAnswer,
): { readonly before: string; readonly after: string; readonly address: string } | undefined {
  const address = brokenValue(lead, answer.blame);
  if (addressOwner(lead.key) === undefined || address.state !== "value") return undefined;
  if (goodValue(lead, answer.blame).state !== "absent") return undefined;
  // Gone, or at another address by now.
  const old = suspect.facts.find((fact) => {
    if (addressOwner(fact.key) === undefined) return false;
    const [was, is] = [goodValue(fact, answer.blame), brokenValue(fact, answer.blame)];
    return text(was) === address.value && text(is) !== address.value;
  });
  if (old === undefined) return undefined;
  const nameOf = (key: string) => {
    const name = answer.names.get(addressOwner(key) ?? "");
    return name === undefined ? (addressOwner(key) ?? key) : shortDeviceName(name);
  };
  return { before: nameOf(old.key), after: nameOf(lead.key), address: address.value };
}

function changeInWords(
  suspect: Suspect,
  lead: FactRecord,
  good: FactValue,
  bad: FactValue,
  answer: BlameAnswer,
): string {
  const moved = /^pci\.([^.]+)\.address$/.exec(lead.key)?.[1];
  if (moved !== undefined && good.state === "value" && bad.state === "value") {
    const device = answer.devices.find(({ identity }) => identity === moved);
    const name =
      device?.name !== undefined ? shortDeviceName(device.name) : `${device?.kind ?? "the device"} ${moved}`;
    return `the move of ${name} from ${good.value} to ${bad.value}`;
  }
  const sentence = answer.changes?.find(({ key }) => key === lead.key)?.sentence;
  const more = suspect.facts.length > 1 ? ` and ${suspect.facts.length - 1} more` : "";
  const detail = sentence ?? `${lead.key}: ${text(good)} → ${text(bad)}`;
  return `the change of ${describeFamily(suspect.family)} (${detail}${more})`;
}

/** `definition of VM Windows%2e11` with its real name in quotes. */
export function describeFamily(family: string): string {
  const [, part] = /^definition of VM (.*)$/.exec(family) ?? [];
  if (part === undefined) return family.replaceAll("%2e", ".").replaceAll("%25", "%");
  return `the definition of '${part.replaceAll("%2e", ".").replaceAll("%25", "%")}'`;
}

function text(value: FactValue): string {
  return value.state === "value" ? value.value : value.state === "absent" ? "none" : "unknown";
}

/** The value at the newest turn from good to bad, else the newest one with which it mostly failed. */
export function brokenValue(record: FactRecord, blame: Blame): FactValue {
  const position = blame.trials.findLastIndex((trial) => trial.tally === blame.boundary?.firstBad);
  const end = record.pattern.length - 1;
  // The newest failure may be one of the few on the wrong side: what it happened with is not what breaks.
  const found = countNear(record, position, 1, failsMostly) ?? countNear(record, end, -1, failsMostly);
  return (found ?? record.counts.find(({ bad }) => bad > 0))?.value ?? { state: "absent" };
}

/** The value with which it worked just before. */
function goodValue(record: FactRecord, blame: Blame): FactValue {
  const position = blame.trials.findLastIndex((trial) => trial.tally === blame.boundary?.lastGood);
  const found = countNear(record, position, -1, (count) => !failsMostly(count));
  return (found ?? record.counts.find(({ good }) => good > 0))?.value ?? { state: "absent" };
}

function failsMostly({ good, bad }: ValueCount): boolean {
  return bad > good;
}

/** The first such value from a trial on in that direction. */
function countNear(
  record: FactRecord,
  position: number,
  step: 1 | -1,
  isSuch: (count: ValueCount) => boolean,
): ValueCount | undefined {
  for (let at = position; at >= 0 && at < record.pattern.length; at += step) {
    const count = record.counts[record.pattern[at] ?? UNKNOWN_INDEX];
    if (count !== undefined && isSuch(count)) return count;
  }
  return undefined;
}
