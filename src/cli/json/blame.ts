import type { BlameAnswer, FaultAnswer } from "../../history/ask-blame.ts";
import type { BiosRow } from "../../history/bios-rows.ts";
import { blameHeadline } from "../../history/blame-sentences.ts";
import { whatWouldSettle } from "../../history/blame-settle.ts";
import { describeBlame } from "../../history/describe-blame.ts";
import type { SuspectFact } from "../../history/suspects.ts";
import type { StartTally } from "../../history/trials.ts";
import { timeJson } from "./document.ts";
import { changeJson, valueJson } from "./facts.ts";

/** The answer for programs: the fault that is asked about at the top level, the others beside it. */
export function blameToJson(answer: BlameAnswer): object {
  const { others, imported, otherClasses, otherVms } = answer;
  return {
    ...faultToJson(answer),
    imported,
    bios: biosToJson(answer),
    otherClasses,
    otherVms: otherVms.map(({ vm, at, number, cause }) => ({
      vm,
      at: timeJson(at),
      number,
      cause: cause ?? null,
    })),
    others: others.map(faultToJson),
    sections: describeBlame(answer).sections,
  };
}

/** A row for each version; two builds of one version stand below it. */
function biosToJson({ bios }: BlameAnswer): readonly object[] {
  return [...Map.groupBy(bios, ({ version }) => version)].map(([version, rows]) => {
    const sum = (of: (row: BiosRow) => number) => rows.reduce((total, row) => total + of(row), 0);
    const causes = new Map<string, number>();
    for (const { cause, starts } of rows.flatMap((row) => row.causes))
      causes.set(cause, (causes.get(cause) ?? 0) + starts);
    return {
      version: version ?? null,
      firstSeen: timeJson(Math.min(...rows.map(({ firstSeen }) => firstSeen))),
      lastSeen: timeJson(Math.max(...rows.map(({ lastSeen }) => lastSeen))),
      starts: sum((row) => row.starts),
      worked: sum((row) => row.worked),
      failed: sum((row) => row.failed),
      refused: sum((row) => row.refused),
      causes: [...causes].map(([cause, starts]) => ({ cause, starts })),
      builds: rows.length > 1 ? rows.map(buildJson) : [],
    };
  });
}

function buildJson(row: BiosRow): object {
  const { starts, worked, failed, refused, causes } = row;
  const seen = { firstSeen: timeJson(row.firstSeen), lastSeen: timeJson(row.lastSeen) };
  return { build: row.build ?? null, ...seen, starts, worked, failed, refused, causes };
}

/** Starts of one boot that went the same way. */
function tallyJson(tally: StartTally): object {
  return {
    vm: tally.vm,
    boot: tally.bootOrdinal ?? null,
    bootId: tally.bootId ?? null,
    outcome: tally.outcome,
    cause: tally.cause ?? null,
    starts: tally.count,
    firstNumber: tally.firstNumber,
    lastNumber: tally.lastNumber,
    firstAt: timeJson(tally.firstAt),
    lastAt: timeJson(tally.lastAt),
  };
}

function faultToJson(answer: FaultAnswer): object {
  const { blame } = answer;
  return {
    headline: blameHeadline(answer),
    certainty: blame.certainty,
    reason: blame.reason ?? null,
    failure: blame.failure ?? null,
    classes: blame.classes,
    healed: blame.healed,
    good: blame.good,
    bad: blame.bad,
    chance: blame.chance,
    probability: blame.sets[0]?.probability ?? null,
    rivals: blame.rivals,
    vms: answer.vms,
    devices: answer.devices.map(({ identity = null, name = null, kind = null, bdf }) => ({
      ...{ identity, name, kind, bdf },
    })),
    suspects: blame.sets.map((set) => ({
      families: set.suspects.map(({ family }) => family),
      probability: set.probability,
      together: set.together,
      values: set.suspects.flatMap(({ facts }) => facts.map(suspectFactJson)),
      proof: set.proof.map(suspectFactJson),
      besides: set.besides.map(({ family }) => family),
      reverted: set.reverted,
      changedAlone: set.changedAlone,
      turnedWith: set.turnedWith,
      misplaced: set.misplaced,
    })),
    boundary:
      blame.boundary === undefined
        ? null
        : { lastGood: tallyJson(blame.boundary.lastGood), firstBad: tallyJson(blame.boundary.firstBad) },
    changes: answer.changes?.map(changeJson) ?? null,
    otherChanges: answer.otherChanges,
    cleared: blame.cleared.map(suspectFactJson),
    settle: whatWouldSettle(answer) ?? null,
  };
}

/** A fact with how the starts went with each of its values. */
function suspectFactJson({ key, counts }: SuspectFact): object {
  return { key, counts: counts.map(({ value, good, bad }) => ({ value: valueJson(value), good, bad })) };
}
