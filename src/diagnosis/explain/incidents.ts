import type { Bdf, VmName } from "../../model/identifiers.ts";
import { devicesIn, groupsIn, vmsIn } from "./names.ts";
import type { When } from "./said-by.ts";
import type { SpokenLine } from "./spoken.ts";
import { isStartFailure, startRole } from "./start-failure.ts";

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

/** libvirt's, QEMU's and Proxmox's words about one start come within this time (ms). */
const TOGETHER_MS = 60_000;
/** The kernel waits longer: a device that does not come back from a reset is waited for a minute and more. */
const KERNEL_TOGETHER_MS = 180_000;
/** Lines that nothing else joins belong together where they stand this near, in blocks. */
const NEAR_KERNEL = 10;

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

/** Said by a driver that gives devices away, or a refusal that only giving them away brings. */
function isOfVfio({ speaker, text, matches }: SpokenLine): boolean {
  const driver = speaker.kind === "kernel" ? speaker.driver : undefined;
  return /vfio|pciback/i.test(driver ?? "") || /vfio|qemu|\bkvm\b/i.test(text) || matches.some(stops);
}

function stops(match: SpokenLine["matches"][number]): boolean {
  return startRole(match) === "stops";
}

/** Lines of one try, with what tells it from others. */
interface Gathering {
  readonly lines: SpokenLine[];
  readonly vms: Set<VmName>;
  readonly slots: Set<string>;
  readonly groups: Set<number>;
  readonly times: Map<When["clock"], { from: number; to: number }>;
}

function gather(lines: readonly SpokenLine[]): readonly Gathering[] {
  const gatherings: Gathering[] = [];
  for (const line of lines) {
    const home = homeOf(line, gatherings);
    if (home === undefined) gatherings.push(gatheringOf(line));
    else add(home, line);
  }
  return gatherings;
}

function homeOf(line: SpokenLine, gatherings: readonly Gathering[]): Gathering | undefined {
  // Read once, and the times first: in a storm there are thousands of gatherings to compare with.
  const [name] = vmsIn(line.text);
  let nearest: Gathering | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const gathering of gatherings) {
    const distance = distanceOf(line.when, gathering);
    // Of two tries within a minute the later line belongs to the later one.
    if (distance === undefined || distance > least || isOfOtherVm(name, gathering)) continue;
    nearest = gathering;
    least = distance;
  }
  if (nearest !== undefined) return least > TOGETHER_MS || beginsAnother(line, nearest) ? undefined : nearest;
  const last = gatherings.findLast((gathering) => !isOfOtherVm(name, gathering));
  return last === undefined || beginsAnother(line, last) ? undefined : last;
}

/** A start that is asked for after another one failed. */
function beginsAnother(line: SpokenLine, { lines }: Gathering): boolean {
  return line.matches.some((match) => startRole(match) === "start-command") && isStartFailure(lines, true);
}

/** Milliseconds between a time and the gathering's, undefined where their clocks cannot be compared. */
function distanceOf(when: When | undefined, { times }: Gathering): number | undefined {
  const known = when === undefined ? undefined : times.get(when.clock);
  if (when === undefined || known === undefined) return undefined;
  return Math.max(0, known.from - when.at, when.at - known.to);
}

function isOfOtherVm(name: VmName | undefined, { vms }: Gathering): boolean {
  if (vms.size === 0 || name === undefined) return false;
  // Proxmox knows a VM by its number where others say its name, and a command line shows a part of a name.
  const isComparable = (other: VmName) => /^\d+$/.test(other) === /^\d+$/.test(name);
  return [...vms].every((other) => isComparable(other) && !other.includes(name) && !name.includes(other));
}

function gatheringOf(line: SpokenLine): Gathering {
  const gathering: Gathering = {
    lines: [],
    vms: new Set(),
    slots: new Set(),
    groups: new Set(),
    times: new Map(),
  };
  add(gathering, line);
  return gathering;
}

function add(gathering: Gathering, line: SpokenLine): void {
  gathering.lines.push(line);
  for (const vm of vmsIn(line.text)) gathering.vms.add(vm);
  for (const device of devicesIn(line.text)) gathering.slots.add(slotOf(device));
  for (const group of groupsIn(line.text)) gathering.groups.add(group);
  if (line.when === undefined) return;
  const { clock, at } = line.when;
  const known = gathering.times.get(clock);
  gathering.times.set(clock, { from: Math.min(known?.from ?? at, at), to: Math.max(known?.to ?? at, at) });
}

/** The kernel may name a sibling of the device that QEMU names (law 3). */
function slotOf(device: Bdf): string {
  return device.replace(/\.\d$/, "");
}

/** What tells a line of the kernel's to a try, read once for all tries. */
interface Marks {
  readonly ofVfio: boolean;
  readonly slots: readonly string[];
  readonly groups: readonly number[];
}

function createMarks(): (line: SpokenLine) => Marks {
  const known = new Map<SpokenLine, Marks>();
  return (line) => {
    const marks = known.get(line) ?? {
      ofVfio: isOfVfio(line),
      slots: devicesIn(line.text).map(slotOf),
      groups: groupsIn(line.text),
    };
    known.set(line, marks);
    return marks;
  };
}

/** So many of the kernel's lines are told with one try: those that stand nearest to it. */
const MOST_OF_TRY = 200;

function nearestOf(kernel: readonly SpokenLine[], { lines }: Gathering): readonly SpokenLine[] {
  if (kernel.length <= MOST_OF_TRY) return kernel;
  const place = lines.at(-1)?.block ?? 0;
  const distance = ({ block }: SpokenLine) => Math.abs(block - place);
  return kernel.toSorted((a, b) => distance(a) - distance(b)).slice(0, MOST_OF_TRY);
}

/** Whether what the kernel said belongs to a try. */
function belongs(line: SpokenLine, gathering: Gathering, marksOf: (line: SpokenLine) => Marks): boolean {
  const distance = distanceOf(line.when, gathering);
  if (distance !== undefined) return distance <= KERNEL_TOGETHER_MS;
  const marks = marksOf(line);
  if (marks.ofVfio) return true;
  if (marks.slots.some((slot) => gathering.slots.has(slot))) return true;
  if (marks.groups.some((group) => gathering.groups.has(group))) return true;
  // In a long log what stands near is there by chance.
  if (line.isOfLongLog) return false;
  return gathering.lines.some(({ block }) => Math.abs(block - line.block) <= NEAR_KERNEL);
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
