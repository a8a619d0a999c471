import { rootRank } from "./fact-families.ts";
import { UNKNOWN_INDEX } from "./fact-table.ts";
import type { FactRecord } from "./weigh-facts.ts";

/** Facts of one root that changed together, e.g. the BIOS with its version and date. */
export interface Suspect {
  /** The family that a person would name: `BIOS`, `kernel`, `definition of VM …`. */
  readonly family: string;
  readonly facts: readonly FactRecord[];
}

/** Facts that always changed together and that the history cannot tell apart. */
export interface SuspectSet {
  readonly suspects: readonly Suspect[];
  /** Changed together with them, but could not have brought the proof: only firmware writes the firmware's tables. */
  readonly besides: readonly Suspect[];
  /** Facts of the failure's known mechanism that came and went with it. */
  readonly proof: readonly FactRecord[];
  readonly reverted: boolean;
  /** How often it changed without effect, and with. */
  readonly changedAlone: number;
  readonly turnedWith: number;
  /** It changes more often than not, so that it is no wonder that it also changed when the outcome turned. */
  readonly restless: boolean;
  /** Starts on the wrong side; 0 where it separates good from failed ones cleanly. */
  readonly misplaced: number;
  /** Of how many trials its value is not known: these say nothing, neither for it nor against it. */
  readonly unknown: number;
}

const OFTEN = 0.5;

/** Firmware tables and regions are written by the BIOS, under its settings, and by nothing else. */
const WRITES_TABLES = /^BIOS/;

/**
 * The sets of suspects among records that divide good from failed starts, strongest first. What firmware or kernel
 * bring along (tables, regions, groups) counts as their consequence, not as a rival, wherever a root explains it.
 */
export function suspectSets(dividing: readonly FactRecord[]): readonly SuspectSet[] {
  const roots = dividing.filter((record) => rootRank(record.family) < Number.POSITIVE_INFINITY);
  const consequences = dividing.filter((record) => !roots.includes(record));
  // Groups and regions follow from which devices there are, and from what the firmware's tables demand.
  const makeGroups = consequences.filter(({ group }) => group === "pci" || group === "firmware-tables");
  const explained = (consequence: FactRecord) =>
    roots.some((root) => explains(root, consequence)) ||
    (consequence.group === "iommu" && makeGroups.some((other) => explains(other, consequence)));
  // Two BIOS versions may share a date: the version says all that the date says, and the family is named once.
  const coarser = (fact: FactRecord) =>
    roots.some((other) => other.family === fact.family && explains(other, fact) && !explains(fact, other));
  const named = [
    ...roots.filter((root) => !coarser(root)),
    ...consequences.filter((consequence) => !explained(consequence)),
  ];

  const byPattern = new Map<string, FactRecord[]>();
  for (const record of named) {
    const pattern = record.pattern.join(",");
    byPattern.set(pattern, [...(byPattern.get(pattern) ?? []), record]);
  }
  const proofs = dividing.filter((record) => record.mechanism);
  return [...byPattern.values()].map((together) => toSet(together, proofs)).sort(compareSets);
}

/** A root explains a consequence if each of its values always came with one and the same of the consequence's. */
function explains(root: FactRecord, consequence: FactRecord): boolean {
  if (consequence.group === "firmware-tables" && !WRITES_TABLES.test(root.family)) return false;
  const seen = new Map<number, number>();
  for (const [position, own] of root.pattern.entries()) {
    const other = consequence.pattern[position] ?? UNKNOWN_INDEX;
    if (own === UNKNOWN_INDEX || other === UNKNOWN_INDEX) continue;
    if ((seen.get(own) ?? other) !== other) return false;
    seen.set(own, other);
  }
  return true;
}

function toSet(records: readonly FactRecord[], proofs: readonly FactRecord[]): SuspectSet {
  const families = new Map<string, FactRecord[]>();
  for (const record of records) families.set(record.family, [...(families.get(record.family) ?? []), record]);
  const updatedTogether = consequencesOf([...families.keys()]);
  const all = [...families]
    .filter(([family]) => !updatedTogether.has(family))
    .sort(([a], [b]) => orderOf(a) - orderOf(b))
    .map(([family, facts]): Suspect => ({ family, facts }));
  const proof = proofs.filter((one) => records.some((record) => record === one || explains(record, one)));
  const writers = all.filter(({ family }) => WRITES_TABLES.test(family));
  const onlyWriters = writers.length > 0 && proof.some(({ group }) => group === "firmware-tables");
  return {
    suspects: onlyWriters ? writers : all,
    besides: onlyWriters ? all.filter((suspect) => !writers.includes(suspect)) : [],
    proof,
    reverted: records.some((record) => record.reverted),
    changedAlone: Math.min(...records.map((record) => record.changedAlone)),
    turnedWith: Math.max(...records.map((record) => record.turnedWith)),
    restless: records.every((record) => record.restlessness > OFTEN),
    misplaced: Math.min(...records.map((record) => record.misplaced)),
    // Facts of one set have one pattern.
    unknown: records[0]?.pattern.filter((order) => order === UNKNOWN_INDEX).length ?? 0,
  };
}

/** An update of the operating system brings kernel, QEMU and libvirt with it; they are not rivals of it. */
function consequencesOf(families: readonly string[]): ReadonlySet<string> {
  return new Set(families.includes("operating system") ? ["kernel", "QEMU", "libvirt"] : []);
}

/** 2: an entry of the firmware's own tables came with it; 1: another part of the known mechanism did. */
export function strengthOfProof({ proof }: SuspectSet): number {
  if (proof.some(({ group }) => group === "firmware-tables")) return 2;
  return proof.length > 0 ? 1 : 0;
}

function compareSets(a: SuspectSet, b: SuspectSet): number {
  return (
    strengthOfProof(b) - strengthOfProof(a) ||
    a.misplaced - b.misplaced ||
    Number(b.reverted) - Number(a.reverted) ||
    a.changedAlone - b.changedAlone ||
    a.unknown - b.unknown ||
    Math.min(...a.suspects.map(({ family }) => orderOf(family))) -
      Math.min(...b.suspects.map(({ family }) => orderOf(family)))
  );
}

function orderOf(family: string): number {
  return Math.min(1_000, rootRank(family));
}
