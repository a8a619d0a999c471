import { isNobodyKnown, runsVms } from "../speakers.ts";
import type { Incident } from "./incidents.ts";
import type { When } from "./said-by.ts";
import type { SpokenBlock, SpokenLine } from "./spoken.ts";

/** What people write and what programs of VMs say counts this far, in blocks, from the incident. */
const NEAR_TALK = 60;
const NEAR_KERNEL = 15;
const NEAR_TALK_MS = 300_000;
const NEAR_KERNEL_MS = 10_000;

/**
 * The part of a text that an incident is told in: names of devices, groups and VMs are read from it and from nowhere
 * else, for a log lists every device of the host. Kernel lines without a place in time beside it count where a driver
 * that gives devices away speaks.
 */
export function scopeOf(
  blocks: readonly SpokenBlock[],
  { lines }: Incident,
  others: readonly Incident[] = [],
): readonly SpokenBlock[] {
  const own = new Set(lines.map(({ block }) => block));
  const ofOthers = new Set(others.flatMap((other) => other.lines.map(({ block }) => block)));
  const places = [...own];
  const isNear = (block: SpokenBlock, distance: number, milliseconds: number) => {
    const time = nearestTime(block.said.when, lines);
    return time === undefined
      ? places.some((place) => Math.abs(place - block.number) <= distance)
      : time <= milliseconds;
  };
  return blocks.filter((block) => {
    if (own.has(block.number)) return true;
    if (ofOthers.has(block.number)) return false;
    const { speaker } = block.said;
    if (isNobodyKnown(speaker) || runsVms(speaker)) return isNear(block, NEAR_TALK, NEAR_TALK_MS);
    if (speaker.kind !== "kernel") return false;
    return /vfio/i.test(speaker.driver ?? "")
      ? isNear(block, NEAR_KERNEL, NEAR_TALK_MS)
      : nearestTime(block.said.when, lines) !== undefined && isNear(block, NEAR_KERNEL, NEAR_KERNEL_MS);
  });
}

/** Milliseconds to the nearest line whose clock can be compared. */
function nearestTime(when: When | undefined, lines: readonly SpokenLine[]): number | undefined {
  if (when === undefined) return undefined;
  let nearest: number | undefined;
  for (const line of lines) {
    if (line.when?.clock !== when.clock) continue;
    nearest = Math.min(nearest ?? Number.POSITIVE_INFINITY, Math.abs(line.when.at - when.at));
  }
  return nearest;
}
