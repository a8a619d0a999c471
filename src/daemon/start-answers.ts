import { askAnswer, questionOf } from "../answer/ask-answer.ts";
import { changeTexts } from "../answer/words.ts";
import type { Clock } from "../clock.ts";
import type { StartAnswer, StartExplained } from "../control/requests.ts";
import type { Catalogue } from "../diagnosis/catalogue.ts";
import type { Signature } from "../model/catalogue.ts";
import { type SignatureId, type VmName, vmName } from "../model/identifiers.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { Store } from "../store/store.ts";

/** A dialog is small; the rest stands on the start's own page. */
const MOST_REMEDIES = 2;
const MOST_CHANGES = 3;

/** Tells those who ask how a start went and why, as soon as it is known. */
export interface StartAnswers {
  /** A start of this VM has settled and is stored. */
  settled(vm: VmName): void;
  /**
   * The newest start of the VM (its name or UUID) that began at `since` or later; waits up to `waitMs` for one to settle.
   */
  ask(vm: string, since: number, waitMs: number): Promise<StartAnswer>;
}

/** Makes it. `vms` are those that libvirt's files define now; `signatures` finds those of the evidence on record. */
export function createStartAnswers(options: {
  readonly store: Store;
  readonly clock: Clock;
  readonly catalogue: Catalogue;
  readonly signatures: (id: SignatureId) => Signature | undefined;
  readonly vms: () => readonly VmDefinition[];
}): StartAnswers {
  const { store, clock } = options;
  const waiting = new Set<(vm: VmName) => void>();

  function newest(vm: VmName, since: number): StartAnswer {
    const [row] = store.attempts.list({ vm, since, limit: 1 });
    if (row === undefined) return { state: "none" };
    const { number, openedAt, outcome } = row;
    const explained = outcome === "started" ? undefined : explain(number);
    return { state: "settled", number, openedAt, outcome, ...(explained !== undefined && { explained }) };
  }

  function explain(number: number): StartExplained | undefined {
    const attempt = store.attempts.full(number, options.signatures);
    if (attempt?.diagnosis === undefined) return undefined;
    const answer = askAnswer(store, questionOf(attempt, number, attempt.snapshotId), options.catalogue);
    const isCompared = answer.comparedWith === "good start";
    return {
      ...{ vm: attempt.vm, why: answer.why, remedies: answer.remedies.slice(0, MOST_REMEDIES) },
      ...(isCompared && answer.lastGood !== undefined && { lastGoodAt: answer.lastGood.at }),
      changes: isCompared ? changeTexts(answer).slice(0, MOST_CHANGES) : [],
    };
  }

  /** A VM is its UUID (law 15). One that was made a moment ago may not be in the history yet. */
  function nameOf(asked: string): VmName {
    const isIt = (definition: { readonly uuid: string }) =>
      definition.uuid.toLowerCase() === asked.toLowerCase();
    const known = store.vms.list().find(({ definition, goneAt }) => goneAt === undefined && isIt(definition));
    const here = known?.definition ?? options.vms().find(isIt);
    return here?.name ?? vmName(asked);
  }

  return {
    settled(vm) {
      for (const look of [...waiting]) look(vm);
    },
    ask(asked, since, waitMs) {
      const now = newest(nameOf(asked), since);
      if (now.state === "settled" || waitMs === 0) return Promise.resolve(now);
      return new Promise((resolve) => {
        const end = (answer: StartAnswer) => {
          takeBack();
          waiting.delete(look);
          resolve(answer);
        };
        // It may have become known by this very start.
        const look = (vm: VmName) => {
          if (nameOf(asked) !== vm) return;
          const answer = newest(vm, since);
          if (answer.state === "settled") end(answer);
        };
        const takeBack = clock.after(waitMs, () => end(newest(nameOf(asked), since)));
        waiting.add(look);
      });
    },
  };
}
