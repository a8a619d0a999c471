import type { SignatureMatch } from "../../model/catalogue.ts";
import type { SignatureId } from "../../model/identifiers.ts";
import type { Speaker } from "../../model/speaker.ts";
import type { Matcher } from "../matcher.ts";
import { type RankableLine, refusesDevice } from "../rank.ts";
import { canSay, isNobodyKnown } from "../speakers.ts";
import { readSaidBy } from "./said-by.ts";
import type { SpokenBlock, SpokenLine } from "./spoken.ts";
import { isForm } from "./start-failure.ts";

/** More is not looked at when a line's own words are weighed; no known message is longer. */
const LONGEST_LINE_KEPT = 4_000;
const UNKNOWN: Speaker = { kind: "unknown" };

/** A match with the text that it was found in. */
interface Found {
  readonly text: string;
  readonly match: SignatureMatch;
}

/** What is known of a text from the mouth of its speaker. */
type Hear = (text: string, speaker: Speaker) => readonly SignatureMatch[];

/**
 * Makes the reader of blocks: the lines of one with what they say. `orderOf`: a signature's place in the catalogue,
 * where what is specific comes first.
 */
export function createBlockReader(
  matcher: Matcher,
  orderOf: ReadonlyMap<SignatureId, number>,
): (block: SpokenBlock) => readonly SpokenLine[] {
  const hear: Hear = (text, speaker) =>
    matcher
      .match(speaker.kind, asCSays(text))
      .filter((match) => canSay(speaker, match.signature.layer, text));
  return (block) => {
    const { speaker, when } = block.said;
    const spoken = (line: RankableLine, by: Speaker): SpokenLine => ({
      ...line,
      speaker: by,
      // Of a line that somebody pasted behind a line of a log nobody knows the time.
      when: isNobodyKnown(by) && !isNobodyKnown(speaker) ? undefined : when,
      block: block.number,
      isOfLongLog: block.isOfLongLog,
      isHearsay: isNobodyKnown(by) && !quotesItsSpeaker(line.text),
    });
    const [only] = block.lines;
    if (only === undefined) return [];
    if (block.lines.length === 1) return [spoken(lineWith(only, hear(only, speaker)), speaker)];
    const own = linesOf(block, speaker, hear, orderOf).map((line) => spoken(line, line.speaker));
    const isOfLog = when !== undefined && (speaker.kind === "kernel" || speaker.kind === "program");
    if (!isOfLog || only.endsWith(":")) return own;
    // What is pasted right behind a line of a log, without a blank between them, is no part of it.
    const rest = { lines: block.lines.slice(1), spaced: block.spaced.slice(1) };
    const known = new Set(own.flatMap(({ matches }) => matches.map(({ signature }) => signature.id)));
    const more = wholesOf(rest, UNKNOWN, hear, orderOf)
      .matches.filter(({ match }) => !known.has(match.signature.id) && !isForm(match))
      .map(({ text, match }) => spoken(lineWith(text, [match]), UNKNOWN));
    return [...own, ...more];
  };
}

type Pieces = Pick<SpokenBlock, "lines" | "spaced">;

/**
 * A message that was wrapped fits no signature on any single line, so the pieces are also tried together. What only
 * the whole shows is more than what a piece shows: the beginning of a known message is no unknown one, and what fits
 * the whole no longer was a part of something else.
 */
function linesOf(
  block: Pieces,
  speaker: Speaker,
  hear: Hear,
  orderOf: ReadonlyMap<SignatureId, number>,
): readonly (RankableLine & Pick<SpokenLine, "speaker">)[] {
  const single = block.lines.map((text, index) => {
    // After a colon a line goes on, and is no message that begins here.
    const begins = block.lines[index - 1]?.endsWith(":") !== true;
    const by = speakerOfLine(block, index, speaker);
    return { ...lineWith(text, hear(begins ? text : ` ${text}`, by)), speaker: by };
  });
  const pieces = new Map<SignatureId, Found[]>();
  for (const { text, matches } of single) {
    for (const match of matches) {
      const same = pieces.get(match.signature.id);
      if (same === undefined) pieces.set(match.signature.id, [{ text, match }]);
      else same.push({ text, match });
    }
  }
  const { matches, whole } = wholesOf(block, speaker, hear, orderOf);
  const more = matches.filter((found) => saysMore(found, pieces.get(found.match.signature.id)));
  const lines = more.map(({ text, match }) => ({ ...lineWith(text, [match]), speaker }));
  if (more.every(({ match }) => isForm(match))) {
    const isKnown = single.some(({ matches: own }) => own.some((match) => !isForm(match)));
    return isKnown ? single : [...lines, ...single];
  }
  const outdone = new Set(more.map(({ match }) => match.signature.id));
  const isLess = (match: SignatureMatch) => {
    const { id } = match.signature;
    return isForm(match) || outdone.has(id) || (!whole.has(id) && pieces.get(id)?.length === 1);
  };
  return [
    ...lines.filter((line) => !line.matches.some(isForm)),
    ...single.map((line) => without(line, isLess)),
  ];
}

/** What a program prints goes on in the next lines; what is pasted behind a line of a log may be anybody's. */
function speakerOfLine({ lines }: Pieces, index: number, first: Speaker): Speaker {
  const said = readSaidBy(lines[index] ?? "");
  const goesOn = isNobodyKnown(said.speaker) && readSaidBy(lines[0] ?? "").when === undefined;
  return index === 0 || (goesOn && first.kind === "program") ? first : said.speaker;
}

/**
 * What the pieces say together. How they belong together is not known: with a blank, without one (wrapping breaks
 * words, too), or as the text has it. Where the ways disagree, that one is right which fits the most specific
 * message, and then the one that names most.
 */
function wholesOf(
  block: Pieces,
  speaker: Speaker,
  hear: Hear,
  orderOf: ReadonlyMap<SignatureId, number>,
): { readonly matches: readonly Found[]; readonly whole: ReadonlySet<SignatureId> } {
  const texts = [block.lines.join(" "), block.lines.join(""), asWritten(block)];
  const ways = [...new Set(texts)].map((text) => hear(text, speaker).map((match) => ({ text, match })));
  const place = ({ match }: Found) => orderOf.get(match.signature.id) ?? Number.MAX_SAFE_INTEGER;
  const isShared = ({ match: { signature } }: Found) =>
    ways.every((way) => way.some(({ match }) => match.signature.id === signature.id));
  const [best = []] = ways
    .map((way) => ({
      way,
      place: Math.min(Number.MAX_SAFE_INTEGER, ...way.filter((found) => !isShared(found)).map(place)),
      named: way.reduce((sum, found) => sum + detailsOf(found), 0),
    }))
    .sort((a, b) => a.place - b.place || b.named - a.named)
    .map(({ way }) => way);
  return { matches: best, whole: new Set(best.map(({ match }) => match.signature.id)) };
}

function asWritten({ lines, spaced }: Pieces): string {
  return lines.map((line, index) => (index > 0 && spaced[index] === true ? ` ${line}` : line)).join("");
}

/** True where the whole shows what no piece does: the message itself, a device, an error, whose option it was. */
function saysMore(whole: Found, pieces: readonly Found[] | undefined): boolean {
  if (pieces === undefined) return true;
  const [piece, ...others] = pieces;
  if (piece === undefined || others.length > 0) return false;
  return detailsOf(whole) > detailsOf(piece);
}

function detailsOf({ text, match }: Found): number {
  return Object.keys(match.captures).length + (refusesDevice(text) ? 1 : 0);
}

/** QEMU puts its name in front of what it says, and libvirt and people who quote it leave it there. */
function quotesItsSpeaker(text: string): boolean {
  return /\b(?:qemu(?:-[\w.]+)*|kvm)(?:\[\d+\])?: \S/i.test(text);
}

/** Python puts the number in front of an error's text. */
function asCSays(line: string): string {
  return line.replaceAll(/\[Errno \d{1,3}\] /g, "");
}

/** A line with these matches; its layer is that of the first. */
function lineWith(text: string, matches: readonly SignatureMatch[]): RankableLine {
  return { layer: matches[0]?.signature.layer ?? "libvirt", text: text.slice(0, LONGEST_LINE_KEPT), matches };
}

/** The line without the matches that are not wanted. */
export function without<Line extends RankableLine>(
  line: Line,
  isUnwanted: (match: SignatureMatch) => boolean,
): Line {
  if (!line.matches.some(isUnwanted)) return line;
  const matches = line.matches.filter((match) => !isUnwanted(match));
  return { ...line, matches, layer: matches[0]?.signature.layer ?? "libvirt" };
}
