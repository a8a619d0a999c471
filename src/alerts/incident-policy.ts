import { createHash } from "node:crypto";
import type { AlertContent, AlertKind, Incident } from "../model/alert.ts";
import type { BootId } from "../model/identifiers.ts";

/** Something that people may have to be told. */
export interface Occurrence {
  /** What makes two occurrences the same incident; see `incidentKey`. */
  readonly key: string;
  readonly content: AlertContent;
  /** When it happened, UTC epoch milliseconds. */
  readonly at: number;
  readonly bootId?: BootId | undefined;
  /** The attempt that it is about; the same attempt seen twice is one occurrence. */
  readonly attemptId?: string | undefined;
}

/** What is done about an occurrence. */
export interface Decision {
  /** To be stored in place of the existing one. */
  readonly incident: Incident;
  readonly tell: boolean;
  /** For the log and `alerts show`. */
  readonly why: string;
}

const DAY = 86_400_000;
/** Doubling ends where the wait would exceed any machine's life. */
const MOST_DOUBLINGS = 12;
/** These are told once; nobody wants to be reminded of them. */
const NOT_REMINDED: ReadonlySet<AlertKind> = new Set(["facts-changed", "recovered", "test"]);

/**
 * Names the incident that an alert belongs to: its kind, VM and cause, or for the watcher's own troubles and changed
 * facts a `topic` (which source, which facts). Any text is safe in any place.
 */
export function incidentKey(content: AlertContent, topic = ""): string {
  return JSON.stringify([content.kind, content.vm ?? "", content.causeClass ?? "", topic]);
}

/** The id of the incident that opens for a key at a time: short, and the same when the same is read again. */
export function incidentId(key: string, openedAt: number): string {
  return createHash("sha256").update(`${openedAt}\n${key}`).digest("hex").slice(0, 10);
}

/**
 * Decides about an occurrence. One incident is told once; while it lasts it is counted, and reminded of when it
 * happens again 1, 2, 4 … days after it was last told. A person who has acknowledged or silenced it is left alone.
 * Whether a storm holds it back is decided elsewhere; an incident that was never told stays due.
 */
export function decide(
  existing: Incident | undefined,
  occurrence: Occurrence,
  now: number,
  settings: { readonly reminders: boolean },
): Decision {
  if (existing === undefined) {
    return { incident: opened(occurrence), tell: true, why: "it is new" };
  }
  if (occurrence.attemptId !== undefined && occurrence.attemptId === existing.attemptId) {
    return {
      incident: { ...existing, content: occurrence.content },
      tell: false,
      why: "it is already counted",
    };
  }
  const incident = counted(existing, occurrence);
  if (existing.silencedUntil !== undefined && now < existing.silencedUntil) {
    return { incident, tell: false, why: "it is silenced" };
  }
  if (existing.acknowledgedAt !== undefined) return { incident, tell: false, why: "it is acknowledged" };
  if (existing.lastToldAt === undefined) return { incident, tell: true, why: "nobody has been told yet" };
  if (!settings.reminders || NOT_REMINDED.has(occurrence.content.kind)) {
    return { incident, tell: false, why: "it has been told" };
  }
  const since = now - existing.lastToldAt;
  const wait = DAY * 2 ** Math.min(existing.reminders, MOST_DOUBLINGS);
  // A clock that was far ahead when it was last told must not silence it for years.
  if (since < wait && since > -DAY)
    return { incident, tell: false, why: "it has been told, a reminder is not due" };
  return {
    incident: { ...incident, reminders: existing.reminders + 1 },
    tell: true,
    why: "a reminder is due",
  };
}

function opened({ key, content, at, bootId, attemptId }: Occurrence): Incident {
  return {
    id: incidentId(key, at),
    key,
    openedAt: at,
    lastAt: at,
    count: 1,
    closedAt: undefined,
    acknowledgedAt: undefined,
    silencedUntil: undefined,
    lastToldAt: undefined,
    reminders: 0,
    bootId,
    attemptId,
    content,
  };
}

function counted(existing: Incident, { content, at, bootId, attemptId }: Occurrence): Incident {
  const count = existing.count + 1;
  return {
    ...existing,
    count,
    lastAt: Math.max(existing.lastAt, at),
    bootId: bootId ?? existing.bootId,
    attemptId: attemptId ?? existing.attemptId,
    content: { ...content, count },
  };
}

/**
 * Whether one more alert may leave: a bucket of `burst` tokens that fills at `hourly` tokens an hour, worked out from
 * the times at which alerts of the kind were told, so that a restart neither forgets nor forgives.
 */
export function mayTell(
  toldAt: readonly number[],
  now: number,
  limits: { readonly burst: number; readonly hourly: number },
): boolean {
  const perMillisecond = limits.hourly / 3_600_000;
  let tokens = limits.burst;
  let last = Number.NEGATIVE_INFINITY;
  for (const at of toldAt.filter((time) => time <= now).sort((a, b) => a - b)) {
    tokens = Math.min(limits.burst, tokens + (at - last) * perMillisecond);
    tokens = Math.max(0, tokens - 1);
    last = at;
  }
  return Math.min(limits.burst, tokens + (now - last) * perMillisecond) >= 1;
}
