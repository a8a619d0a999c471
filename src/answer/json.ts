import type { DemandOrigin } from "../history/demand-origin.ts";
import { isoTime } from "../time-words.ts";
import type { Answer, Moment } from "./answer.ts";
import type { ChangeLine } from "./change-lines.ts";

/** The answer for programs, the same in every command. */
export function answerJson(answer: Answer): object {
  const {
    cause,
    why,
    here,
    lastGood,
    failing,
    comparedWith,
    changes,
    otherChanges,
    demand,
    goBack,
    remedies,
  } = answer;
  return {
    class: cause?.class ?? null,
    certainty: cause?.certainty ?? null,
    why,
    here: momentJson(here),
    lastGood: lastGood === undefined ? null : momentJson(lastGood),
    failing: failing === undefined ? null : { since: momentJson(failing.since), starts: failing.starts },
    comparedWith: comparedWith ?? null,
    changes: changes?.map(changeJson) ?? null,
    otherChanges,
    demand: demand === undefined ? null : demandJson(demand),
    goBack: goBack.map(({ knob, to, sentence }) => ({ knob, to: to ?? null, sentence })),
    remedies,
  };
}

function demandJson({ bios, since, biosWithout }: DemandOrigin): object {
  return { bios: bios ?? null, since: isoTime(since) ?? null, biosWithout: biosWithout ?? null };
}

function momentJson({ at, number, boot, bios, kernel }: Moment): object {
  return {
    at: isoTime(at) ?? null,
    number: number ?? null,
    boot: boot ?? null,
    bios: bios ?? null,
    kernel: kernel ?? null,
  };
}

function changeJson({ knob, sentence, consequences, isNew, probability }: ChangeLine): object {
  return { knob: knob ?? null, sentence, consequences, isNew, probability: probability ?? null };
}
