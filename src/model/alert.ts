import type { CauseClass } from "./catalogue.ts";
import type { Bdf, BootId, VmName } from "./identifiers.ts";

export type Importance = "normal" | "warning" | "alert";

/** What people are told about; each kind has its own text. */
export type AlertKind =
  | "start-failed"
  | "start-failed-other"
  | "hot-plug-failed"
  | "will-not-start"
  | "recovered"
  | "watcher-trouble"
  | "facts-changed"
  | "storm-summary"
  | "test";

/** What an alert says; channels render it, each escaping for its own destination. Plain, hostile text. */
export interface AlertContent {
  readonly kind: AlertKind;
  readonly importance: Importance;
  readonly vm?: VmName;
  /** Devices by address, with a name where one is known. */
  readonly devices: readonly { readonly bdf: Bdf; readonly name?: string }[];
  readonly causeClass?: CauseClass;
  /** One line, e.g. `'Windows 11' did not start`. */
  readonly subject: string;
  /** The cause in one sentence. */
  readonly cause?: string;
  /** What changed since the last good start, most interesting first; empty says nothing changed. */
  readonly changes: readonly string[];
  /** e.g. `last good start 2026-11-20 18:02 UTC on BIOS E7E49AMSI.1A63`, or that there is none. */
  readonly lastGood?: string;
  /** The best of `remedies`. */
  readonly remedy?: string;
  /** Best first, up to a few. */
  readonly remedies?: readonly string[];
  /** Why it stands in no history, where nothing could be stored when it was told. */
  readonly unrecorded?: string;
  /** Command that shows more, e.g. `vfio-watch show 12`. */
  readonly command?: string;
  /** Occurrences so far, when this is a reminder or a summary. */
  readonly count?: number;
}

/** The same VM failing the same way again is one incident. */
export interface Incident {
  readonly id: string;
  /** What makes two occurrences the same: kind, VM, cause class (and device for hardware trouble). */
  readonly key: string;
  readonly openedAt: number;
  readonly lastAt: number;
  readonly count: number;
  /** Undefined while it lasts. */
  readonly closedAt: number | undefined;
  readonly acknowledgedAt: number | undefined;
  /** No reminder before this time (silenced by a person). */
  readonly silencedUntil: number | undefined;
  readonly lastToldAt: number | undefined;
  /** Reminders sent so far; the next is due 2^n days after the last. */
  readonly reminders: number;
  /** The boot of the last occurrence, and when in it by a clock that nobody sets (ms). */
  readonly bootId: BootId | undefined;
  readonly steady?: number | undefined;
  /** The same of what opened it. */
  readonly opened?: { readonly bootId: BootId; readonly steady: number } | undefined;
  /** Attempt that opened or last updated it. */
  readonly attemptId: string | undefined;
  /** The newest content, for `alerts show` and reminders. */
  readonly content: AlertContent;
}

/** One alert on its way to one channel. */
export interface Delivery {
  readonly id: number;
  readonly incidentId: string;
  readonly channel: string;
  readonly content: AlertContent;
  readonly createdAt: number;
  /** Earliest time of the next try. */
  readonly dueAt: number;
  readonly tries: number;
  readonly state: "pending" | "delivered" | "given-up";
  readonly lastError: string | undefined;
  readonly finishedAt: number | undefined;
}

/** What the alerts room needs of the store; every call is one durable transaction unless inside one. */
export interface AlertStore {
  /** Runs `work` in one durable transaction (together with an attempt and its diagnosis, say). */
  inTransaction<T>(work: () => T): T;
  openIncident(key: string): Incident | undefined;
  incident(id: string): Incident | undefined;
  /** Newest first. */
  incidents(filter: { readonly openOnly?: boolean; readonly limit?: number }): readonly Incident[];
  /** The newest that this start attempt was counted in last. */
  incidentOfAttempt(attemptId: string): Incident | undefined;
  /** Until when the newest incident of this key that is silenced at `now` is so. */
  silencedUntil(key: string, now: number): number | undefined;
  /** When those of the newest incidents of a kind were told that were told, in no order. */
  toldTimes(kind: AlertContent["kind"]): readonly number[];
  /** Inserts or replaces by id. */
  saveIncident(incident: Incident): void;
  enqueue(delivery: Omit<Delivery, "id" | "tries" | "state" | "lastError" | "finishedAt">): number;
  /** Pending deliveries that are due, oldest first; of one channel where `channel` is given. */
  dueDeliveries(now: number, limit: number, channel?: string): readonly Delivery[];
  /** When the next pending delivery (of `channel`) is due; undefined when there is none. */
  nextDueAt(channel?: string): number | undefined;
  deliveriesOf(incidentId: string): readonly Delivery[];
  markDelivered(id: number, at: number): void;
  markFailed(id: number, error: string, nextDueAt: number): void;
  markGivenUp(id: number, error: string, at: number): void;
  /** Per channel: pending, given up, last error, last success; for `status`. */
  channelStates(): readonly {
    readonly channel: string;
    readonly pending: number;
    readonly givenUp: number;
    readonly lastError: string | undefined;
    readonly lastDeliveredAt: number | undefined;
  }[];
}
