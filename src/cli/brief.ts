import type { Answer } from "../answer/answer.ts";
import { askAnswer, questionOf } from "../answer/ask-answer.ts";
import { changeTexts } from "../answer/words.ts";
import {
  mayBeHidden,
  type RuntimeState,
  readRuntimeState,
  runtimeDirectory,
  STUCK_AFTER,
  stateFile,
} from "../daemon/runtime-state.ts";
import type { Catalogue } from "../diagnosis/catalogue.ts";
import { readTimeLine } from "../history/time-line.ts";
import type { Preflight, VmPreflight } from "../preflight/finding.ts";
import type { AttemptRow } from "../store/attempt-store.ts";
import type { Store } from "../store/store.ts";
import { signatureLookup } from "./surroundings.ts";

/** Entries of the time line that are looked through for what changed last. */
const RECENT = 60;

/** How the watching stands. */
export type Watching =
  | { readonly state: "watching" | "stuck"; readonly service: RuntimeState }
  | {
      readonly state: "stopped";
      /** Root's may run all the same, which this user cannot see. */
      readonly mayBeHidden: boolean;
    };

/** The state of host and history in what a person asks first. */
export interface Brief {
  readonly watching: Watching;
  /** Which machine the history is of, where that is another one; what will not start is then of it, too. */
  readonly machine: string | undefined;
  readonly boots: number;
  readonly starts: number;
  readonly openIncidents: number;
  readonly lastStart: AttemptRow | undefined;
  readonly lastFailure:
    | {
        readonly row: AttemptRow;
        readonly answer: Answer;
        /** The same VM has started since. */
        readonly isOver: boolean;
      }
    | undefined;
  /** VMs that something stops now. */
  readonly stopped: readonly VmPreflight[];
  /** What changed: since what fails last worked or, where it never did, the boot before; else what the host last changed in. */
  readonly changed: {
    readonly since: Answer["comparedWith"] | number;
    readonly sentences: readonly string[];
  };
}

/** Reads whether a service watches. */
export function readWatching(env: NodeJS.ProcessEnv, now: number): Watching {
  const found = readRuntimeState(stateFile(runtimeDirectory(env)));
  if (found?.running !== true) return { state: "stopped", mayBeHidden: mayBeHidden(env) };
  const { state: service } = found;
  return { state: now - service.writtenAt > STUCK_AFTER ? "stuck" : "watching", service };
}

/** Reads the rest from the history; `preflight` is undefined where the VMs could not be read. */
export function readBrief(
  store: Store,
  catalogue: Catalogue,
  watching: Watching,
  preflight: Preflight | undefined,
  machine?: string,
): Brief {
  const { rows } = store.stats();
  const lastFailure = readLastFailure(store, catalogue);
  const failing = lastFailure?.isOver === false ? changeTexts(lastFailure.answer) : [];
  const last =
    failing.length > 0
      ? undefined
      : readTimeLine(store, { limit: RECENT }).findLast((entry) => entry.kind === "change");
  return {
    watching,
    machine,
    boots: rows.boots,
    starts: rows.attempts,
    openIncidents: store.alerts.incidents({ openOnly: true }).length,
    lastStart: store.attempts.list({ limit: 1 })[0],
    lastFailure,
    stopped:
      preflight?.vms.filter(({ verdict }) => verdict === "will-not-start" || verdict === "may-not-start") ??
      [],
    changed:
      failing.length > 0
        ? { since: lastFailure?.answer.comparedWith, sentences: failing }
        : { since: last?.at, sentences: last?.changes.map(({ sentence }) => sentence) ?? [] },
  };
}

function readLastFailure(store: Store, catalogue: Catalogue): Brief["lastFailure"] {
  const [row] = store.attempts.list({ failedOnly: true, limit: 1 });
  const attempt = row && store.attempts.full(row.number, signatureLookup(catalogue));
  if (row === undefined || attempt === undefined) return undefined;
  const answer = askAnswer(store, questionOf(attempt, attempt.number, attempt.snapshotId), catalogue);
  return { row, answer, isOver: store.attempts.hasStartedAfter(row.vm, row.number) };
}
