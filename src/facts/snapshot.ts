import { createHash } from "node:crypto";
import { FACT_GROUPS, type Fact, type FactContent, type FactValue, type Snapshot } from "../model/fact.ts";

const GROUP_RANK: ReadonlyMap<string, number> = new Map(FACT_GROUPS.map((group, rank) => [group, rank]));

/**
 * Makes a snapshot of facts: ordered, one fact a key (the first one given), its id a hash of the content. The same
 * facts in any order give the same id.
 */
export function makeSnapshot(facts: Iterable<Fact>): Snapshot {
  const byKey = new Map<string, Fact>();
  for (const fact of facts) if (!byKey.has(fact.key)) byKey.set(fact.key, fact);
  const ordered = [...byKey.values()].sort(compareFacts);
  const content = JSON.stringify(ordered.map(({ group, key, value }) => [group, key, ...parts(value)]));
  return { id: createHash("sha256").update(content).digest("hex").slice(0, 32), facts: ordered };
}

/** Orders facts as a reader wants them: by group in the order of interest, then by key. */
export function compareFacts(a: Fact, b: Fact): number {
  const byGroup = (GROUP_RANK.get(a.group) ?? 99) - (GROUP_RANK.get(b.group) ?? 99);
  // Not localeCompare: it would bring in ICU, and its order depends on the machine.
  return byGroup !== 0 ? byGroup : a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

function parts(value: FactValue): readonly FactContent[] {
  switch (value.state) {
    case "value":
      return ["value", value.value];
    case "absent":
      return ["absent"];
    case "unknown":
      return ["unknown", value.why];
  }
}
