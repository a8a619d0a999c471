import { listOf, textOf } from "../facts/fact-value.ts";
import { keyPart, vmFactPrefix } from "../facts/key-parts.ts";
import { roleOf } from "../facts/vocabulary.ts";
import type { FactValue, Snapshot } from "../model/fact.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { FactColumn, FactTable } from "./fact-table.ts";
import { ABSENT_INDEX, createFactTable, UNKNOWN_INDEX } from "./fact-table.ts";

/** What a question is about: VMs, their devices, and the IOMMU groups that these are in. */
export interface Subject {
  readonly vms: ReadonlySet<VmName>;
  /** Identities of the devices (`10de:2805/1462:5174`), which stay when addresses change. */
  readonly devices: ReadonlySet<string>;
  /** Identities of all members of their groups, their own among them. */
  readonly members: ReadonlySet<string>;
  /** Names of their groups as facts have them: the identity of the first member. */
  readonly groups: ReadonlySet<string>;
  /** Every address that the devices are known to have had. */
  readonly addresses: ReadonlySet<Bdf>;
}

/** The device whose address the key holds. Asked of all facts of several snapshots, so it looks at the ends first. */
export function addressOwner(key: string): string | undefined {
  if (!key.endsWith(".address") || !key.startsWith("pci.")) return undefined;
  const identity = key.slice("pci.".length, -".address".length);
  return identity === "" || identity.includes(".") ? undefined : identity;
}

function membersOwner(key: string): string | undefined {
  if (!key.endsWith(".members") || !key.startsWith("iommu.group.")) return undefined;
  return /^iommu\.group\.([^.]+)\.members$/.exec(key)?.[1];
}

/** A start whose snapshot tells where which device stood. */
export interface SeenStart {
  readonly snapshot: Snapshot;
  readonly devices: readonly Bdf[];
  readonly worked: boolean;
}

/**
 * Works out the subject: what the VMs had when they worked. Who stands at their addresses in a failed start may be
 * another device, and counts only where none ever worked.
 */
export function findSubject(vms: Iterable<VmName>, seen: readonly SeenStart[]): Subject {
  const devices = new Set<string>();
  const addresses = new Set<Bdf>();
  const hasWorked = seen.some(({ worked }) => worked);
  for (const { snapshot, devices: own, worked } of seen) {
    for (const bdf of own) addresses.add(bdf);
    if (hasWorked && !worked) continue;
    for (const { key, value } of snapshot.facts) {
      const identity = addressOwner(key);
      if (identity === undefined || value.state !== "value") continue;
      if (own.some((bdf) => bdf === value.value)) devices.add(identity);
    }
  }
  const members = new Set(devices);
  const groups = new Set<string>();
  for (const { snapshot } of seen) {
    for (const { key, value } of snapshot.facts) {
      const address = addressOwner(key);
      if (address !== undefined && value.state === "value" && devices.has(address))
        addresses.add(value.value as Bdf);
      const group = membersOwner(key);
      if (group === undefined) continue;
      const names = listOf(value);
      if (!names.some((name) => devices.has(name))) continue;
      groups.add(group);
      for (const name of names) members.add(name);
    }
  }
  return { vms: new Set(vms), devices, members, groups, addresses };
}

/** What stands where a VM asks for a device is weighed as a relation over the whole history, by `knob-columns.ts`. */
const RELATION = /^vm\.[^.]+\.card\./;

/**
 * Whether a change of the fact can matter for the subject. Other VMs' definitions, groups that hold none of its
 * devices, and what drivers other devices have cannot; that another device came, went or moved can.
 */
export function canMatter(key: string, subject: Subject): boolean {
  if (roleOf(key) === "bystander" || RELATION.test(key)) return false;
  const [room, name = "", ...rest] = key.split(".");
  switch (room) {
    case "vm":
      return rest.length === 0 || [...subject.vms].some((vm) => name === keyPart(vm));
    case "iommu":
      return name !== "group" || rest.length < 2 || subject.groups.has(rest[0] ?? "");
    case "pci":
      // Without a known device nothing can be told apart, so everything stays.
      return (
        rest.length === 0 || rest[0] === "address" || subject.members.has(name) || subject.devices.size === 0
      );
    case "vfio-setup":
      return name !== "device" || rest.length === 0 || subject.addresses.has(rest.join(".") as Bdf);
    default:
      return true;
  }
}

/** Key of all facts of a VM, without the final dot. */
export function vmKey(vm: VmName): string {
  return vmFactPrefix(vm).slice(0, -1);
}

const ENTRY = /^firmware-tables\.(IVRS|DMAR)\.(?:ivmd|rmrr)\.\d+$/;

/** The table with only what can matter for the subject, and the firmware's demands on it as one fact for each table. */
export function tableFor(table: FactTable, subject: Subject, places: readonly number[]): FactTable {
  const columns = table.columns.filter(({ key }) => canMatter(key, subject) && !ENTRY.test(key));
  const demands = (["IVRS", "DMAR"] as const)
    .map((name) => demandColumn(table, subject, name, places))
    .filter((column) => column !== undefined);
  return createFactTable([...columns, ...demands], table.constants);
}

/**
 * Entries are numbered as they stand in the table, so one more at its beginning would seem to change all of them.
 * What matters is which of them demand the memory that the device's group shows as a direct region.
 */
function demandColumn(
  table: FactTable,
  subject: Subject,
  name: "IVRS" | "DMAR",
  places: readonly number[],
): FactColumn | undefined {
  const entries = table.columns.filter(({ key }) => ENTRY.exec(key)?.[1] === name);
  if (entries.length === 0) return undefined;
  const constant = [...table.constants].filter(([key]) => ENTRY.exec(key)?.[1] === name);
  const regions = directRegions(table, subject, places);
  const values: FactValue[] = [];
  const known = new Map<string, number>();
  const indexes = new Int32Array(Math.max(-1, ...places) + 1).fill(ABSENT_INDEX);
  const whole = `firmware-tables.${name}`;
  for (const place of places) {
    const texts = new Set<string>();
    const take = (value: FactValue | undefined) => {
      const text = textOf(value);
      if (text !== undefined && concerns(text, regions)) texts.add(text);
    };
    for (const { indexes: own, values: theirs } of entries) take(theirs[own[place] ?? ABSENT_INDEX]);
    for (const [, value] of constant) take(value);
    const text = [...texts].sort().join("; ");
    const readable = isReadable(table, whole, place);
    const id = !readable ? "?" : text;
    if (!known.has(id)) {
      known.set(id, values.length);
      values.push(
        !readable
          ? { state: "unknown", why: "the table could not be read" }
          : text === ""
            ? { state: "absent" }
            : { state: "value", value: text },
      );
    }
    indexes[place] = known.get(id) ?? ABSENT_INDEX;
  }
  return { group: "firmware-tables", key: `${whole}.${name === "IVRS" ? "ivmd" : "rmrr"}`, values, indexes };
}

/** Whether the table was read, or is verifiably not there. */
function isReadable(table: FactTable, whole: string, place: number): boolean {
  if (table.valueAt(`${whole}.sha256`, place).state === "value") return true;
  return table.valueAt(whole, place).state === "absent";
}

/** All direct regions that the subject's groups ever had; empty where no snapshot shows any. */
function directRegions(table: FactTable, subject: Subject, places: readonly number[]): ReadonlySet<string> {
  const regions = new Set<string>();
  for (const group of subject.groups) {
    const key = `iommu.group.${group}.direct`;
    const constant = table.constants.get(key);
    const column = table.columns.find((candidate) => candidate.key === key);
    const seen = constant !== undefined ? [constant] : [];
    for (const place of column === undefined ? [] : places) {
      const index = column === undefined ? UNKNOWN_INDEX : (column.indexes[place] ?? UNKNOWN_INDEX);
      const value = column?.values[index];
      if (value !== undefined) seen.push(value);
    }
    for (const region of seen.flatMap(listOf)) regions.add(region);
  }
  return regions;
}

/** Whether an entry names memory of one of the regions; the kernel rounds the entry's range to pages. */
function concerns(entry: string, regions: ReadonlySet<string>): boolean {
  if (regions.size === 0) return true;
  const [, from, to] = /memory 0x([0-9a-f]+)-0x([0-9a-f]+)/.exec(entry) ?? [];
  // A demand of no length shows as a region of another shape: better named than left out.
  if (from === undefined || to === undefined) return true;
  const page = 0xfffn;
  const start = BigInt(`0x${from}`) & ~page;
  const end = BigInt(`0x${to}`) | page;
  for (const region of regions) {
    const [, first, last] = /^0x([0-9a-f]+)-0x([0-9a-f]+)$/.exec(region) ?? [];
    if (first === undefined || last === undefined) return true;
    if (BigInt(`0x${first}`) <= end && BigInt(`0x${last}`) >= start) return true;
  }
  return false;
}
