import type { Bdf, VmName } from "../../model/identifiers.ts";
import { devicesIn, groupsIn, vmsIn } from "./names.ts";
import type { When } from "./said-by.ts";
import type { SpokenLine } from "./spoken.ts";
import { isStartFailure, startRole } from "./start-failure.ts";

/** libvirt's, QEMU's and Proxmox's words about one start come within this time (ms). */
const TOGETHER_MS = 60_000;
/** Lines that nothing else joins belong together where they stand this near, in blocks. */
const NEAR_KERNEL = 10;
/** The kernel waits longer: a device that does not come back from a reset is waited for a minute and more. */
export const KERNEL_TOGETHER_MS = 180_000;

/** Lines of one try, with what tells it from others. */
export interface Gathering {
  readonly lines: SpokenLine[];
  readonly vms: Set<VmName>;
  readonly slots: Set<string>;
  readonly groups: Set<number>;
  readonly times: Map<When["clock"], { from: number; to: number }>;
}

export function gather(lines: readonly SpokenLine[]): readonly Gathering[] {
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

export function gatheringOf(line: SpokenLine): Gathering {
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

export function add(gathering: Gathering, line: SpokenLine): void {
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

export function createMarks(): (line: SpokenLine) => Marks {
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

export function nearestOf(kernel: readonly SpokenLine[], { lines }: Gathering): readonly SpokenLine[] {
  if (kernel.length <= MOST_OF_TRY) return kernel;
  const place = lines.at(-1)?.block ?? 0;
  const distance = ({ block }: SpokenLine) => Math.abs(block - place);
  return kernel.toSorted((a, b) => distance(a) - distance(b)).slice(0, MOST_OF_TRY);
}

/** Whether what the kernel said belongs to a try. */
export function belongs(
  line: SpokenLine,
  gathering: Gathering,
  marksOf: (line: SpokenLine) => Marks,
): boolean {
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

/** Said by a driver that gives devices away, or a refusal that only giving them away brings. */
export function isOfVfio({ speaker, text, matches }: SpokenLine): boolean {
  const driver = speaker.kind === "kernel" ? speaker.driver : undefined;
  return /vfio|pciback/i.test(driver ?? "") || /vfio|qemu|\bkvm\b/i.test(text) || matches.some(stops);
}

function stops(match: SpokenLine["matches"][number]): boolean {
  return startRole(match) === "stops";
}
