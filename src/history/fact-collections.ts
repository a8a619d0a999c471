import type { Fact, FactValue } from "../model/fact.ts";

/**
 * Facts that come and go with a thing: a device, a VM, a kernel parameter. Where the thing is missing in a snapshot
 * that lists things of its kind, it is absent. Any other key that a snapshot lacks was not collected (by an older
 * version, say), and that says nothing (law 7).
 */
interface Collection {
  /** The key that speaks for the whole collection; one that is unknown makes all below it unknown. */
  readonly anchor: string;
  /** Matches the keys of the collection; the first group is the part that names the thing. */
  readonly keys: RegExp;
  /** Attributes that are only written when they are there. */
  readonly optional?: RegExp;
}

const COLLECTIONS: readonly Collection[] = [
  { anchor: "firmware.setting", keys: /^(firmware\.setting\.[^.]+\.[^.]+)$/ },
  // The whole table is the thing; its numbered entries are compared as lists elsewhere.
  { anchor: "firmware-tables", keys: /^(firmware-tables\.(?:IVRS|DMAR))\./ },
  {
    anchor: "iommu.group",
    keys: /^(iommu\.group\.[^.]+)\.[^.]+$/,
    optional: /\.(?:direct|direct-relaxable|reserved|msi)$/,
  },
  { anchor: "kernel.parameter", keys: /^(kernel\.parameter\.[^.]+)$/ },
  { anchor: "kernel.modprobe", keys: /^(kernel\.modprobe\.[^.]+\.[^.]+)$/ },
  { anchor: "boot-loader", keys: /^(boot-loader\.\/.+)\.[a-z-]+$/ },
  { anchor: "vfio-setup.device", keys: /^(vfio-setup\.device\..+)$/ },
  { anchor: "pci", keys: /^(pci\.[^.]+)\.[^.]+$/ },
  { anchor: "vm", keys: /^(vm\.[^.]+)\../ },
  { anchor: "software.plugin", keys: /^(software\.plugin\.[^.]+)$/ },
  { anchor: "hardware.memory", keys: /^(hardware\.memory\.[^.]+)$/ },
];

/** By the first part of a key: the question is asked of every fact of several snapshots. */
const COLLECTIONS_IN: ReadonlyMap<string, readonly Collection[]> = Map.groupBy(
  COLLECTIONS,
  ({ anchor }) => anchor.split(".")[0] ?? "",
);

/** What a snapshot says about any key, also about those that it lacks. */
export interface FactView {
  readonly facts: ReadonlyMap<string, Fact>;
  /** The fact's value; unknown where the snapshot says nothing about it. */
  valueOf(key: string): FactValue;
  /** Things of collections that are there. */
  readonly entities: ReadonlySet<string>;
  /** Whether a thing is verifiably not there: its kind is listed, and it is not among them. */
  lacks(entity: string, anchor: string): boolean;
}

const ABSENT: FactValue = { state: "absent" };
const NOT_COLLECTED: FactValue = { state: "unknown", why: "not collected" };

/** The thing that a fact belongs to, with its collection's anchor; undefined for facts that stand alone. */
export function entityOf(key: string): { readonly entity: string; readonly anchor: string } | undefined {
  for (const { anchor, keys } of COLLECTIONS_IN.get(key.slice(0, key.indexOf("."))) ?? []) {
    if (!key.startsWith(anchor)) continue;
    const entity = keys.exec(key)?.[1];
    if (entity !== undefined) return { entity, anchor };
  }
  return undefined;
}

/** Whether one of the keys above this one, as `kernel.parameter` is above `kernel.parameter.iommu`, is such. */
export function isBelowSuch(key: string, isSuch: (parent: string) => boolean): boolean {
  for (let dot = key.lastIndexOf("."); dot > 0; dot = key.lastIndexOf(".", dot - 1))
    if (isSuch(key.slice(0, dot))) return true;
  return false;
}

/** Whether the attribute is only written when it is there, so that a thing without it lacks it. */
export function isOptionalAttribute(anchor: string, key: string): boolean {
  return COLLECTIONS.find((collection) => collection.anchor === anchor)?.optional?.test(key) === true;
}

/** Makes the facts of one snapshot answer for absent keys too. */
export function viewFacts(facts: readonly Fact[]): FactView {
  const byKey = new Map<string, Fact>();
  const entities = new Set<string>();
  const listed = new Set<string>();
  for (const fact of facts) {
    byKey.set(fact.key, fact);
    const owner = entityOf(fact.key);
    if (owner === undefined) continue;
    entities.add(owner.entity);
    listed.add(owner.anchor);
  }
  const hidden = (key: string): boolean =>
    isBelowSuch(key, (parent) => byKey.get(parent)?.value.state === "unknown");
  const lacks = (entity: string, anchor: string): boolean => {
    if (entities.has(entity) || byKey.get(entity)?.value.state === "unknown" || hidden(entity)) return false;
    if (byKey.get(entity)?.value.state === "absent") return true;
    const state = byKey.get(anchor)?.value.state;
    return state === undefined ? listed.has(anchor) : state !== "unknown";
  };
  return {
    facts: byKey,
    entities,
    lacks,
    valueOf(key) {
      const known = byKey.get(key)?.value;
      if (known !== undefined) return known;
      if (hidden(key)) return NOT_COLLECTED;
      const owner = entityOf(key);
      if (owner === undefined) return NOT_COLLECTED;
      if (lacks(owner.entity, owner.anchor)) return ABSENT;
      return entities.has(owner.entity) && isOptionalAttribute(owner.anchor, key) ? ABSENT : NOT_COLLECTED;
    },
  };
}
