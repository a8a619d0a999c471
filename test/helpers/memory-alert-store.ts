import type { AlertStore, Delivery, Incident } from "../../src/model/alert.ts";

/** An alert store without a disk, with everything that was queued for a look at it. */
export interface MemoryAlertStore extends AlertStore {
  readonly deliveries: readonly Delivery[];
  /** The next calls of this method throw. */
  fail(method: "markDelivered" | "markFailed" | "dueDeliveries", times: number): void;
}

export function createMemoryAlertStore(): MemoryAlertStore {
  const incidents = new Map<string, Incident>();
  const deliveries: Delivery[] = [];
  const failures = new Map<string, number>();

  const refuse = (method: string) => {
    const left = failures.get(method) ?? 0;
    if (left === 0) return;
    failures.set(method, left - 1);
    throw new Error("database or disk is full");
  };
  const change = (id: number, changes: Partial<Delivery>) => {
    const index = deliveries.findIndex((delivery) => delivery.id === id);
    const found = deliveries[index];
    if (found?.state === "pending") deliveries[index] = { ...found, ...changes };
  };
  const pending = (channel?: string) =>
    deliveries.filter((one) => one.state === "pending" && (channel === undefined || one.channel === channel));
  const triesOf = (id: number) => (deliveries.find((one) => one.id === id)?.tries ?? 0) + 1;

  return {
    deliveries,
    fail: (method, times) => failures.set(method, times),
    inTransaction: (work) => work(),
    openIncident: (key) =>
      [...incidents.values()].find((one) => one.key === key && one.closedAt === undefined),
    incident: (id) => incidents.get(id),
    incidents: ({ openOnly, limit }) =>
      [...incidents.values()]
        .filter((one) => openOnly !== true || one.closedAt === undefined)
        .sort((a, b) => b.lastAt - a.lastAt)
        .slice(0, limit),
    incidentOfAttempt: (attemptId) => [...incidents.values()].findLast((one) => one.attemptId === attemptId),
    silencedUntil: (key, now) =>
      [...incidents.values()].findLast((one) => one.key === key && (one.silencedUntil ?? 0) > now)
        ?.silencedUntil,
    toldTimes: (kind) =>
      [...incidents.values()].flatMap((one) => (one.content.kind === kind ? (one.lastToldAt ?? []) : [])),
    saveIncident: (incident) => incidents.set(incident.id, incident),
    enqueue(delivery) {
      const id = deliveries.length + 1;
      deliveries.push({
        ...delivery,
        id,
        tries: 0,
        state: "pending",
        lastError: undefined,
        finishedAt: undefined,
      });
      return id;
    },
    dueDeliveries(now, limit, channel) {
      refuse("dueDeliveries");
      return pending(channel)
        .filter((one) => one.dueAt <= now)
        .sort((a, b) => a.dueAt - b.dueAt || a.id - b.id)
        .slice(0, limit);
    },
    nextDueAt(channel) {
      const times = pending(channel).map((one) => one.dueAt);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    deliveriesOf: (id) => deliveries.filter((one) => one.incidentId === id),
    markDelivered(id, at) {
      refuse("markDelivered");
      change(id, { state: "delivered", tries: triesOf(id), finishedAt: at });
    },
    markFailed(id, error, nextDueAt) {
      refuse("markFailed");
      change(id, { tries: triesOf(id), lastError: error, dueAt: nextDueAt });
    },
    markGivenUp: (id, error, at) => change(id, { state: "given-up", lastError: error, finishedAt: at }),
    channelStates: () =>
      [...new Set(deliveries.map((one) => one.channel))].map((channel) => {
        const own = deliveries.filter((one) => one.channel === channel);
        return {
          channel,
          pending: own.filter((one) => one.state === "pending").length,
          givenUp: own.filter((one) => one.state === "given-up").length,
          lastError: own.findLast((one) => one.lastError !== undefined)?.lastError,
          lastDeliveredAt: own.findLast((one) => one.state === "delivered")?.finishedAt,
        };
      }),
  };
}
