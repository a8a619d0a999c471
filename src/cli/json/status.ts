import type { RuntimeState } from "../../daemon/runtime-state.ts";
import type { SourceHealth } from "../../model/source.ts";
import type { StoreTrouble } from "../../store/refusal.ts";
import type { Store } from "../../store/store.ts";
import { timeJson } from "./document.ts";

/** What the running service says of itself. */
export function serviceJson(service: RuntimeState): object {
  return {
    version: service.version,
    pid: service.pid,
    bootId: service.bootId ?? null,
    startedAt: timeJson(service.startedAt),
    writtenAt: timeJson(service.writtenAt),
    database: service.database,
    sources: service.sources.map(sourceJson),
    problems: service.problems,
    lastObservationAt: timeJson(service.lastObservationAt),
    fleet: fleetJson(service.fleet),
    memory: { rssBytes: service.memory.rssBytes, heapBytes: service.memory.heapBytes },
  };
}

function fleetJson(fleet: RuntimeState["fleet"]): object | null {
  if (fleet === undefined) return null;
  const { server, position = null, waiting = null, exportedAt, lastError = null, retryAt } = fleet;
  return {
    ...{ server, position, waiting, lastError },
    exportedAt: timeJson(exportedAt),
    retryAt: timeJson(retryAt),
  };
}

function sourceJson({ name, state, since, seen, lastSeenAt, lost, skipped }: SourceHealth): object {
  return {
    name,
    state: state.state,
    detail: state.state === "live" ? state.detail : null,
    why: state.state === "waiting" ? state.why : null,
    remedy: state.state === "waiting" ? state.remedy : null,
    since: timeJson(since),
    seen,
    lastSeenAt: timeJson(lastSeenAt),
    lost,
    skipped,
  };
}

/** The history's file and how much is in it. */
export function databaseJson(path: string, { bytes, rows }: ReturnType<Store["stats"]>): object {
  const { boots, attempts, snapshots, evidence, sightings, gaps, incidents, pendingDeliveries } = rows;
  return {
    path,
    bytes,
    rows: {
      ...{ boots, starts: attempts, snapshots, evidence, sightings },
      ...{ gaps, incidents, pendingDeliveries },
    },
  };
}

/** How alerts leave through one channel. */
export function channelJson(channel: ReturnType<Store["alerts"]["channelStates"]>[number]): object {
  return {
    channel: channel.channel,
    pending: channel.pending,
    givenUp: channel.givenUp,
    lastError: channel.lastError ?? null,
    lastDeliveredAt: timeJson(channel.lastDeliveredAt),
  };
}

/** What nobody saw. */
export function gapJson(gap: ReturnType<Store["gaps"]["list"]>[number]): object {
  const { bootId = null, source, at, lost = null, detail } = gap;
  return { bootId, source, at: timeJson(at), lost, detail };
}

/** What the history could not do. */
export function troubleJson({ kind, since, until, why, remedy, times }: StoreTrouble): object {
  return { kind, since: timeJson(since), until: timeJson(until), why, remedy, times };
}
