import type { Explanation } from "./explain.ts";

/** The stable shape of an explanation; `id` is whatever the asker calls the text. */
export function explanationJson(id: unknown, explanation: Explanation): object {
  const { vmStartFailure, deviceRelated, causes, devices, groups, vms } = explanation;
  return {
    id,
    vmStartFailure,
    deviceRelated,
    causes: causes.map((cause) => ({
      class: cause.class,
      certainty: cause.certainty,
      signature: cause.signature,
      evidence: cause.evidence,
    })),
    devices,
    groups,
    vms,
  };
}
