import { alertText, plainLines } from "../alerts/message.ts";
import type { IncidentView } from "../alerts/people.ts";
import type { Delivery } from "../model/alert.ts";
import { formatTime, type Paint, printable } from "../terminal-text.ts";
import { table, wrap } from "../text-columns.ts";

/** Incidents for a person, one a line. */
export function describeIncidents(views: readonly IncidentView[], paint: Paint, width: number): string {
  if (views.length === 0) return "Nobody had to be told anything yet.";
  return table(
    views.map(({ incident, state }) => [
      incident.id,
      formatTime(incident.lastAt),
      stateWord(state, paint),
      incident.count === 1 ? "once" : `${incident.count} times`,
      printable(incident.content.subject),
    ]),
    width,
  );
}

/** One incident as a page for a person: what was said, and where it went. */
export function describeIncident(view: IncidentView, paint: Paint, columns: number): string {
  const { incident, state, deliveries } = view;
  const { id, content, openedAt, lastAt, count, acknowledgedAt, silencedUntil, closedAt } = incident;
  // The text is what people got; only the line that names host and incident stands above already.
  const text = alertText({ incidentId: id, deliveryId: 0, host: "", createdAt: openedAt, content });
  const said = plainLines({ ...text, parts: text.parts.slice(0, -1) });
  const lines = [
    `${paint("bold", printable(text.title))}  ${stateWord(state, paint)}`,
    `incident ${id}, ${content.kind}, ${content.importance}`,
    count === 1
      ? `It happened once, at ${formatTime(openedAt)}.`
      : `It happened ${count} times, from ${formatTime(openedAt)} to ${formatTime(lastAt)}.`,
  ];
  if (acknowledgedAt !== undefined) lines.push(`Acknowledged at ${formatTime(acknowledgedAt)}.`);
  if (silencedUntil !== undefined) lines.push(`Silenced until ${formatTime(silencedUntil)}.`);
  if (closedAt !== undefined) lines.push(`Over since ${formatTime(closedAt)}.`);
  lines.push("", ...said.map((line) => wrap(printable(line), columns, "  ")));
  lines.push("", paint("bold", "Where it went"));
  if (deliveries.length === 0) lines.push("Nowhere: no channel wanted it, or it was held back.");
  else
    lines.push(
      table(
        deliveries.map((delivery) => deliveryRow(delivery, paint)),
        columns,
      ),
    );
  return lines.join("\n");
}

function deliveryRow({ createdAt, channel, content, ...rest }: Delivery, paint: Paint): string[] {
  const error = rest.lastError === undefined ? "" : printable(rest.lastError);
  const row = [formatTime(createdAt), channel, content.kind];
  switch (rest.state) {
    case "delivered":
      return [...row, paint("green", "delivered"), formatTime(rest.finishedAt)];
    case "given-up":
      return [...row, paint("red", "given up"), error];
    case "pending": {
      const next = `next try ${formatTime(rest.dueAt)}`;
      return [...row, paint("yellow", "waits"), error === "" ? next : `${next}; ${error}`];
    }
  }
}

function stateWord(state: IncidentView["state"], paint: Paint): string {
  if (state === "open") return paint("red", state);
  return state === "closed" ? paint("green", "over") : paint("yellow", state);
}
