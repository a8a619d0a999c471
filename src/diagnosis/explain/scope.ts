import { isNobodyKnown, runsVms } from "../speakers.ts";
import type { Incident } from "./incidents.ts";
import type { When } from "./said-by.ts";
import type { SpokenBlock } from "./spoken.ts";

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
  // Sorted once: a storm has tens of thousands of lines, and each block asks for the nearest.
  const places = inOrder(own);
  const times = new Map(
    [...Map.groupBy(lines, ({ when }) => when?.clock)].map(([clock, same]) => [
      clock,
      inOrder(same.flatMap(({ when }) => when?.at ?? [])),
    ]),
  );
  const timeTo = (when: When | undefined) =>
    when === undefined ? undefined : distanceTo(when.at, times.get(when.clock) ?? []);
  const isNear = ({ number, said }: SpokenBlock, distance: number, milliseconds: number) => {
    const time = timeTo(said.when);
    return time === undefined
      ? (distanceTo(number, places) ?? Number.POSITIVE_INFINITY) <= distance
      : time <= milliseconds;
  };
  return blocks.filter((block) => {
    if (own.has(block.number)) return true;
    if (ofOthers.has(block.number)) return false;
    const { speaker, when } = block.said;
    if (isNobodyKnown(speaker) || runsVms(speaker)) return isNear(block, NEAR_TALK, NEAR_TALK_MS);
    if (speaker.kind !== "kernel") return false;
    return /vfio/i.test(speaker.driver ?? "")
      ? isNear(block, NEAR_KERNEL, NEAR_TALK_MS)
      : timeTo(when) !== undefined && isNear(block, NEAR_KERNEL, NEAR_KERNEL_MS);
  });
}

function inOrder(numbers: Iterable<number>): readonly number[] {
  return [...numbers].sort((a, b) => a - b);
}

/** How far the nearest of sorted numbers is; undefined where there are none. */
function distanceTo(wanted: number, sorted: readonly number[]): number | undefined {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((sorted[middle] ?? wanted) < wanted) from = middle + 1;
    else to = middle;
  }
  const near = [sorted[from - 1], sorted[from]].flatMap((one) =>
    one === undefined ? [] : [Math.abs(one - wanted)],
  );
  return near.length === 0 ? undefined : Math.min(...near);
}
