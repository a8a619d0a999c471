import type { KnownFormat } from "../../knowledge/message-data.ts";
import { folded } from "../../knowledge/message-format.ts";
import type { CauseClass } from "../../model/catalogue.ts";
import { type SignatureId, signatureId } from "../../model/identifiers.ts";
import { type ErrnoName, errnoNamed } from "../errno.ts";
import type { FoundMessage } from "./find-messages.ts";
import { classOf } from "./message-class.ts";
import { nameInSentence, partOf, programName } from "./message-parts.ts";

/** What is known of a message that no signature knows: who refuses, in which part of it, and with which error. */
export interface MessageAnswer {
  /** By rule, and so never certain; undefined where the rules know none. */
  readonly class: CauseClass | undefined;
  readonly signature: SignatureId;
  /** One sentence for a person: the program, the part of it, its own words, the error in words. */
  readonly sentence: string;
  readonly remedies: readonly string[];
  readonly errno: ErrnoName | undefined;
  readonly known: KnownFormat;
}

const LONGEST_QUOTE = 240;

/** Says what a found message is; undefined where it speaks of no trouble. `text` is the line that it was found in. */
export function messageAnswer(found: FoundMessage, text: string): MessageAnswer | undefined {
  const { known } = found;
  if (!speaksOfTrouble(known)) return undefined;
  if (OF_KERNEL.has(known.program) && HEDGED.test(found.words)) return undefined;
  const errno = errnoOf(found);
  const quote = quoted(found, text);
  const who = `${programName(known.program)}${partOf(known)}`;
  const verb = known.severity === "error" && !OF_KERNEL.has(known.program) ? "refuses" : "says";
  return {
    class: classOf(known, { words: found.words, errno }),
    signature: signatureId(`generated.${known.program}`),
    sentence: `${who} ${verb}: ${quote}${errno === undefined ? "." : ` (${ERRNO_WORDS[errno]}).`}`,
    remedies: [placeOf(known)],
    errno,
    known,
  };
}

const OF_KERNEL: ReadonlySet<string> = new Set(["kernel", "nvidia", "vendor-reset"]);
const TROUBLE =
  /fail|unable|cannot|can't|can not|could ?n[o']t|couldn't|\bnot\b|\bno\b|invalid|unsupported|missing|error|time[ds]? ?out|stuck|lost|giv(?:e|ing) up|(?:\b|_)fault|illegal|corrupt|bad\b|broken|refus|reject|denied|deny|conflict|mismatch|unexpected|unknown|wrong|bug\b|disabl|ineligible|inconsistent|overflow|exceed|too (?:many|small|large|long|big)|hang|hung|dead|wedged|fallen|containment|without|busy|in use|down\b|removed|abort|halt|required|blocked/i;

/** A driver that asks, or says how it helps itself, goes on. */
const HEDGED =
  /\?|\bassum|\boptional\b|\breliable\b|\banyway\b|fall(?:s|ing)? ?back|harmless|\bignor(?:ed|ing)\b/i;

/** They print notes and errors with the same call. */
const LOGS_ALIKE = /^swtpm |^qemu tools\/virtiofsd\//;
/** Who warns and says so goes on. */
const GOES_ON = /^ignoring\b|\bignored$/i;

/**
 * Whether a format tells of something that goes wrong. Drivers call good news an error and bad news a note; what QEMU
 * and libvirt raise as an error or warn of is trouble, whatever its words.
 */
export function speaksOfTrouble({ program, path, severity, format }: KnownFormat): boolean {
  // A note of QEMU's is a hint at what may help.
  if (OF_KERNEL.has(program) || LOGS_ALIKE.test(`${program} ${path}`)) return TROUBLE.test(format);
  return severity === "error" || (severity === "warning" && !GOES_ON.test(format));
}

/** The error number at the end of a message, which the format leaves open, as text or as a number. */
function errnoOf({ fit, words }: FoundMessage): ErrnoName | undefined {
  for (const gap of fit.gaps.toReversed()) {
    const named = errnoNamed(gap.replace(/^.*: /, "").replace(/[.\s]+$/, ""));
    if (named !== undefined && /[a-z-]/.test(gap)) return named;
  }
  const last = /(?:: |\(|= |error )(-\d{1,3})\)?$|: ([a-z][a-z ,'/]+)$/.exec(words);
  return last === null ? undefined : errnoNamed(last[1] ?? last[2] ?? "");
}

/** The message as the line has it, where folding it has moved nothing. */
function quoted({ fit, words }: FoundMessage, text: string): string {
  const trimmed = text.trim();
  const whole = folded(trimmed).length === trimmed.length ? trimmed.slice(fit.start, fit.end).trim() : words;
  const short = whole.length > LONGEST_QUOTE ? `${whole.slice(0, LONGEST_QUOTE - 1)}…` : whole;
  return short.includes('"') ? `'${short}'` : `"${short}"`;
}

/** Where the condition can be read that made a program say so. */
function placeOf({ program, path, function: inFunction, versions }: KnownFormat): string {
  const where = path === "" || path.endsWith("/") ? "several files" : path;
  const inside = inFunction === "" ? "" : `, function ${inFunction}`;
  const newest = versions.at(-1);
  const version = newest === undefined ? "" : ` (as of version ${newest})`;
  return `This message is known from the sources of ${nameInSentence(program)} only: it stands in ${where}${inside}${version}, where one can read when it is said. Search for its exact words, too.`;
}

const ERRNO_WORDS: Readonly<Record<ErrnoName, string>> = {
  EPERM: "EPERM: it is not allowed to",
  ENOENT: "ENOENT: what it wanted does not exist",
  EIO: "EIO: the device or the disk did not answer properly",
  ENXIO: "ENXIO: there is no such device at that address",
  EAGAIN: "EAGAIN: it is taken at the moment",
  ENOMEM: "ENOMEM: the host did not give the memory",
  EACCES: "EACCES: its user may not open that",
  EFAULT: "EFAULT: an address that is not there",
  EBUSY: "EBUSY: somebody else uses it",
  EEXIST: "EEXIST: it exists already",
  ENODEV: "ENODEV: there is no such device, or no driver has it",
  EINVAL: "EINVAL: what was asked for is not possible in this way",
  ENOTTY: "ENOTTY: the kernel or the device does not know that call",
  ENOSPC: "ENOSPC: there is no room left",
  EOPNOTSUPP: "EOPNOTSUPP: not supported here",
  ETIMEDOUT: "ETIMEDOUT: no answer came in time",
};
