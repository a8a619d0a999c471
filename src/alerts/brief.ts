import type { AlertContent } from "../model/alert.ts";
import { quotedVm, type VmName } from "../model/identifiers.ts";
import { cutAtWord, singleSpaced } from "./text.ts";

/** What a phone shows of a notification's title. */
export const SUBJECT_LIMIT = 60;
/** What a phone shows of a notification at all: subject, what to do and what changed, with all between them. */
export const BRIEF_LIMIT = 200;
const MOST_CHANGES = 2;
/** The first change keeps so much room whatever there is to do. */
const ROOM_FOR_CHANGE = 45;
const CHANGED = "Changed: ";
const SEPARATOR = " · ";

/** The part of an alert that everybody gets to see. */
export interface Brief {
  /** At most {@link SUBJECT_LIMIT} characters. */
  readonly subject: string;
  /** What to do first; undefined where there is nothing to be done. */
  readonly remedy: string | undefined;
  /** What changed, likeliest first, at most two lines. */
  readonly changes: readonly string[];
}

/** Who and why in one subject; a name that is too long is cut, the reason is not. */
export function startSubject(vm: VmName, what: string, why: string): string {
  const name = singleSpaced(quotedVm(vm));
  const whole = [`${name} ${what}: ${why}`, `${name}: ${why}`].find(({ length }) => length <= SUBJECT_LIMIT);
  return whole ?? `${cutInside(name, SUBJECT_LIMIT - why.length - 2)}: ${why}`;
}

/** A subject about a VM without a reason; a name that is too long is cut. */
export function vmSubject(vm: VmName, what: string): string {
  return `${cutInside(singleSpaced(quotedVm(vm)), SUBJECT_LIMIT - what.length - 1)} ${what}`;
}

/** Whether a text can stand as a subject, whole. */
export function isSubject(text: string): boolean {
  return text.length <= SUBJECT_LIMIT;
}

/** What of an alert has to fit: subject, what to do and what changed in {@link BRIEF_LIMIT} characters. */
export function briefOf(content: AlertContent): Brief {
  const subject = cutAtWord(singleSpaced(content.subject), SUBJECT_LIMIT) || "VFIO Watch";
  const changes = content.changes.map(shortChange).filter((line) => line !== undefined);
  const room = BRIEF_LIMIT - subject.length - 1;
  const [first] = changes;
  const kept = first === undefined ? 0 : 2 + CHANGED.length + Math.min(first.length, ROOM_FOR_CHANGE);
  const given = content.remedies?.[0] ?? content.remedy;
  const remedy =
    given === undefined
      ? ""
      : shortAdvice(singleSpaced(given), room - kept, content.vm && singleSpaced(content.vm));
  const left = room - CHANGED.length - 1 - (remedy === "" ? 0 : remedy.length + 1);
  return { subject, remedy: remedy === "" ? undefined : remedy, changes: fitting(changes, left) };
}

/** `Changed: …` in one line; undefined where nothing did. */
export function changedText({ changes }: Pick<Brief, "changes">): string | undefined {
  return changes.length === 0 ? undefined : `${CHANGED}${changes.join(SEPARATOR)}`.replace(/[^.…]$/, "$&.");
}

/** The first sentence where it fits, else without what stands in brackets, else up to the end of one of its parts. */
function shortAdvice(text: string, limit: number, vm: string | undefined): string {
  const sentence = firstSentence(text, vm);
  if (sentence.length <= limit) return sentence;
  const plain = withoutBrackets(sentence, vm);
  if (plain.length <= limit) return plain;
  const ends = [...masked(plain, vm).matchAll(/[,;:](?= )/g)].map(({ index }) => index);
  const end = ends.findLast((one) => one < limit && one > limit / 3);
  return end === undefined ? cutAtWord(plain, limit) : `${plain.slice(0, end)}…`;
}

function fitting([first, second]: readonly string[], limit: number): readonly string[] {
  if (first === undefined || limit < 2) return [];
  for (const shorten of [(line: string) => line, (line: string) => withoutBrackets(line)]) {
    const both = [first, second].flatMap((line) => (line === undefined ? [] : shorten(line)));
    if (both.slice(0, MOST_CHANGES).join(SEPARATOR).length <= limit) return both;
  }
  return [withoutBrackets(first).length <= limit ? withoutBrackets(first) : cutAtWord(first, limit)];
}

const LEFT_OUT = /^and \d+ more\b/;
/** A hash, an address or bytes of a table: nobody compares them on a phone. */
const HEX =
  /0x[0-9a-f]{5,}|\b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b|\b[0-9a-f]{16,}\b|(?:\b[0-9a-f]{2} ){4}/i;

/** A change for a small screen: that something did is enough where only a machine can read how. */
function shortChange(text: string): string | undefined {
  const line = singleSpaced(text).replace(/ \[new since the last failure\]$/, "");
  if (line === "" || LEFT_OUT.test(line)) return undefined;
  if (line.startsWith("BIOS ") || !HEX.test(line)) return line;
  const label = withoutBrackets(line.split(": ", 1)[0] ?? "")
    .replace(/ ?0x[0-9a-f]{5,}(?:-0x[0-9a-f]+)?/gi, "")
    .trim();
  if (label === "" || HEX.test(label)) return undefined;
  return line.includes("→") ? `${label} changed` : label;
}

function firstSentence(text: string, vm: string | undefined): string {
  const end = /[.!?](?= +["'‘“(]?\p{Lu})/u.exec(masked(text, vm))?.index;
  return end === undefined ? text : text.slice(0, end + 1);
}

/** A sentence without what it only adds; the name of the VM stays whole. */
export function withoutBrackets(text: string, vm?: string): string {
  const brackets = [...masked(text, vm).matchAll(/ ?\([^()]*\)/g)];
  return brackets.reduceRight(
    (left, { index, 0: { length } }) => left.slice(0, index) + left.slice(index + length),
    text,
  );
}

/** The text with names in it that hold no punctuation, each character in its place. */
function masked(text: string, vm: string | undefined): string {
  const ownless =
    vm === undefined || vm === "" ? text : text.replaceAll(vm, (name) => "x".repeat(name.length));
  return ownless.replace(/(?<![\p{L}\p{N}])'[^']+'(?![\p{L}\p{N}])/gu, (name) => "x".repeat(name.length));
}

/** Cuts a name that may stand in quotes so that it still does. */
function cutInside(name: string, limit: number): string {
  if (name.length <= limit) return name;
  const isQuoted = name.startsWith("'") && name.endsWith("'");
  const [quote, inner] = isQuoted ? ["'", name.slice(1, -1)] : ["", name];
  let kept = "";
  for (const character of inner) {
    if (kept.length + character.length + 2 * quote.length + 1 > limit) break;
    kept += character;
  }
  return `${quote}${kept.trimEnd()}…${quote}`;
}
