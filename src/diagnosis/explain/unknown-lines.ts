import type { Cause } from "../../model/diagnosis.ts";
import type { SaidLine } from "../generated/find-messages.ts";
import { type MessageFinder, unknownCauses } from "../generated/unknown-causes.ts";
import { isNobodyKnown } from "../speakers.ts";
import { readSaidBy } from "./said-by.ts";
import { isNote, type SpokenBlock, type SpokenLine } from "./spoken.ts";

/** Who quotes so few lines asks about them. */
const MOST_QUOTED = 40;
/** In more of the kernel's lines than these, some driver of the host says something of its own. */
const MOST_OF_KERNEL = 3;
/** More are not looked up; those nearest to the end come first. */
const MOST_LOOKED_UP = 400;

/**
 * What may be wrong by the messages that programs' sources hold, where no signature knows why. `isFailure` says that a
 * start failed and `scope` is what was said around it: then QEMU's, libvirt's and the VFIO drivers' words count. Where
 * nothing failed, only a short quote is looked at, for somebody wants to know what it means.
 */
export function causesInUnknownLines(
  scope: readonly SpokenBlock[],
  known: readonly SpokenLine[],
  isFailure: boolean,
  find: MessageFinder,
): readonly Cause[] {
  if (!isFailure && scope.length > MOST_QUOTED) return [];
  const isKernelAsked = scope.length <= MOST_OF_KERNEL;
  const harmless = new Set(known.filter(isHarmless).map(({ block }) => block));
  const lines = scope
    .filter(({ number, text }) => !harmless.has(number) && !isNote(text))
    .flatMap(linesOf)
    .filter(
      ({ speaker }) => isKernelAsked || speaker.kind !== "kernel" || /vfio/i.test(speaker.driver ?? ""),
    );
  return unknownCauses(lines.slice(-MOST_LOOKED_UP), find, isFailure);
}

/** Known to mean nothing. */
function isHarmless({ matches }: SpokenLine): boolean {
  return matches.some(({ signature }) => signature.role === "noise" && signature.start === undefined);
}

/** A message may have been wrapped, between words and within one. */
function linesOf({ lines, said }: SpokenBlock): readonly SaidLine[] {
  const ways = lines.length > 1 ? [...lines, lines.join(" "), lines.join("")] : lines;
  return ways.map((line) => {
    const { speaker, text } = readSaidBy(line);
    return { speaker: isNobodyKnown(speaker) ? said.speaker : speaker, text };
  });
}
