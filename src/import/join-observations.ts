import type { Observation } from "../model/observation.ts";
import type { PastObservation } from "./past-boot.ts";

interface Told {
  readonly at: number;
  /** The list that it came from, and other lists that have it too. */
  readonly way: number;
  readonly alsoBy: Set<number>;
}

/** The same record as the journal and as a syslog daemon date it (ms). */
const SAME_RECORD_WITHIN = 3_000;

/**
 * Puts together what several sources tell of one boot, each thing once. The same record out of the journal and out of
 * a syslog has two identities, but one text and nearly one time; the more exact one stays, else that of the first list.
 */
export function joinObservations(lists: readonly (readonly PastObservation[])[]): readonly PastObservation[] {
  const all = lists
    .flatMap((list, way) => list.map((past) => ({ past, way })))
    .sort((a, b) => exactness(b.past.observation) - exactness(a.past.observation));
  const byIdentity = new Map<string, PastObservation>();
  const times = new Map<string, Told[]>();
  for (const { past, way } of all) {
    const { observation } = past;
    const identity = `${observation.source}\n${observation.identity}`;
    const same = byIdentity.get(identity);
    if (same !== undefined) {
      if (past.count > same.count) byIdentity.set(identity, { ...same, count: past.count });
      continue;
    }
    if ("text" in observation && observation.kind !== "domain-log-line") {
      const said = times.get(observation.text) ?? [];
      const twin = said.find(
        (other) =>
          other.way !== way &&
          !other.alsoBy.has(way) &&
          Math.abs(other.at - observation.at) <= SAME_RECORD_WITHIN,
      );
      if (twin !== undefined) {
        twin.alsoBy.add(way);
        continue;
      }
      said.push({ at: observation.at, way, alsoBy: new Set() });
      times.set(observation.text, said);
    }
    byIdentity.set(identity, past);
  }
  return [...byIdentity.values()];
}

/** Whether both are the same record, however they came here. */
export function isSameRecord(a: Observation, b: Observation): boolean {
  return (
    a.kind === b.kind &&
    a.kind !== "domain-log-line" &&
    "text" in a &&
    "text" in b &&
    a.text === b.text &&
    Math.abs(a.at - b.at) <= SAME_RECORD_WITHIN
  );
}

function exactness({ exactTime, monotonicUs }: Observation): number {
  return (exactTime ? 2 : 0) + (monotonicUs === undefined ? 0 : 1);
}
