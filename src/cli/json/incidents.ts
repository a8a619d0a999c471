import type { IncidentView } from "../../alerts/people.ts";
import type { AlertContent, Delivery, Incident } from "../../model/alert.ts";
import { timeJson } from "./document.ts";

/** An incident with what became of it. */
export function incidentViewJson({ incident, state, deliveries }: IncidentView): object {
  return { incident: incidentJson(incident), state, deliveries: deliveries.map(deliveryJson) };
}

/** An incident by itself. */
export function incidentJson(incident: Incident): object {
  return {
    id: incident.id,
    openedAt: timeJson(incident.openedAt),
    lastAt: timeJson(incident.lastAt),
    count: incident.count,
    closedAt: timeJson(incident.closedAt),
    acknowledgedAt: timeJson(incident.acknowledgedAt),
    silencedUntil: timeJson(incident.silencedUntil),
    attemptId: incident.attemptId ?? null,
    content: contentJson(incident.content),
  };
}

function contentJson(content: AlertContent): object {
  return {
    kind: content.kind,
    importance: content.importance,
    vm: content.vm ?? null,
    devices: content.devices.map(({ bdf, name }) => ({ bdf, name: name ?? null })),
    class: content.causeClass ?? null,
    subject: content.subject,
    cause: content.cause ?? null,
    changes: content.changes,
    lastGood: content.lastGood ?? null,
    remedies: content.remedies ?? (content.remedy === undefined ? [] : [content.remedy]),
    command: content.command ?? null,
  };
}

function deliveryJson(delivery: Delivery): object {
  return {
    id: delivery.id,
    channel: delivery.channel,
    kind: delivery.content.kind,
    createdAt: timeJson(delivery.createdAt),
    dueAt: timeJson(delivery.dueAt),
    tries: delivery.tries,
    state: delivery.state,
    lastError: delivery.lastError ?? null,
    finishedAt: timeJson(delivery.finishedAt),
  };
}
