import type { AlertContent, Incident } from "../model/alert.ts";
import { bootId } from "../model/identifiers.ts";

/** An incident as its table has it. */
export interface IncidentRow {
  readonly id: string;
  readonly key: string;
  readonly opened_at: number;
  readonly last_at: number;
  readonly count: number;
  readonly closed_at: number | null;
  readonly acknowledged_at: number | null;
  readonly silenced_until: number | null;
  readonly last_told_at: number | null;
  readonly reminders: number;
  readonly boot_id: string | null;
  readonly attempt_id: string | null;
  readonly content: string;
  readonly steady: number | null;
  readonly opened_boot_id: string | null;
  readonly opened_steady: number | null;
}

/** The columns of an `IncidentRow`, and no other. */
export const INCIDENT_COLUMNS =
  "id, key, opened_at, last_at, count, closed_at, acknowledged_at, silenced_until, last_told_at, reminders, boot_id, attempt_id, content, steady, opened_boot_id, opened_steady";

/** The incident that a row holds. */
export function toIncident(row: IncidentRow): Incident {
  let content: AlertContent | undefined;
  return {
    id: row.id,
    key: row.key,
    openedAt: row.opened_at,
    lastAt: row.last_at,
    count: row.count,
    closedAt: row.closed_at ?? undefined,
    acknowledgedAt: row.acknowledged_at ?? undefined,
    silencedUntil: row.silenced_until ?? undefined,
    lastToldAt: row.last_told_at ?? undefined,
    reminders: row.reminders,
    bootId: row.boot_id === null ? undefined : bootId(row.boot_id),
    attemptId: row.attempt_id ?? undefined,
    ...(row.steady !== null && { steady: row.steady }),
    ...(row.opened_boot_id !== null &&
      row.opened_steady !== null && {
        opened: { bootId: bootId(row.opened_boot_id), steady: row.opened_steady },
      }),
    // Who looks through hundreds of incidents for one looks at this last.
    get content() {
      content ??= JSON.parse(row.content) as AlertContent;
      return content;
    },
  };
}
