import type { Clock } from "../clock.ts";
import type { AlertContent, AlertStore, Incident } from "../model/alert.ts";
import type { BootId, VmName } from "../model/identifiers.ts";
import { composeStorm } from "./compose.ts";
import { foreseen, goodStartOf, type Heard, NOTHING_HEARD, newsOf } from "./heard.ts";
import { decide, mayTell, type Occurrence } from "./incident-policy.ts";
import { type AlertPolicy, asTold, notBefore, reaches } from "./policy.ts";

/** What came of raising an alert. */
export interface Raised {
  /** Undefined where the settings switch this kind off. */
  readonly incident: Incident | undefined;
  /** Whether deliveries were queued now. */
  readonly told: boolean;
  readonly why: string;
}

/**
 * Turns what happened into incidents and queued deliveries. Every call is one transaction, and part of the caller's
 * where there is one, so that an alert is durable together with what it is about. Nothing leaves from here: nudge the
 * delivery after the transaction.
 */
export interface Alerter {
  raise(occurrence: Occurrence, options?: RaiseOptions): Raised;
  /**
   * Closes the VM's open incidents after a good start; `compose` words the recovery from the incident that was told,
   * or gives undefined to stay silent.
   */
  recovered(
    vm: VmName,
    start: GoodStart,
    compose: (incident: Incident) => AlertContent | undefined,
  ): readonly Incident[];
  /** Closes the open incident of a key, e.g. a trouble that has passed; says nothing to anyone. */
  resolved(key: string, at: number): Incident | undefined;
}

/** When a VM that did not start before has started. */
export interface GoodStart {
  /** UTC epoch milliseconds. */
  readonly at: number;
  readonly bootId?: BootId | undefined;
  /** In milliseconds of the boot by a clock that nobody sets. */
  readonly steady?: number | undefined;
}

export interface RaiseOptions {
  readonly exceptChannel?: string;
  /** People have been told past the outbox, while nothing could be stored: it is only kept now. */
  readonly alreadyTold?: boolean;
}

/** A storm is over when nothing of it was held back for this long (ms). */
const STORM_ENDS = 3_600_000;
/** The summary of a storm waits for what else there is to sum up (ms). */
const SUMMARY_WAITS = 60_000;
const MOST_EXAMPLES = 8;

/**
 * `policy` is asked at each call, so that changed settings are in force at once. `isUnrecorded`: the store ends with this
 * run.
 */
export function createAlerter(options: {
  readonly store: AlertStore;
  readonly clock: Pick<Clock, "now">;
  readonly policy: () => AlertPolicy;
  readonly heard?: Heard;
  readonly isUnrecorded?: boolean;
}): Alerter {
  const { store, clock, heard = NOTHING_HEARD, isUnrecorded = false } = options;

  function raise(given: Occurrence, { exceptChannel, alreadyTold = false }: RaiseOptions): Raised {
    const policy = options.policy();
    const content = asTold(given.content, policy);
    if (content === undefined) return { incident: undefined, told: false, why: "the settings switch it off" };
    const now = clock.now();
    const existing = store.openIncident(given.key) ?? incidentOfAttempt(given.attemptId);
    const decision = decide(existing, { ...given, content }, now, policy);
    const incident = existing === undefined ? keepSilence(decision.incident, now) : decision.incident;
    const silenced = incident.silencedUntil !== undefined && now < incident.silencedUntil;
    if (!decision.tell || silenced) {
      store.saveIncident(incident);
      return { incident, told: false, why: silenced ? "it is silenced" : decision.why };
    }
    const news = newsOf(given, content);
    const wasForeseen = existing?.content.kind === "will-not-start";
    const isHeard =
      (existing === undefined || wasForeseen) && (heard.has(news) || heard.has({ lasts: given.key }));
    if (alreadyTold || isHeard) {
      store.saveIncident({ ...incident, lastToldAt: now });
      return { incident, told: false, why: "it was told while nothing could be stored" };
    }
    if (!mayTell(store.toldTimes(content.kind), now, policy)) {
      store.saveIncident({ ...incident, reminders: existing?.reminders ?? 0 });
      holdBack(content, now, policy);
      return { incident, told: false, why: "too many alerts of its kind; it is in the summary" };
    }
    endStorm(content.kind, now);
    const told = { ...incident, lastToldAt: now };
    store.saveIncident(told);
    enqueue(told, told.content, now, policy, exceptChannel);
    heard.add(news, isUnrecorded);
    return { incident: told, told: true, why: decision.why };
  }

  /** A person who silenced an incident meant the next one of the same kind too, until that time. */
  function keepSilence(incident: Incident, now: number): Incident {
    const silencedUntil = store.silencedUntil(incident.key, now);
    return silencedUntil === undefined ? incident : { ...incident, silencedUntil };
  }

  /**
   * The incident that an attempt was counted in: under another cause, before late evidence changed the diagnosis, or
   * one that a later good start has closed. Either way the attempt is no new incident.
   */
  function incidentOfAttempt(attemptId: string | undefined): Incident | undefined {
    return attemptId === undefined ? undefined : store.incidentOfAttempt(attemptId);
  }

  /** The storm is an incident like any other: told once, counted, reminded of. */
  function holdBack(content: AlertContent, now: number, policy: AlertPolicy): void {
    const key = stormKey(content.kind);
    const existing = store.openIncident(key);
    const earlier = existing?.content.changes ?? [];
    const examples =
      earlier.length >= MOST_EXAMPLES || earlier.includes(content.subject)
        ? earlier
        : [...earlier, content.subject];
    const summary = composeStorm({
      kind: content.kind,
      importance: content.importance,
      count: (existing?.count ?? 0) + 1,
      examples,
    });
    const { incident, tell } = decide(existing, { key, content: summary, at: now }, now, policy);
    store.saveIncident(tell ? { ...incident, lastToldAt: now } : incident);
    if (tell) enqueue(incident, summary, now + SUMMARY_WAITS, policy);
  }

  function endStorm(kind: AlertContent["kind"], now: number): void {
    const storm = store.openIncident(stormKey(kind));
    if (storm !== undefined && now - storm.lastAt >= STORM_ENDS)
      store.saveIncident({ ...storm, closedAt: now });
  }

  function enqueue(
    incident: Incident,
    content: AlertContent,
    from: number,
    policy: AlertPolicy,
    exceptChannel?: string,
  ): void {
    const createdAt = clock.now();
    for (const { name, minimum } of policy.channels) {
      if (name === exceptChannel || !reaches(content.importance, minimum)) continue;
      const dueAt = notBefore(policy, name, content.importance, from);
      store.enqueue({ incidentId: incident.id, channel: name, content, createdAt, dueAt });
    }
  }

  function recovered(
    vm: VmName,
    start: GoodStart,
    compose: (incident: Incident) => AlertContent | undefined,
  ): readonly Incident[] {
    const policy = options.policy();
    const open = store
      .incidents({ openOnly: true })
      .filter(({ content }) => content.vm === vm && closes(content))
      // What was foretold while the VM ran is about its next start, and not refuted by the one that it runs since.
      .filter((incident) => incident.content.kind !== "will-not-start" || isBefore(incident, start));
    const closed = open.map((incident) => ({ ...incident, closedAt: start.at }));
    for (const incident of closed) store.saveIncident(incident);
    // Several ways of failing may have been open; one good start is one piece of news, about the newest of them.
    const told = closed
      // The store lists them newest first, by boot and by a clock that nobody sets.
      .find(({ lastToldAt }) => lastToldAt !== undefined);
    for (const key of closed.flatMap((incident) => [incident.key, foreseen(incident.key)])) heard.drop(key);
    const news = goodStartOf(vm, start.steady);
    const composed = told === undefined || heard.has(news) ? undefined : compose(told);
    const content = composed === undefined ? undefined : asTold(composed, policy);
    if (told === undefined || content === undefined) return closed;
    enqueue(told, content, clock.now(), policy);
    heard.add(news, isUnrecorded);
    return closed;
  }

  return {
    raise: (occurrence, raiseOptions = {}) => store.inTransaction(() => raise(occurrence, raiseOptions)),
    recovered: (vm, start, compose) => store.inTransaction(() => recovered(vm, start, compose)),
    resolved: (key, at) =>
      store.inTransaction(() => {
        const incident = store.openIncident(key);
        if (incident === undefined) return undefined;
        const closed = { ...incident, closedAt: at };
        store.saveIncident(closed);
        // What changed is an event, and not over by being told.
        if (incident.content.kind !== "facts-changed") heard.drop(key);
        return closed;
      }),
  };
}

/** Whether it was last foretold before that start; of an earlier boot all was. */
function isBefore({ bootId, steady, lastAt }: Incident, start: GoodStart): boolean {
  if (bootId !== undefined && start.bootId !== undefined) {
    if (bootId !== start.bootId) return true;
    if (steady !== undefined && start.steady !== undefined) return steady <= start.steady;
  }
  return lastAt <= start.at;
}

function closes({ kind }: AlertContent): boolean {
  return kind === "start-failed" || kind === "start-failed-other" || kind === "will-not-start";
}

function stormKey(kind: AlertContent["kind"]): string {
  return JSON.stringify(["storm-summary", kind]);
}
