import type { Matcher } from "../diagnosis/matcher.ts";
import type { Layer, Signature, SignatureMatch } from "../model/catalogue.ts";
import type { Observation } from "../model/observation.ts";
import type { SightingInput } from "../store/record-stores.ts";

const LAYERS: Partial<Record<Observation["kind"], Layer>> = {
  "kernel-record": "kernel",
  "domain-log-line": "qemu",
  "libvirtd-record": "libvirt",
};

/** What the catalogue knows of an observation; empty for one that is no text. */
export function matchesOf(observation: Observation, matcher: Matcher): readonly SignatureMatch[] {
  const layer = LAYERS[observation.kind];
  return layer === undefined || !("text" in observation) ? [] : matcher.match(layer, observation.text);
}

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
