import type { Signature, SignatureMatch } from "../model/catalogue.ts";
import type { Observation } from "../model/observation.ts";
import type { SightingInput } from "../store/record-stores.ts";

/** What every healthy boot says is known, and no more worth a row than noise is. */
function isWorthStoring({ role, severity }: Signature): boolean {
  return role !== "noise" && !(role === "context" && severity === "info");
}

/** What is stored of known messages that belong to no start: the most specific of one text. */
export function toSightings(
  observation: Observation,
  matches: readonly SignatureMatch[],
): readonly SightingInput[] {
  if (!("text" in observation)) return [];
  const device = observation.kind === "kernel-record" ? observation.device : undefined;
  return matches
    .filter(({ signature }) => isWorthStoring(signature))
    .slice(0, 1)
    .map(({ signature }) => ({
      source: observation.source,
      signature: signature.id,
      text: observation.text,
      at: observation.at,
      ...(observation.bootId !== undefined && { bootId: observation.bootId }),
      ...(device !== undefined && { device }),
      ...(observation.monotonicUs !== undefined && { monotonicUs: observation.monotonicUs }),
    }));
}
