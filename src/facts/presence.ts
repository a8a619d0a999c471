import type { Fact, FactValue } from "../model/fact.ts";
import { ABSENT, NOT_COLLECTED } from "./fact-value.ts";
import { knownKey, thingOf } from "./vocabulary.ts";

/**
 * What one snapshot holds, for the question what it says of a key that it lacks. Facts come and go with a thing: a
 * device, a VM, a kernel parameter. Where the thing is missing in a snapshot that lists things of its kind, it is
 * absent. Any other key that a snapshot lacks was not collected (by an older version, say), and that says nothing
 * (law 7).
 */
export interface Presence {
  /** State of the fact of this very key; undefined where there is none. */
  stateOf(key: string): FactValue["state"] | undefined;
  /** Whether there is a fact of the thing. */
  hasThing(entity: string): boolean;
  /** Whether there is a fact of any thing of the kind. */
  listsAny(anchor: string): boolean;
}

/** Whether one of the keys above this one, as `kernel.parameter` is above `kernel.parameter.iommu`, is such. */
function isBelowSuch(key: string, isSuch: (parent: string) => boolean): boolean {
  for (let dot = key.lastIndexOf("."); dot > 0; dot = key.lastIndexOf(".", dot - 1))
    if (isSuch(key.slice(0, dot))) return true;
  return false;
}

/** Whether a thing is verifiably not there: its kind is listed, and it is not among them. */
function lacksThing(entity: string, anchor: string, presence: Presence): boolean {
  const own = presence.stateOf(entity);
  if (presence.hasThing(entity) || own === "unknown" || isHidden(entity, presence)) return false;
  if (own === "absent") return true;
  const listed = presence.stateOf(anchor);
  return listed === undefined ? presence.listsAny(anchor) : listed !== "unknown";
}

/** Whether a key of which there is no fact is verifiably not there; else nobody knows. */
export function isVerifiablyAbsent(
  key: string,
  owner: ReturnType<typeof thingOf>,
  presence: Presence,
): boolean {
  if (owner === undefined || isHidden(key, presence)) return false;
  if (presence.hasThing(owner.entity)) return knownKey(key)?.form.optional === true;
  return lacksThing(owner.entity, owner.anchor, presence);
}

function isHidden(key: string, presence: Presence): boolean {
  return isBelowSuch(key, (parent) => presence.stateOf(parent) === "unknown");
}

/** What a snapshot says about any key, also about those that it lacks. */
export interface FactView {
  readonly facts: ReadonlyMap<string, Fact>;
  /** The fact's value; unknown where the snapshot says nothing about it. */
  valueOf(key: string): FactValue;
  /** Things that come and go and are there. */
  readonly entities: ReadonlySet<string>;
  lacks(entity: string, anchor: string): boolean;
}

/** Makes the facts of one snapshot answer for absent keys too. */
export function viewFacts(facts: readonly Fact[]): FactView {
  const byKey = new Map<string, Fact>();
  const entities = new Set<string>();
  const listed = new Set<string>();
  for (const fact of facts) {
    byKey.set(fact.key, fact);
    const owner = thingOf(fact.key);
    if (owner === undefined) continue;
    entities.add(owner.entity);
    listed.add(owner.anchor);
  }
  const presence: Presence = {
    stateOf: (key) => byKey.get(key)?.value.state,
    hasThing: (entity) => entities.has(entity),
    listsAny: (anchor) => listed.has(anchor),
  };
  return {
    facts: byKey,
    entities,
    lacks: (entity, anchor) => lacksThing(entity, anchor, presence),
    valueOf(key) {
      const known = byKey.get(key)?.value;
      if (known !== undefined) return known;
      if (isVerifiablyAbsent(key, thingOf(key), presence)) return ABSENT;
      let why: FactValue = NOT_COLLECTED;
      // What is unknown as a whole says why.
      isBelowSuch(key, (parent) => {
        const above = byKey.get(parent)?.value;
        if (above?.state === "unknown") why = above;
        return above?.state === "unknown";
      });
      return why;
    },
  };
}
