import { valueText as text, textOf } from "../facts/fact-value.ts";
import type { FactValue } from "../model/fact.ts";
import type { FaultAnswer } from "./ask-blame.ts";
import type { Blame } from "./blame.ts";
import { labelOfKey, shortDeviceName, shortVersions } from "./short-names.ts";
import { addressOwner } from "./subject.ts";
import type { Suspect, SuspectFact } from "./suspects.ts";

/** How a suspect is spoken of. */
export interface SuspectName {
  /** With its value in the failed starts: `BIOS E7E49AMSI.1A95`. */
  readonly full: string;
  /** The fact by which its values are counted. */
  readonly lead: SuspectFact;
  /** `on A63`, `with q35`, `without it`. */
  readonly on: (value: FactValue) => string;
  /** `A63` */
  readonly short: (value: FactValue) => string;
  /** Where another card stands at the address that the VM asks for: what became of the one that worked. */
  readonly cards?: { readonly move: "moved" | "replaced"; readonly name: string; readonly where: string };
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
export function nameSuspect(suspect: Suspect, answer: FaultAnswer): SuspectName {
  const versioned = VERSIONED[suspect.family];
  const lead =
    suspect.facts.find(({ key }) => key === versioned?.key) ??
    suspect.facts.find(({ key }) => key === `at ${answer.devices[0]?.bdf}`) ??
    suspect.facts.find(({ mechanism }) => mechanism) ??
    suspect.facts[0];
  if (lead === undefined) throw new Error(`the suspect ${suspect.family} has no fact`);
  const bad = brokenValue(lead, answer.blame);
  const good = goodValue(lead, answer.blame);
  const short = (value: FactValue) => text(value);
  const on = (value: FactValue) => (value.state === "value" ? `with ${text(value)}` : "without it");
  const plain = { lead, short, on };
  if (versioned !== undefined && lead.key === versioned.key)
    return nameVersion(suspect, lead, versioned.word, bad);
  if (suspect.kind === "card-at-address")
    return { ...plain, ...nameCards(lead.key.slice("at ".length), good, bad, answer) };
  if (suspect.kind === "firmware-demand") {
    const table = /^firmware-tables\.(\w+)/.exec(lead.key)?.[1];
    const what =
      table === undefined
        ? "what the firmware demands of the group"
        : `what the firmware's table ${table} demands`;
    return {
      full: `a change of ${what}, without a new BIOS (as a BIOS setting would make it),`,
      lead,
      short: (value) => (value.state === "value" ? "that demand" : "none"),
      on: (value) => (value.state === "value" ? "with that demand" : "without it"),
    };
  }
  return { ...plain, full: changeInWords(suspect, lead, good, bad, answer) };
}

function nameVersion(suspect: Suspect, lead: SuspectFact, word: string, bad: FactValue): SuspectName {
  const versions = lead.counts.flatMap(({ value }) => textOf(value) ?? []);
  // Of a kernel's release people keep all.
  const shortened = suspect.family === "BIOS" ? shortVersions(versions) : new Map<string, string>();
  const short = (value: FactValue) => {
    const version = textOf(value);
    return version === undefined ? "an unknown version" : (shortened.get(version) ?? version);
  };
  return { full: `${word} ${text(bad)}`, lead, short, on: (value) => `on ${short(value)}` };
}

/** Another card at an address that the VM asks for: the one that worked moved, was replaced, or is gone. */
function nameCards(
  address: string,
  good: FactValue,
  bad: FactValue,
  answer: FaultAnswer,
): Pick<SuspectName, "full" | "short" | "on" | "cards"> {
  const plainName = (value: FactValue) => {
    const name = answer.names.get(textOf(value) ?? "");
    return name === undefined ? text(value) : shortDeviceName(name);
  };
  // Two cards of one model: only vendor and device numbers of their boards tell them apart.
  const areAlike = plainName(good) === plainName(bad);
  const nameOf = (value: FactValue) =>
    areAlike && plainName(value) !== text(value) ? `${plainName(value)} (${text(value)})` : plainName(value);
  const is = answer.stood.after.get(textOf(good) ?? "");
  const hasMoved = is !== undefined && is !== address;
  const full = hasMoved
    ? `the move of ${nameOf(good)} from ${address} to ${is}`
    : bad.state === "value"
      ? `the replacement of ${nameOf(good)} by ${nameOf(bad)} at ${address}`
      : `the removal of ${nameOf(good)} from ${address}`;
  const short = (value: FactValue) => (value.state === "value" ? nameOf(value) : "nothing");
  return {
    full,
    short,
    on: (value) => `with ${short(value)} at ${address}`,
    cards: { move: hasMoved ? "moved" : "replaced", name: nameOf(good), where: address },
  };
}

function changeInWords(
  suspect: Suspect,
  lead: SuspectFact,
  good: FactValue,
  bad: FactValue,
  answer: FaultAnswer,
): string {
  const moved = addressOwner(lead.key);
  const name = answer.names.get(moved ?? "");
  if (moved !== undefined) {
    const called = name === undefined ? `the device ${moved}` : shortDeviceName(name);
    if (bad.state !== "value") return `the removal of ${called}`;
    if (good.state !== "value") return `the addition of ${called}`;
    return `the move of ${called} from ${text(good)} to ${text(bad)}`;
  }
  const sentence = answer.changes?.find(({ key }) => key === lead.key)?.sentence;
  const more = suspect.facts.length > 1 ? ` and ${suspect.facts.length - 1} more` : "";
  const detail = sentence ?? `${labelOfKey(lead.key, answer.names)}: ${text(good)} → ${text(bad)}`;
  return `the change of ${describeFamily(suspect.family)} (${detail}${more})`;
}

/** `definition of VM Windows%2e11` with its real name in quotes. */
export function describeFamily(family: string): string {
  const [, part] = /^definition of VM (.*)$/.exec(family) ?? [];
  if (part === undefined) return family.replaceAll("%2e", ".").replaceAll("%25", "%");
  return `the definition of '${part.replaceAll("%2e", ".").replaceAll("%25", "%")}'`;
}

/** The value at the newest turn from good to bad, else the newest broken one. */
export function brokenValue(fact: SuspectFact, blame: Blame): FactValue {
  const position = blame.trials.findLastIndex((trial) => trial.tally === blame.boundary?.firstBad);
  return (
    valueNear(fact, position, 1, true) ??
    valueNear(fact, fact.pattern.length - 1, -1, true) ?? { state: "absent" }
  );
}

/** The value with which it worked just before. */
export function goodValue(fact: SuspectFact, blame: Blame): FactValue {
  const position = blame.trials.findLastIndex((trial) => trial.tally === blame.boundary?.lastGood);
  return valueNear(fact, position, -1, false) ?? valueNear(fact, 0, 1, false) ?? { state: "absent" };
}

/** The first broken or sound value from a trial on in that direction. */
function valueNear(
  { pattern, broken, counts }: SuspectFact,
  position: number,
  step: 1 | -1,
  isBroken: boolean,
): FactValue | undefined {
  for (let at = position; at >= 0 && at < pattern.length; at += step) {
    const value = pattern[at] ?? -1;
    if (value >= 0 && (broken[value] ?? false) === isBroken) return counts[value]?.value;
  }
  return undefined;
}
