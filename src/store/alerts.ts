import type { AlertContent, AlertStore, Delivery } from "../model/alert.ts";
import { vmName } from "../model/identifiers.ts";
import { boundedJson, boundedText } from "./bounded.ts";
import type { Connection, SqlValue } from "./connection.ts";
import { INCIDENT_COLUMNS, type IncidentRow, toIncident } from "./incident-rows.ts";

interface DeliveryRow {
  readonly number: number;
  readonly incident: string;
  readonly channel: string;
  readonly content: string;
  readonly created_at: number;
  readonly due_at: number;
  readonly tries: number;
  readonly state: Delivery["state"];
  readonly last_error: string | null;
  readonly finished_at: number | null;
}

interface ChannelRow {
  readonly channel: string;
  readonly pending: number;
  readonly givenUp: number;
  readonly lastError: string | null;
  readonly lastDeliveredAt: number | null;
}

interface ToldTime {
  readonly kind: AlertContent["kind"];
  readonly at: number;
}

const DELIVERY_COLUMNS = `delivery.number, incident.id AS incident, channel, delivery.content, created_at, due_at,
  tries, state, last_error, finished_at FROM delivery JOIN incident ON incident.number = delivery.incident`;
const MOST_ERROR = 512;
/** More incidents than this never matter for how many were told lately. */
const TOLD_LATELY = 500;

export function createAlertTable(connection: Connection): AlertStore {
  const openByKey = connection.statement<[string], IncidentRow>(
    `SELECT ${INCIDENT_COLUMNS} FROM incident WHERE key = ? AND closed_at IS NULL
     ORDER BY number DESC LIMIT 1`,
  );
  const byId = connection.statement<[string], IncidentRow>(
    `SELECT ${INCIDENT_COLUMNS} FROM incident WHERE id = ?`,
  );
  const list = connection.statement<[number, number], IncidentRow>(
    // Between boots by their order, within one by the clock that nobody sets; the wall clock has to do where neither
    // is known.
    `SELECT ${prefixed("incident", INCIDENT_COLUMNS)} FROM incident LEFT JOIN boot ON boot.id = incident.boot_id
     WHERE closed_at IS NULL OR ? = 0
     ORDER BY coalesce(boot.order_key,
         (SELECT max(order_key) FROM boot AS around WHERE around.started_at <= incident.last_at), 0) DESC,
       coalesce(incident.steady, last_at - coalesce(boot.started_at, 0)) DESC, incident.number DESC LIMIT ?`,
  );
  const lately = connection.statement<[number], ToldTime & { id: string }>(
    `SELECT id, content ->> '$.kind' AS kind, last_told_at AS at FROM incident
     WHERE last_told_at IS NOT NULL ORDER BY last_told_at DESC LIMIT ?`,
  );
  const byAttempt = connection.statement<[string], IncidentRow>(
    `SELECT ${INCIDENT_COLUMNS} FROM incident WHERE attempt_id = ? ORDER BY number DESC LIMIT 1`,
  );
  const silenced = connection.statement<[string, number], { silenced_until: number }>(
    "SELECT silenced_until FROM incident WHERE key = ? AND silenced_until > ? ORDER BY number DESC LIMIT 1",
  );
  /** Of each incident that was told; asked for each start of a storm, and changed by those alone that are told. */
  let told: { readonly times: Map<string, ToldTime>; readonly asOf: string } | undefined;
  const saveAs = (changing: string) =>
    connection.statement<SqlValue[]>(
      `INSERT INTO incident (${INCIDENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET (${changing}) = (${changing.replaceAll(/\w+/g, "excluded.$&")})`,
    );
  // SQLite writes the page of every index of which a column is named, changed or not.
  const indexed = connection.statement<[string], { key: string; closed_at: number | null }>(
    "SELECT key, closed_at FROM incident WHERE id = ?",
  );
  const saveWhole = saveAs(INCIDENT_COLUMNS.replace("id, ", ""));
  const saveRest = saveAs(INCIDENT_COLUMNS.replace("id, key, ", "").replace("closed_at, ", ""));
  const enqueue = connection.statement<[string, string, string, number, number]>(
    `INSERT INTO delivery (incident, channel, content, created_at, due_at)
     VALUES ((SELECT number FROM incident WHERE id = ?), ?, ?, ?, ?)`,
  );
  const due = connection.statement<[number, number], DeliveryRow>(
    `SELECT ${DELIVERY_COLUMNS} WHERE state = 'pending' AND due_at <= ?
     ORDER BY due_at, delivery.number LIMIT ?`,
  );
  const dueThrough = connection.statement<[string, number, number], DeliveryRow>(
    `SELECT ${DELIVERY_COLUMNS} WHERE channel = ? AND state = 'pending' AND due_at <= ?
     ORDER BY due_at, delivery.number LIMIT ?`,
  );
  const nextDue = connection.statement<[], { at: number | null }>(
    "SELECT min(due_at) AS at FROM delivery WHERE state = 'pending'",
  );
  const nextDueThrough = connection.statement<[string], { at: number | null }>(
    "SELECT min(due_at) AS at FROM delivery WHERE channel = ? AND state = 'pending'",
  );
  const ofIncident = connection.statement<[string], DeliveryRow>(
    `SELECT ${DELIVERY_COLUMNS} WHERE incident.id = ? ORDER BY delivery.number`,
  );
  const delivered = connection.statement<[number, number]>(
    `UPDATE delivery SET state = 'delivered', tries = tries + 1, finished_at = ?
     WHERE number = ? AND state = 'pending'`,
  );
  const failed = connection.statement<[string, number, number]>(
    `UPDATE delivery SET tries = tries + 1, last_error = ?, due_at = ? WHERE number = ? AND state = 'pending'`,
  );
  const givenUp = connection.statement<[string, number, number]>(
    `UPDATE delivery SET state = 'given-up', last_error = ?, finished_at = ?
     WHERE number = ? AND state = 'pending'`,
  );
  const channels = connection.statement<[], ChannelRow>(
    `SELECT channel, sum(state = 'pending') AS pending, sum(state = 'given-up') AS givenUp,
       (SELECT last_error FROM delivery AS newest
        WHERE newest.channel = delivery.channel AND last_error IS NOT NULL
        ORDER BY number DESC LIMIT 1) AS lastError,
       max(finished_at) FILTER (WHERE state = 'delivered') AS lastDeliveredAt
     FROM delivery GROUP BY channel ORDER BY channel`,
  );

  return {
    inTransaction: (work) => connection.durable(work),
    openIncident: (key) => maybe(openByKey.get(key), toIncident),
    incident: (id) => maybe(byId.get(id), toIncident),
    incidents: ({ openOnly, limit }) => list.all(openOnly === true ? 1 : 0, limit ?? -1).map(toIncident),
    incidentOfAttempt: (attemptId) => maybe(byAttempt.get(attemptId), toIncident),
    silencedUntil: (key, now) => silenced.get(key, Math.floor(now))?.silenced_until,
    toldTimes(kind) {
      const asOf = connection.outsideChanges();
      if (told?.asOf !== asOf || told.times.size > 2 * TOLD_LATELY) {
        const times = lately.all(TOLD_LATELY).map(({ id, ...time }) => [id, time] as const);
        told = { times: new Map(times), asOf };
      }
      return [...told.times.values()].flatMap((time) => (time.kind === kind ? time.at : []));
    },
    saveIncident(incident) {
      connection.durable(() => {
        const stored = indexed.get(incident.id);
        if (incident.lastToldAt === undefined) told?.times.delete(incident.id);
        else told?.times.set(incident.id, { kind: incident.content.kind, at: incident.lastToldAt });
        const isIndexedSame =
          stored?.key === incident.key && stored.closed_at === wholeOrNull(incident.closedAt);
        (isIndexedSame ? saveRest : saveWhole).run(
          incident.id,
          incident.key,
          Math.round(incident.openedAt),
          Math.round(incident.lastAt),
          incident.count,
          wholeOrNull(incident.closedAt),
          wholeOrNull(incident.acknowledgedAt),
          wholeOrNull(incident.silencedUntil),
          wholeOrNull(incident.lastToldAt),
          incident.reminders,
          incident.bootId ?? null,
          incident.attemptId ?? null,
          packContent(incident.content),
          wholeOrNull(incident.steady),
          incident.opened?.bootId ?? null,
          wholeOrNull(incident.opened?.steady),
        );
      });
    },
    enqueue: ({ incidentId, channel, content, createdAt, dueAt }) =>
      connection.durable(() =>
        enqueue.insert(incidentId, channel, packContent(content), Math.round(createdAt), Math.round(dueAt)),
      ),
    dueDeliveries(now, limit, channel) {
      const until = Math.floor(now);
      const rows = channel === undefined ? due.all(until, limit) : dueThrough.all(channel, until, limit);
      return rows.map(toDelivery);
    },
    nextDueAt: (channel) =>
      (channel === undefined ? nextDue.get() : nextDueThrough.get(channel))?.at ?? undefined,
    deliveriesOf: (incidentId) => ofIncident.all(incidentId).map(toDelivery),
    markDelivered(id, at) {
      // A power cut may have it told again; a storm of alerts must not wait for the disk twice for each.
      connection.batched(() => delivered.run(Math.round(at), id));
    },
    markFailed(id, error, nextDueAt) {
      connection.durable(() => failed.run(boundedText(error, MOST_ERROR), Math.round(nextDueAt), id));
    },
    markGivenUp(id, error, at) {
      connection.durable(() => givenUp.run(boundedText(error, MOST_ERROR), Math.round(at), id));
    },
    channelStates: () =>
      channels.all().map((row) => ({
        ...row,
        lastError: row.lastError ?? undefined,
        lastDeliveredAt: row.lastDeliveredAt ?? undefined,
      })),
  };
}

/** The incidents of a VM that has another name now, from when it had the old one on: they go on, and end, under it. */
export function renameIncidents(connection: Connection, from: string, to: string, since: number): void {
  const rows = connection.statement<[string, number], { number: number; key: string; content: string }>(
    "SELECT number, key, content FROM incident WHERE content ->> '$.vm' = ? AND last_at >= ?",
  );
  const update = connection.statement<[string, string, number]>(
    "UPDATE incident SET key = ?, content = ? WHERE number = ?",
  );
  for (const { number, key, content } of rows.all(from, since)) {
    // A key is the list of what an incident is about: kind, VM and more.
    const parts = (JSON.parse(key) as readonly unknown[]).map((part, place) => (place === 1 ? to : part));
    const renamed = { ...(JSON.parse(content) as AlertContent), vm: vmName(to) };
    update.run(JSON.stringify(parts), packContent(renamed), number);
  }
}

function prefixed(table: string, columns: string): string {
  return columns.replaceAll(/\w+/g, `${table}.$&`);
}

function packContent(content: AlertContent): string {
  return boundedJson(content, 2048, 32);
}

function wholeOrNull(time: number | undefined): number | null {
  return time === undefined ? null : Math.round(time);
}

function maybe<Row, Value>(row: Row | undefined, make: (row: Row) => Value): Value | undefined {
  return row === undefined ? undefined : make(row);
}

function toDelivery(row: DeliveryRow): Delivery {
  return {
    id: row.number,
    incidentId: row.incident,
    channel: row.channel,
    content: JSON.parse(row.content) as AlertContent,
    createdAt: row.created_at,
    dueAt: row.due_at,
    tries: row.tries,
    state: row.state,
    lastError: row.last_error ?? undefined,
    finishedAt: row.finished_at ?? undefined,
  };
}
