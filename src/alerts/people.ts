import type { AlertStore, Delivery, Incident } from "../model/alert.ts";
import type { Written } from "../store/refusal.ts";

/** An incident with everything that left, or is to leave, about it. */
export interface IncidentView {
  readonly incident: Incident;
  readonly state: "open" | "acknowledged" | "silenced" | "closed";
  readonly deliveries: readonly Delivery[];
}

/** What came of asking for an incident by (the beginning of) its id. */
export type FoundIncident =
  | { readonly found: Incident }
  | { readonly problem: "unknown" | "ambiguous"; readonly candidates: readonly string[] };

/** What a person has decided about an incident, or why that could not be kept. */
export type ChangedIncident =
  | { readonly changed: IncidentView }
  | Exclude<FoundIncident, { readonly found: Incident }>
  | { readonly problem: "not-written"; readonly why: string; readonly remedy: string };

/** What people can decide: not to be reminded, or to hear nothing before `until` (UTC epoch milliseconds). */
export type Decision =
  | { readonly kind: "acknowledge" }
  | { readonly kind: "silence"; readonly until: number };

const SEARCHED = 1_000;

/** Incidents for `alerts list`, newest first. */
export function listIncidents(
  store: AlertStore,
  now: number,
  filter: { readonly openOnly?: boolean; readonly limit?: number } = {},
): readonly IncidentView[] {
  return store.incidents(filter).map((incident) => viewOf(store, incident, now));
}

/** Finds an incident by its id or a beginning of it that is unique among the newest. */
export function findIncident(store: AlertStore, id: string): FoundIncident {
  const exact = store.incident(id);
  if (exact !== undefined) return { found: exact };
  const candidates =
    id === "" ? [] : store.incidents({ limit: SEARCHED }).filter((one) => one.id.startsWith(id));
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return { found: only };
  const problem = candidates.length === 0 ? "unknown" : "ambiguous";
  return { problem, candidates: candidates.map((candidate) => candidate.id).slice(0, 10) };
}

/** One incident with its deliveries, for `alerts show`. */
export function viewOf(store: AlertStore, incident: Incident, now: number): IncidentView {
  return { incident, state: stateOf(incident, now), deliveries: store.deliveriesOf(incident.id) };
}

/** The person knows: no reminders until it is over. What happens is still counted. */
export function acknowledge(store: AlertStore, id: string, now: number): Incident | undefined {
  return change(store, id, (incident) => ({ ...incident, acknowledgedAt: incident.acknowledgedAt ?? now }));
}

/** Nothing is said about it, nor about the same thing failing anew, before `until` (UTC epoch milliseconds). */
export function silence(store: AlertStore, id: string, until: number): Incident | undefined {
  return change(store, id, (incident) => ({ ...incident, silencedUntil: until }));
}

/** Keeps what a person decided about the incident with this id, or beginning of one. */
export function decide(
  store: { readonly alerts: AlertStore; readonly durable: <T>(work: () => T) => Written<T> },
  id: string,
  decision: Decision,
  now: number,
): ChangedIncident {
  const { alerts } = store;
  const result = findIncident(alerts, id);
  if (!("found" in result)) return result;
  const { found } = result;
  const written = store.durable(() =>
    decision.kind === "acknowledge"
      ? acknowledge(alerts, found.id, now)
      : silence(alerts, found.id, decision.until),
  );
  if (written.state === "refused") {
    const { why, remedy } = written.trouble;
    return { problem: "not-written", why, remedy };
  }
  return { changed: viewOf(alerts, written.value ?? found, now) };
}

/** Reads a duration as people write it: `90m`, `12h`, `7d`, `2w`; milliseconds, undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const parts = /^(\d{1,5})\s*([mhdw])$/i.exec(text.trim());
  const unit = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }[parts?.[2]?.toLowerCase() ?? ""];
  const number = Number(parts?.[1] ?? 0);
  return unit === undefined || number === 0 ? undefined : number * unit;
}

function change(store: AlertStore, id: string, to: (incident: Incident) => Incident): Incident | undefined {
  return store.inTransaction(() => {
    const incident = store.incident(id);
    if (incident === undefined) return undefined;
    const changed = to(incident);
    store.saveIncident(changed);
    return changed;
  });
}

function stateOf(incident: Incident, now: number): IncidentView["state"] {
  if (incident.closedAt !== undefined) return "closed";
  if (incident.silencedUntil !== undefined && incident.silencedUntil > now) return "silenced";
  return incident.acknowledgedAt === undefined ? "open" : "acknowledged";
}
