import type { Observation } from "../model/observation.ts";

/** What the evidence of all attempts of a book is known by; of one that it forgets no more. */
export interface Identities {
  has(identity: string): boolean;
  add(identity: string): void;
  remove(identity: string): void;
}

/** Makes it. Several attempts may have the same evidence: an inventory lists all VMs. */
export function createIdentities(): Identities {
  const counts = new Map<string, number>();
  return {
    has: (identity) => counts.has(identity),
    add: (identity) => void counts.set(identity, (counts.get(identity) ?? 0) + 1),
    remove(identity) {
      const left = (counts.get(identity) ?? 0) - 1;
      if (left > 0) counts.set(identity, left);
      else counts.delete(identity);
    },
  };
}

/** What an observation is known by. */
export function identityOf({ source, identity }: Pick<Observation, "source" | "identity">): string {
  return `${source}\u0000${identity}`;
}
