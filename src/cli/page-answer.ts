import { askAnswer, questionOf } from "../answer/ask-answer.ts";
import { changeTexts } from "../answer/words.ts";
import { askService } from "../control/client.ts";
import { readVmDefinitions } from "../host/virtual-machines.ts";
import type { VmName } from "../model/identifiers.ts";
import { valueOr } from "../model/reading.ts";
import type { Store } from "../store/store.ts";
import type { CommandIo } from "./command.ts";
import { findCatalogue, type Surroundings, signatureLookup } from "./surroundings.ts";

/** What a web interface adds to its own message about a start that failed. Plain texts. */
export type StartExplained =
  /** No such start is on record, it went well, or nobody could say anything about it. */
  | { readonly state: "none" }
  | {
      readonly state: "failed";
      /** Of the start. */
      readonly number: number;
      readonly vm: string;
      readonly why: string;
      /** Best first. */
      readonly remedies: readonly string[];
      /** When it last worked (UTC epoch milliseconds). */
      readonly lastGoodAt: number | undefined;
      /** Since then. */
      readonly changes: readonly string[];
    };

/** A dialog is small; the rest stands on the start's own page. */
const MOST_REMEDIES = 2;
const MOST_CHANGES = 3;
/** Beyond what the service waits for the start (ms). */
const PATIENCE = 2_000;

/** What is asked: how the newest start of this VM since `since` went, waiting up to `waitMs` for its diagnosis. */
export interface StartQuestion {
  readonly uuid: string;
  readonly since: number;
  readonly waitMs: number;
}

/** Asks the service that runs, and makes the answer for the start that it names. */
export async function explainStart(
  { uuid, since, waitMs }: StartQuestion,
  options: {
    readonly surroundings: Surroundings;
    readonly store: Store;
    readonly runtimeDirectory: string;
    readonly io: Pick<CommandIo, "err">;
  },
): Promise<StartExplained> {
  const { surroundings, store, runtimeDirectory, io } = options;
  const vm = nameOf(uuid, surroundings, store);
  if (vm === undefined) return { state: "none" };
  const request = { ask: "start" as const, history: store.path, vm, since, waitMs };
  const asking = askService(runtimeDirectory, request, waitMs + PATIENCE);
  const catalogue = findCatalogue(surroundings, io);
  const asked = await asking;
  if (asked.state !== "answered" || asked.answer.state !== "settled" || asked.answer.outcome === "started")
    return { state: "none" };
  const attempt = store.attempts.full(asked.answer.number, signatureLookup(catalogue));
  if (attempt === undefined || attempt.diagnosis === undefined) return { state: "none" };
  const answer = askAnswer(store, questionOf(attempt, attempt.number, attempt.snapshotId), catalogue);
  return {
    ...{ state: "failed", number: attempt.number, vm: attempt.vm, why: answer.why },
    remedies: answer.remedies.slice(0, MOST_REMEDIES),
    lastGoodAt: answer.comparedWith === "good start" ? answer.lastGood?.at : undefined,
    changes: answer.comparedWith === "good start" ? changeTexts(answer).slice(0, MOST_CHANGES) : [],
  };
}

/** A VM is its UUID (law 15). One that was made a moment ago may not be in the history yet. */
function nameOf(uuid: string, { paths }: Surroundings, store: Store): VmName | undefined {
  const isIt = (definition: { readonly uuid: string }) =>
    definition.uuid.toLowerCase() === uuid.toLowerCase();
  const known = store.vms.list().find(({ definition, goneAt }) => goneAt === undefined && isIt(definition));
  return known?.definition.name ?? valueOr(readVmDefinitions(paths), []).find(isIt)?.name;
}
