import type { Answer } from "../../answer/answer.ts";
import { answerJson } from "../../answer/json.ts";
import type { Evidence } from "../../model/attempt.ts";
import type { Cause, Diagnosis } from "../../model/diagnosis.ts";
import type { AttemptRow, StoredAttempt } from "../../store/attempt-store.ts";
import type { Sighting } from "../../store/record-stores.ts";
import { whatWasSaid } from "../what-was-said.ts";
import { timeJson } from "./document.ts";

/** A start as lists have it. */
export function startJson(row: AttemptRow): object {
  return {
    number: row.number,
    id: row.id,
    vm: row.vm,
    boot: row.bootOrdinal ?? null,
    bootId: row.bootId ?? null,
    openedAt: timeJson(row.openedAt),
    closedAt: timeJson(row.closedAt),
    // What the host took with it when it went down has none.
    outcome: row.outcome ?? null,
    devices: row.devices,
    groups: row.groups,
    cause: row.cause ?? null,
    summary: row.summary ?? null,
    snapshotId: row.snapshotId ?? null,
    origin: row.origin,
  };
}

/** A start with all that was said; signatures by id, since their text belongs to the catalogue. */
export function attemptJson(attempt: StoredAttempt, hostSaid: readonly Sighting[], answer: Answer): object {
  return {
    number: attempt.number,
    id: attempt.id,
    vm: attempt.vm,
    boot: answer.here.boot ?? null,
    bootId: attempt.bootId ?? null,
    openedAt: timeJson(attempt.openedAt),
    closedAt: timeJson(attempt.closedAt),
    outcome: attempt.outcome ?? null,
    devices: attempt.devices,
    groups: attempt.groups,
    snapshotId: attempt.snapshotId ?? null,
    origin: attempt.origin,
    diagnosis: attempt.diagnosis === undefined ? null : diagnosisJson(attempt.diagnosis),
    evidence: attempt.evidence.map(evidenceJson),
    evidenceLeftOut: attempt.evidenceLeftOut,
    hostSaid: hostSaid.map(sightingJson),
    answer: answerJson(answer),
  };
}

/** Why a start failed. */
export function diagnosisJson({ summary, deviceRelated, causes, noEffect }: Diagnosis): object {
  return { summary, deviceRelated, causes: causes.map(causeJson), noEffect };
}

function causeJson(cause: Cause): object {
  const { certainty, signature, sentence, evidence, devices, groups } = cause;
  return { class: cause.class, certainty, signature, sentence, evidence, devices, groups };
}

function evidenceJson({ observation, matches, count, lastAt }: Evidence): object {
  return {
    at: timeJson(observation.at),
    lastAt: timeJson(lastAt),
    count,
    source: observation.source,
    kind: observation.kind,
    text: whatWasSaid(observation),
    matches: matches.map(({ signature, captures }) => ({ signature: signature.id, captures })),
  };
}

function sightingJson({ firstAt, lastAt, count, signature, device, text }: Sighting): object {
  return { at: timeJson(firstAt), lastAt: timeJson(lastAt), count, signature, device: device ?? null, text };
}
