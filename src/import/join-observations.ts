import type { Observation } from "../model/observation.ts";
import type { PastObservation } from "./past-boot.ts";

/** The same record as the journal and as a syslog daemon date it (ms). */
const SAME_RECORD_WITHIN = 3_000;

/**
 * Puts together what several sources tell of one boot, each thing once. The same record out of the journal and out of
 * a syslog has two identities, but one text and nearly one time; the more exact one stays.
 */
export function joinObservations(lists: readonly (readonly PastObservation[])[]): readonly PastObservation[] {
  const all = lists.flat().toSorted((a, b) => exactness(b.observation) - exactness(a.observation));
  const byIdentity = new Map<string, PastObservation>();
  const times = new Map<string, { readonly at: number; readonly way: string }[]>();
  for (const past of all) {
    const { observation } = past;
    const identity = `${observation.source}\n${observation.identity}`;
    const same = byIdentity.get(identity);
    if (same !== undefined) {
      if (past.count > same.count) byIdentity.set(identity, { ...same, count: past.count });
      continue;
    }
    if ("text" in observation && observation.kind !== "domain-log-line") {
      const way = wayOf(observation);
      const said = times.get(observation.text) ?? [];
      const isTwin = said.some(
        (other) => other.way !== way && Math.abs(other.at - observation.at) <= SAME_RECORD_WITHIN,
      );
      if (isTwin) continue;
      said.push({ at: observation.at, way });
      times.set(observation.text, said);
    }
    byIdentity.set(identity, past);
  }
  return [...byIdentity.values()];
}

function exactness({ exactTime, monotonicUs }: Observation): number {
  return (exactTime ? 2 : 0) + (monotonicUs === undefined ? 0 : 1);
}

/** How it came here: identities made of content begin with `past:`, in a syslog with inexact times. */
function wayOf({ identity, exactTime }: Observation): string {
  return identity.startsWith("past:") ? (exactTime ? "log" : "syslog") : "journal";
}
