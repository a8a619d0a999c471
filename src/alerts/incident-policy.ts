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
  /** The same by a clock that nobody sets, in milliseconds of the boot. */
  readonly steady?: number | undefined;
  /** The attempt that it is about; the same attempt seen twice is one occurrence. */
  readonly attemptId?: string | undefined;
  /** It was dealt with before, and more is known of the attempt now. */
  readonly wasSettled?: boolean;
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
/** What is expected and what then happens is one incident. */
const SAME_AS: Partial<Readonly<Record<AlertKind, AlertKind>>> = { "will-not-start": "start-failed" };
/** These are told once; nobody wants to be reminded of them. */
const NOT_REMINDED: ReadonlySet<AlertKind> = new Set(["facts-changed", "recovered", "test"]);

/**
 * Names the incident that an alert belongs to: its kind, VM and cause, or for the watcher's own troubles and changed
 * facts a `topic` (which source, which facts). A VM that is expected to fail and then fails for that very cause is one
 * incident. Any text is safe in any place.
 */
export function incidentKey(content: Pick<AlertContent, "kind" | "vm" | "causeClass">, topic = ""): string {
  const kind = SAME_AS[content.kind] ?? content.kind;
  return JSON.stringify([kind, content.vm ?? "", content.causeClass ?? "", topic]);
}

/** The id of the incident that opens for a key at a time: short, and the same when the same is read again. */
export function incidentId(key: string, openedAt: number): string {
  return createHash("sha256").update(`${openedAt}\n${key}`).digest("hex").slice(0, 10);
}

/**
 * Decides about an occurrence. One incident is told once; while it lasts it is counted, and reminded of when it
 * happens again 1, 2, 4 … days after it was last told. A failure that was expected is told twice: when it is foreseen,
 * and when a start has really failed; foreseeing once more what has already failed says nothing new. A person who has
 * acknowledged or silenced it is left alone. Whether a storm holds it back is decided elsewhere; an incident that was
 * never told stays due.
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
  const wasForeseen = existing.content.kind === "will-not-start";
  const isForeseen = occurrence.content.kind === "will-not-start";
  if (occurrence.attemptId !== undefined && occurrence.attemptId === existing.attemptId) {
    return revised(existing, occurrence);
  }
  // A newer start has failed the same way since, and this one was counted when it did.
  if (occurrence.wasSettled === true && !wasForeseen) {
    return { incident: existing, tell: false, why: "it is already counted" };
  }
  if (isForeseen && !wasForeseen) {
    return { incident: existing, tell: false, why: "it has failed already, which says more" };
  }
  const cameTrue = wasForeseen && !isForeseen;
  const incident = cameTrue
    ? {
        ...counted(existing, occurrence),
        ...openedBy(occurrence),
        count: 1,
        content: occurrence.content,
      }
    : isForeseen && occurrence.bootId !== undefined && occurrence.bootId === existing.bootId
      ? {
          ...existing,
          steady: occurrence.steady ?? existing.steady,
          content: { ...existing.content, ...occurrence.content },
        }
      : counted(existing, occurrence);
  if (existing.silencedUntil !== undefined && now < existing.silencedUntil) {
    return { incident, tell: false, why: "it is silenced" };
  }
  if (existing.acknowledgedAt !== undefined) return { incident, tell: false, why: "it is acknowledged" };
  if (existing.lastToldAt === undefined) return { incident, tell: true, why: "nobody has been told yet" };
  if (cameTrue) return { incident, tell: true, why: "it was expected, and has happened now" };
  if (!settings.reminders || NOT_REMINDED.has(occurrence.content.kind)) {
    return { incident, tell: false, why: "it has been told" };
  }
  const since = now - existing.lastToldAt;
  const wait = DAY * 2 ** Math.min(existing.reminders, MOST_DOUBLINGS);
  // A clock that was far ahead when it was last told must not silence it for years; one that was set back since, within
  // the boot, makes nothing due.
  const isSameBoot = occurrence.bootId !== undefined && occurrence.bootId === existing.bootId;
  if (since < wait && (since > -DAY || isSameBoot))
    return { incident, tell: false, why: "it has been told, a reminder is not due" };
  return {
    incident: { ...incident, reminders: existing.reminders + 1 },
    tell: true,
    why: "a reminder is due",
  };
}

/** More is known about an attempt that is counted already. Only a cause where there was none is news. */
function revised(existing: Incident, { key, content }: Occurrence): Decision {
  const incident = { ...existing, key, content: { ...content, ...countOf(existing) } };
  const isNews =
    existing.content.causeClass === undefined &&
    content.causeClass !== undefined &&
    existing.lastToldAt !== undefined &&
    existing.acknowledgedAt === undefined &&
    existing.closedAt === undefined;
  return { incident, tell: isNews, why: isNews ? "its cause is known now" : "it is already counted" };
}

function countOf({ count }: Incident): { readonly count?: number } {
  return count > 1 ? { count } : {};
}

function openedBy({ at, bootId, steady }: Occurrence): Pick<Incident, "openedAt" | "opened"> {
  const opened = bootId === undefined || steady === undefined ? undefined : { bootId, steady };
  return { openedAt: at, opened };
}

function opened(occurrence: Occurrence): Incident {
  const { key, content, at, bootId, steady, attemptId } = occurrence;
  return {
    id: incidentId(key, at),
    key,
    ...openedBy(occurrence),
    lastAt: at,
    count: 1,
    closedAt: undefined,
    acknowledgedAt: undefined,
    silencedUntil: undefined,
    lastToldAt: undefined,
    reminders: 0,
    bootId,
    steady,
    attemptId,
    content,
  };
}

function counted(existing: Incident, occurrence: Occurrence): Incident {
  const { content, at, bootId, steady, attemptId } = occurrence;
  const count = existing.count + 1;
  return {
    ...existing,
    count,
    ...(isLater(occurrence, existing)
      ? { lastAt: at, bootId: bootId ?? existing.bootId, steady: steady ?? existing.steady }
      : {}),
    attemptId: attemptId ?? existing.attemptId,
    content: { ...content, count },
  };
}

/** Within a boot by the clock that nobody sets, and a boot that is told of now is later than any other. */
function isLater(occurrence: Occurrence, existing: Incident): boolean {
  const { bootId, steady, at } = occurrence;
  if (bootId !== undefined && existing.bootId !== undefined) {
    if (bootId !== existing.bootId) return true;
    if (steady !== undefined && existing.steady !== undefined) return steady >= existing.steady;
  }
  return at >= existing.lastAt;
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
