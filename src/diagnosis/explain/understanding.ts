import type { SignatureMatch } from "../../model/catalogue.ts";
import type { Speaker } from "../../model/speaker.ts";
import { isAskedFor } from "../matcher.ts";
import { isNobodyKnown } from "../speakers.ts";
import type { SpokenBlock, SpokenLine } from "./spoken.ts";

/**
 * How far a text without a known failure is understood. `healthy`: a log as a whole, or lines that are known to be
 * ordinary. `unknown`: nothing that is known, and that is no all-clear. `empty`: there is nothing to look at.
 */
export type Understanding = "healthy" | "unknown" | "empty";

export interface LookedAt {
  readonly lines: number;
  /** Who said how many of them, most first. */
  readonly speakers: readonly { readonly name: string; readonly lines: number }[];
}

/** What is longer and mostly somebody's log is one that was pasted whole. */
const WHOLE_LOG = 50;
const MOSTLY = 0.8;
const MOST_SPEAKERS = 6;
const NOBODY = "nobody known";
/** What no healthy log says; the words that other trouble comes in are the catalogue's. */
const ALARMING =
  /\b(?:BUG|Oops|kernel panic|Kernel panic|general protection fault|Machine check events logged|segfault|\[Hardware Error\])\b|NVRM: Xid/;

/** Says what was looked at. */
export function lookedAt(blocks: readonly SpokenBlock[]): LookedAt {
  const counts = new Map<string, number>();
  let lines = 0;
  for (const { said, lines: own } of blocks) {
    lines += own.length;
    const name = nameOf(said.speaker);
    counts.set(name, (counts.get(name) ?? 0) + own.length);
  }
  const speakers = [...counts].sort((a, b) => b[1] - a[1]).map(([name, count]) => ({ name, lines: count }));
  const [others, rest] = [speakers.slice(0, MOST_SPEAKERS), speakers.slice(MOST_SPEAKERS)];
  const more = rest.reduce((sum, speaker) => sum + speaker.lines, 0);
  return { lines, speakers: more === 0 ? others : [...others, { name: "other programs", lines: more }] };
}

/** Whether a text in which nothing known is wrong is understood. */
export function understand(blocks: readonly SpokenBlock[], known: readonly SpokenLine[]): Understanding {
  if (blocks.length === 0) return "empty";
  if (blocks.some(({ text, said }) => said.speaker.kind === "kernel" && ALARMING.test(text)))
    return "unknown";
  if (isWholeLog(blocks)) return "healthy";
  const ordinary = new Set(known.filter(({ matches }) => matches.some(isOrdinary)).map(({ block }) => block));
  return blocks.every(({ number }) => ordinary.has(number)) ? "healthy" : "unknown";
}

/** What somebody asked for, or tells, says nothing of how it went. */
function isOrdinary({ signature: { role, start } }: SignatureMatch): boolean {
  return (role === "noise" || role === "context") && !isAskedFor(start);
}

/** Whether a text is a log and not an excerpt of one. */
export function isWholeLog(blocks: readonly SpokenBlock[]): boolean {
  const own = blocks.filter(({ said }) => said.when !== undefined && !isNobodyKnown(said.speaker)).length;
  return own >= WHOLE_LOG && own >= blocks.length * MOSTLY;
}

/** In a sentence: `one line of the kernel`, `3 lines: 2 of the kernel, 1 that does not say whose it is`. */
export function describeLookedAt({ lines, speakers }: LookedAt): string {
  const [only, ...others] = speakers;
  const count = lines === 1 ? "one line" : `${lines} lines`;
  if (only === undefined) return count;
  if (others.length === 0) return `${count} ${whose(only)}`;
  return `${count}: ${speakers.map((speaker) => `${speaker.lines} ${whose(speaker)}`).join(", ")}`;
}

function whose({ name, lines }: LookedAt["speakers"][number]): string {
  if (name !== NOBODY) return `of ${name}`;
  return lines === 1 ? "that does not say whose it is" : "that do not say whose they are";
}

function nameOf(speaker: Speaker): string {
  switch (speaker.kind) {
    case "kernel":
      return "the kernel";
    case "qemu":
      return "QEMU";
    case "libvirt":
      return "libvirt";
    case "proxmox":
      return "Proxmox";
    case "program":
      return speaker.name.slice(0, 40);
    case "person":
      return "people";
    default:
      return NOBODY;
  }
}
