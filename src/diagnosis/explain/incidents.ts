import {
  add,
  belongs,
  createMarks,
  type Gathering,
  gather,
  gatheringOf,
  isOfVfio,
  KERNEL_TOGETHER_MS,
  nearestOf,
} from "./gatherings.ts";
import type { When } from "./said-by.ts";
import type { SpokenLine } from "./spoken.ts";
import { isStartFailure } from "./start-failure.ts";

/** What belongs together in a text: one try to start one VM, or all that a text tells where none failed. */
export interface Incident {
  /** In the order of the text. */
  readonly lines: readonly SpokenLine[];
  /** What else the text says, mostly of the host; it may explain, and it does not outrank the incident's own lines. */
  readonly background: readonly SpokenLine[];
  readonly isStartFailure: boolean;
}

export interface Incidents {
  /** The newest start that failed; where none did, everything together. */
  readonly answer: Incident;
  /** Other starts that failed, in the order of the text. */
  readonly others: readonly Incident[];
}

/**
 * Takes the lines of a text that say something apart into incidents. Only what tells them apart does: times of the
 * same clock that are far from each other, names of two VMs, a start that begins after another one failed. Lines of
 * which none of this is known stay together, for people paste what belongs together.
 */
export function incidentsOf(
  lines: readonly SpokenLine[],
  speakOfVms: (lines: readonly SpokenLine[]) => boolean,
): Incidents {
  const told = lines.filter(isTelling);
  const kernel = told.filter((line) => isOfKernel(line) && isFinding(line));
  const marks = createMarks();
  const gatherings = gather(told.filter((line) => !isOfKernel(line)));
  const tries = gatherings.map((gathering) => {
    const near = nearestOf(
      kernel.filter((line) => belongs(line, gathering, marks)),
      gathering,
    );
    const own = inOrder([...gathering.lines, ...near]);
    return { gathering, own, failed: isStartFailure(own, speakOfVms(own)) };
  });
  const failed = merged(tries.filter((one) => one.failed));
  const newest = failed.at(-1);
  if (newest !== undefined) {
    const loose = without(kernel, failed.flat());
    const incident = (own: readonly SpokenLine[], background: readonly SpokenLine[]): Incident => ({
      lines: own,
      background,
      isStartFailure: true,
    });
    return {
      answer: incident(newest, without(kernel, newest)),
      others: failed.slice(0, -1).map((own) => incident(own, loose)),
    };
  }
  return withoutTries(told, kernel, speakOfVms);
}

/** Where nothing but the kernel tells of starts, or none failed: its refusals by their time, else all together. */
function withoutTries(
  told: readonly SpokenLine[],
  kernel: readonly SpokenLine[],
  speakOfVms: (lines: readonly SpokenLine[]) => boolean,
): Incidents {
  const clusters = clustersOf(kernel).filter((cluster) => isStartFailure(cluster, speakOfVms(cluster)));
  const others = without(told, kernel);
  if (clusters.length > 0 && isStartFailure(told, speakOfVms(told))) {
    const incidents = clusters.map((own) => ({
      lines: inOrder([...own, ...others]),
      background: without(kernel, own),
      isStartFailure: true,
    }));
    const newest = incidents.at(-1);
    if (newest !== undefined) return { answer: newest, others: incidents.slice(0, -1) };
  }
  const focus = told.filter((line) => isFinding(line) && (!isOfKernel(line) || isOfVfio(line)));
  const [first, ...rest] = focus;
  if (first === undefined)
    return { answer: { lines: told, background: [], isStartFailure: false }, others: [] };
  const gathering = gatheringOf(first);
  for (const line of rest) add(gathering, line);
  const marks = createMarks();
  const background = without(kernel, focus).filter((line) => !belongs(line, gathering, marks));
  const lines = without(told, background);
  return { answer: { lines, background, isStartFailure: false }, others: [] };
}

function isTelling({ matches }: SpokenLine): boolean {
  return matches.some(({ signature: { role, start } }) => role !== "noise" || start !== undefined);
}

function isFinding({ matches }: SpokenLine): boolean {
  return matches.some(({ signature: { role } }) => role === "cause" || role === "symptom");
}

function isOfKernel({ matches, speaker }: SpokenLine): boolean {
  return (
    speaker.kind === "kernel" || (matches.length > 0 && matches.every((m) => m.signature.layer === "kernel"))
  );
}

/** Kernel lines with long silence between them are of different events. */
function clustersOf(kernel: readonly SpokenLine[]): readonly (readonly SpokenLine[])[] {
  const clusters: SpokenLine[][] = [];
  let last: When | undefined;
  for (const line of kernel) {
    const { when } = line;
    const isApart =
      when !== undefined && last?.clock === when.clock && Math.abs(when.at - last.at) > KERNEL_TOGETHER_MS;
    const open = clusters.at(-1);
    if (open === undefined || isApart) clusters.push([line]);
    else open.push(line);
    last = when ?? last;
  }
  return clusters;
}

/** A try that says nothing of its cause and no time is the end of the one before it. */
function merged(
  tries: readonly { readonly gathering: Gathering; readonly own: readonly SpokenLine[] }[],
): readonly (readonly SpokenLine[])[] {
  const result: (readonly SpokenLine[])[] = [];
  for (const { gathering, own } of tries) {
    const before = result.at(-1);
    if (before !== undefined && gathering.times.size === 0 && !own.some(saysWhy))
      result[result.length - 1] = inOrder([...new Set([...before, ...own])]);
    else result.push(own);
  }
  return result;
}

function saysWhy({ matches }: SpokenLine): boolean {
  return matches.some(
    ({ signature: { role, class: ownClass } }) =>
      (role === "cause" || role === "symptom") && ownClass !== "start-failure-wrapper",
  );
}

/** A storm has tens of thousands of lines. */
function without(lines: readonly SpokenLine[], others: readonly SpokenLine[]): readonly SpokenLine[] {
  const left = new Set(others);
  return lines.filter((line) => !left.has(line));
}

function inOrder(lines: readonly SpokenLine[]): readonly SpokenLine[] {
  return [...lines].sort((a, b) => a.block - b.block);
}
