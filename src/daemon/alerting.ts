import type { Alerter } from "../alerts/alerter.ts";
import { composeFailure, composeHotPlug, composeRecovery, composeWillNotStart } from "../alerts/compose.ts";
import { incidentKey } from "../alerts/incident-policy.ts";
import type { Answer } from "../answer/answer.ts";
import {
  type AnswerQuestion,
  askAnswer,
  createAsker,
  linesBetween,
  questionOf,
} from "../answer/ask-answer.ts";
import { type Clock, steadyNow } from "../clock.ts";
import type { Catalogue } from "../diagnosis/catalogue.ts";
import type { AlertContent } from "../model/alert.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { CauseClass } from "../model/catalogue.ts";
import type { Cause } from "../model/diagnosis.ts";
import type { HostState, VmStatus } from "../model/host-state.ts";
import type { HotPlug } from "../model/hot-plug.ts";
import type { Bdf, BootId } from "../model/identifiers.ts";
import type { Unrecorded, WasTold } from "../pipeline/unstored.ts";
import { StoreRefusal } from "../store/refusal.ts";
import type { Store } from "../store/store.ts";

/** Turns settled attempts and warnings into alerts, each with the answer of that moment. */
export interface Alerting {
  /** Call inside the transaction that stores the attempt. */
  attemptSettled(
    attempt: StartAttempt,
    number: number,
    snapshotId: string | undefined,
    told?: WasTold,
    wasSettled?: boolean,
  ): void;
  /** No storm goes on: its answers are not asked for again soon. */
  calm(): void;
  /** Call inside the transaction that stores it. */
  hotPlugFailed(hotPlug: HotPlug, summary: string, told?: WasTold): void;
  /** What is told of a start or a hot-plug that cannot be stored; undefined where there is nothing to tell. */
  unrecorded(
    what: Unrecorded,
    why: string,
  ): { readonly content: AlertContent; readonly topic: string } | undefined;
  /** A VM that is certain not to start, or to start again where it runs now, known before anyone tries. */
  willNotStart(
    vm: VmStatus,
    causes: readonly Cause[],
    snapshotId: string | undefined,
    isRunning: boolean,
  ): void;
}

/** Hundreds of VMs may fail at once: what their answers have in common is read once in so long (ms). */
const MOMENT_MS = 100;
/** A failure that is told again is at most so many starts old. */
const LOOK_BACK = 500;

/** Makes the link between diagnosis and alerts. `host` gives the newest host state, for names of devices. */
export function createAlerting(options: {
  readonly store: Store;
  readonly alerter: Alerter;
  readonly catalogue: Catalogue;
  readonly bootId: BootId | undefined;
  readonly clock: Pick<Clock, "now" | "steady">;
  readonly host: () => HostState | undefined;
  /** Why nothing is kept beyond this run, where it is so. */
  readonly notRecorded?: string;
}): Alerting {
  const { store, alerter, catalogue, bootId, clock } = options;
  /** The last answer for each VM: a storm of the same failure on the same host has one. */
  const answered = new Map<string, { readonly of: string; readonly content: AlertContent }>();
  /** Held weakly: after its moment the facts that it has read are only in the way. */
  let shared: { readonly ask: WeakRef<ReturnType<typeof createAsker>>; readonly madeAt: number } | undefined;

  function ask(question: AnswerQuestion): Answer {
    const now = steadyNow(clock);
    const known = shared !== undefined && now - shared.madeAt < MOMENT_MS ? shared.ask.deref() : undefined;
    const asker = known ?? createAsker(store, catalogue);
    if (known === undefined) shared = { ask: new WeakRef(asker), madeAt: now };
    return asker(question);
  }

  function attemptSettled(
    attempt: StartAttempt,
    number: number,
    snapshotId: string | undefined,
    told?: WasTold,
    wasSettled = false,
  ): void {
    if (attempt.outcome === "started") {
      answered.delete(attempt.vm);
      recovered(attempt, number, snapshotId);
      return;
    }
    // Read out of a log after it was over: a good start has followed, so there is nothing to do for anybody.
    if (isOverSince(attempt, number)) return;
    const content = contentOf(attempt, number, snapshotId);
    const key = incidentKey(content, reasonWithin(attempt));
    alerter.raise(
      {
        key,
        content,
        at: attempt.openedAt,
        bootId,
        steady: attempt.steady,
        attemptId: attempt.id,
        wasSettled,
      },
      { alreadyTold: told === "told" },
    );
  }

  /** Nothing can be written; what can still be read tells since when and what changed. */
  function unrecorded(what: Unrecorded, why: string): ReturnType<Alerting["unrecorded"]> {
    if (what.kind === "hot-plug") {
      const content = hotPlugContent(what.hotPlug, what.summary);
      return { content: withoutRecord(content, why), topic: hotPlugTopic(what.hotPlug) };
    }
    const { attempt, snapshotId } = what;
    if (attempt.outcome === "started" || attempt.outcome === undefined) return undefined;
    const question = questionOf(attempt, undefined, snapshotId);
    const answer =
      readable(() => askAnswer(store, question, catalogue)) ?? askAnswer(undefined, question, catalogue);
    const content = composeFailure({ attempt, answer, deviceNames: deviceNames(options.host()) });
    const topic = reasonWithin(attempt) ?? "";
    const open = readable(() => store.alerts.openIncident(incidentKey(content, topic)));
    if (open?.lastToldAt !== undefined) return undefined;
    return { content: withoutRecord(content, why), topic };
  }

  function marked(content: AlertContent): AlertContent {
    return options.notRecorded === undefined ? content : withoutRecord(content, options.notRecorded);
  }

  function hotPlugContent(hotPlug: HotPlug, sentence: string): AlertContent {
    return marked(composeHotPlug({ hotPlug, sentence, deviceNames: deviceNames(options.host()) }));
  }

  /** Nothing is compared again for a start that failed as the one before it, on a host that did not change. */
  function contentOf(attempt: StartAttempt, number: number, snapshotId: string | undefined): AlertContent {
    const { outcome, diagnosis, devices } = attempt;
    const of = JSON.stringify([snapshotId, outcome, diagnosis, devices]);
    const known = answered.get(attempt.vm);
    if (known?.of === of) return marked({ ...known.content, command: `vfio-watch show ${number}` });
    const composed = composeFailure({
      ...{ attempt, number },
      answer: ask(questionOf(attempt, number, snapshotId)),
      deviceNames: deviceNames(options.host()),
    });
    const content = marked(composed);
    answered.set(attempt.vm, { of, content });
    return content;
  }

  function isOverSince({ vm }: StartAttempt, number: number): boolean {
    return store.attempts.hasStartedAfter(vm, number);
  }

  function recovered(attempt: StartAttempt, number: number, snapshotId: string | undefined): void {
    const { vm, openedAt, devices, steady } = attempt;
    alerter.recovered(vm, { at: openedAt, bootId, steady }, (incident) => {
      const failedSnapshot = store.attempts
        .list({ vm, before: number, limit: LOOK_BACK })
        .find(({ id }) => id === incident.attemptId)?.snapshotId;
      const changes = linesBetween(store, { vm, devices, before: failedSnapshot, after: snapshotId });
      return composeRecovery({ vm, incident, changes, number });
    });
  }

  return {
    attemptSettled,
    unrecorded,
    calm: () => answered.clear(),
    hotPlugFailed(hotPlug, summary, told) {
      const content = hotPlugContent(hotPlug, summary);
      const key = incidentKey(content, hotPlugTopic(hotPlug));
      const { at, steady, id } = hotPlug;
      const occurrence = { key, content, at, bootId, steady, attemptId: id };
      alerter.raise(occurrence, { alreadyTold: told === "told" });
      // It is an event and not a state: the same another day is news again.
      alerter.resolved(key, clock.now());
    },
    willNotStart({ definition }, causes, snapshotId, isRunning) {
      const { name, hostDevices } = definition;
      const at = clock.now();
      const devices = hostDevices.map(({ bdf }) => bdf);
      const question = { vm: name, devices, causes, at, bootId, snapshot: snapshotId };
      const composed = composeWillNotStart({
        vm: name,
        isRunning,
        answer: ask(question),
        deviceNames: deviceNames(options.host()),
      });
      const content = marked(composed);
      alerter.raise({ key: incidentKey(content), content, at, bootId, steady: steadyNow(clock) });
    },
  };
}

function hotPlugTopic({ action, outcome, devices }: HotPlug): string {
  return `${action} ${outcome} ${devices.join()}`;
}

/** No number leads to it, and no command shows it. */
function withoutRecord({ command: _, ...content }: AlertContent, why: string): AlertContent {
  return { ...content, unrecorded: why };
}

/** What the disk may refuse to read as well. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof StoreRefusal) return undefined;
    throw error;
  }
}

/** Classes that hold reasons of all kinds; of these the reason itself makes the incident, or a new one goes untold. */
const WIDE_CLASSES: ReadonlySet<CauseClass> = new Set([
  "vm-config-invalid",
  "host-resource-missing",
  "vm-killed",
]);

function reasonWithin({ diagnosis }: StartAttempt): string | undefined {
  const [cause] = diagnosis?.causes ?? [];
  return cause !== undefined && WIDE_CLASSES.has(cause.class) ? cause.signature : undefined;
}

function deviceNames(host: HostState | undefined): ReadonlyMap<Bdf, string> {
  const names = new Map<Bdf, string>();
  if (host?.devices.state !== "read") return names;
  for (const { bdf, name } of host.devices.value.values()) if (name !== undefined) names.set(bdf, name);
  return names;
}
