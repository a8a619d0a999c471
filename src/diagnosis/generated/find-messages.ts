import {
  formatAt,
  indexMessages,
  type KnownFormat,
  type MessageIndex,
} from "../../knowledge/message-data.ts";
import {
  type FormatFit,
  fit,
  folded,
  hashOfWord,
  type MessageFormat,
  parseFormat,
  wordsOf,
} from "../../knowledge/message-format.ts";
import type { Speaker } from "../../model/speaker.ts";
import { errnoNamed } from "../errno.ts";
import { canSay } from "../speakers.ts";

/** What is to be looked up. */
export interface SaidLine {
  readonly speaker: Speaker;
  /** Without what a log puts in front; more does no harm where a colon ends it. */
  readonly text: string;
}

/** A line and the message of some program's sources that it is. */
export interface FoundMessage {
  readonly known: KnownFormat;
  readonly fit: FormatFit;
  /** The part of the line that is the message, folded. */
  readonly words: string;
}

/** The rest of a line is not looked at. */
const LONGEST_LINE = 2_000;
/** A word that stands in more of the lines tells them apart no better than none: such a format is tried on the first. */
const MOST_LINES_OF_WORD = 400;

/**
 * For each line the message that says most of those that fit: only formats are looked at whose longest word stands in
 * some line. `index` is that of the data, for whoever has it already.
 */
export function findMessages(
  data: Uint8Array,
  lines: readonly SaidLine[],
  index: MessageIndex = indexMessages(data),
): readonly (FoundMessage | undefined)[] {
  const subjects = lines.map(({ text }) => folded(text.slice(0, LONGEST_LINE)).trim());
  const linesOfWord = new Map<number, number[]>();
  for (const [number, subject] of subjects.entries()) {
    for (const word of new Set(wordsOf(subject).map(hashOfWord))) {
      const others = linesOfWord.get(word);
      if (others === undefined) linesOfWord.set(word, [number]);
      else if (others.length < MOST_LINES_OF_WORD) others.push(number);
    }
  }
  const best: ({ readonly found: FoundMessage; readonly weight: number } | undefined)[] = [];
  for (const [place, key] of index.keys.entries()) {
    const candidates = linesOfWord.get(key);
    const known = candidates === undefined ? undefined : formatAt(data, index, place);
    if (candidates === undefined || known === undefined) continue;
    let format: MessageFormat | undefined;
    for (const number of candidates) {
      const line = lines[number];
      const subject = subjects[number];
      if (line === undefined || subject === undefined || !maySay(line.speaker, known.program, subject))
        continue;
      format ??= parseFormat(known.format);
      const weight = weightOf(known, format);
      if ((best[number]?.weight ?? 0) >= weight) continue;
      const found = fit(format, subject);
      if (found === undefined || (format.weight < OF_ANYBODY && found.gaps.some(isSentence))) continue;
      best[number] = {
        found: { known, fit: found, words: subject.slice(found.start, found.end) },
        weight,
      };
    }
  }
  return lines.map((_, number) => best[number]?.found);
}

/** `Failed to open %s` and other words that anybody says: what they leave open is a name, no sentence. */
const OF_ANYBODY = 20;
const MOST_WORDS_OF_NAME = 3;

function isSentence(gap: string): boolean {
  const words = gap
    .replaceAll(/'[^']*'|"[^"]*"/g, "x")
    .trim()
    .split(/\s+/);
  return words.length > MOST_WORDS_OF_NAME && errnoNamed(gap) === undefined;
}

/** Of two that say the same, an error is meant sooner than a note. */
function weightOf({ severity }: KnownFormat, { weight }: MessageFormat): number {
  return weight + (severity === "error" ? 0.5 : 0);
}

const OF_KERNEL: ReadonlySet<string> = new Set(["kernel", "nvidia", "vendor-reset"]);
const OF_RUST: ReadonlySet<string> = new Set(["cloud-hypervisor", "rust-vmm"]);
/** How these programs and what runs them put themselves in front: `<vmm> ERROR:vfio/src/lib.rs:12 -- `. */
const RUST_WORDS = /cloud-hypervisor|\.rs:\d|<\w+> (?:error|warn)|vmmerror|\bkata\b/;
/** libxl names itself or its function; what it says of a domain has its number. */
const XEN_WORDS = /xen|\b(?:lib)?xl\b|libxl|stubdom|\bdom(?:ain)? ?\d|\bdom0\b|\bxc_|qemu refused/;

function maySay(speaker: Speaker, program: string, text: string): boolean {
  if (OF_KERNEL.has(program)) return canSay(speaker, "kernel", text);
  if (OF_RUST.has(program)) return speaker.kind !== "kernel" && RUST_WORDS.test(text);
  if (program === "xen") return speaker.kind !== "kernel" && XEN_WORDS.test(text);
  // QEMU's tools for disks are made of its sources and start no VM.
  if (speaker.kind === "program" && program !== "qemu" && speaker.name.startsWith(program)) return true;
  return canSay(speaker, program === "qemu" ? "qemu" : "libvirt", text);
}
