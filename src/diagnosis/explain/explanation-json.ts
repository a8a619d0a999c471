import type { Explanation } from "./explanation.ts";

/** The stable shape of an explanation; `id` is whatever the asker calls the text. */
export function explanationJson(id: unknown, explanation: Explanation): object {
  const { vmStartFailure, deviceRelated, causes, devices, groups, vms } = explanation;
  const { understanding, lookedAt, others, host } = explanation;
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
    understanding,
    lookedAt,
    others: others.map(({ when, vms: ofVms, class: ofClass }) => ({
      when: when ?? null,
      vms: ofVms,
      class: ofClass,
    })),
    host: {
      board: host.board ?? null,
      bios: host.bios,
      kernel: host.kernel ?? null,
      loaders: host.loaders,
    },
    notes: host.notes,
  };
}
