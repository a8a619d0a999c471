import type { RuntimeState } from "../daemon/runtime-state.ts";
import { HOSTILE } from "../hostile-text.ts";
import type { AttemptTally } from "../store/attempt-store.ts";
import type { Store } from "../store/store.ts";

/** What the numbers are taken from; a part is undefined where it cannot be had. */
export interface MetricsInput {
  readonly service: RuntimeState | undefined;
  readonly history:
    | {
        readonly bytes: number;
        readonly tallies: readonly AttemptTally[];
        readonly channels: ReturnType<Store["alerts"]["channelStates"]>;
        readonly openIncidents: number;
      }
    | undefined;
}

type Labels = Readonly<Record<string, string>>;

interface Family {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  readonly samples: readonly (readonly [labels: Labels, value: number])[];
}

/**
 * Renders the state as Prometheus' text format (version 0.0.4), which node_exporter's textfile collector and
 * telegraf read too. Families without a sample are left out. Times are seconds since 1970, sizes bytes.
 */
export function renderMetrics({ service, history }: MetricsInput): string {
  const families = [
    gauge("up", "Whether the service runs.", [[{}, service === undefined ? 0 : 1]]),
    ...(service === undefined ? [] : serviceFamilies(service)),
    ...(history === undefined ? [] : historyFamilies(history)),
  ];
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(renderFamily)
    .join("");
}

function serviceFamilies(service: RuntimeState): readonly Family[] {
  const { sources, lastObservationAt } = service;
  const bySource = (value: (source: RuntimeState["sources"][number]) => number) =>
    sources.map((source) => [{ source: source.name }, value(source)] as const);
  return [
    gauge("build_info", "The version that runs.", [[{ version: service.version }, 1]]),
    gauge("started_timestamp_seconds", "When the service was started.", [[{}, service.startedAt / 1000]]),
    gauge("resident_memory_bytes", "Memory of the service.", [[{}, service.memory.rssBytes]]),
    gauge("problems", "What is wrong in settings and signatures.", [[{}, service.problems.length]]),
    gauge(
      "last_observation_timestamp_seconds",
      "When the last observation was made.",
      lastObservationAt === undefined ? [] : [[{}, lastObservationAt / 1000]],
    ),
    gauge(
      "source_up",
      "Whether the source is live.",
      bySource(({ state }) => (state.state === "live" ? 1 : 0)),
    ),
    counter(
      "observations_total",
      "Observations since the service was started.",
      bySource(({ seen }) => seen),
    ),
    counter(
      "records_lost_total",
      "Records that were overwritten before they could be read.",
      bySource(({ lost }) => lost),
    ),
    counter(
      "records_skipped_total",
      "Records that could not be read.",
      bySource(({ skipped }) => skipped),
    ),
  ];
}

function historyFamilies(history: NonNullable<MetricsInput["history"]>): readonly Family[] {
  const { tallies, channels } = history;
  const starts = new Map<string, { readonly labels: Labels; count: number }>();
  const newest = new Map<string, AttemptTally>();
  for (const tally of tallies) {
    const key = `${tally.outcome} ${tally.vm}`;
    const known = starts.get(key);
    if (known === undefined)
      starts.set(key, { labels: { vm: tally.vm, outcome: tally.outcome }, count: tally.count });
    else known.count += tally.count;
    if (tally.lastAt >= (newest.get(tally.vm)?.lastAt ?? 0)) newest.set(tally.vm, tally);
  }
  const last = [...newest.values()];
  return [
    // No counter: retention makes it smaller.
    gauge(
      "starts",
      "Starts on record.",
      [...starts.values()].map(({ labels, count }) => [labels, count]),
    ),
    gauge(
      "last_start_timestamp_seconds",
      "When the VM was last started.",
      last.map(({ vm, lastAt }) => [{ vm }, lastAt / 1000]),
    ),
    gauge(
      "last_start_failed",
      "Whether the VM's last start failed, crashed early or was refused.",
      last.map(({ vm, outcome }) => [{ vm }, outcome === "started" ? 0 : 1]),
    ),
    gauge("open_incidents", "Incidents that are not over.", [[{}, history.openIncidents]]),
    gauge(
      "alerts_pending",
      "Alerts that wait for delivery.",
      channels.map(({ channel, pending }) => [{ channel }, pending]),
    ),
    gauge(
      "alerts_given_up",
      "Alerts that could not be delivered.",
      channels.map(({ channel, givenUp }) => [{ channel }, givenUp]),
    ),
    gauge("history_bytes", "Size of the history.", [[{}, history.bytes]]),
  ];
}

function gauge(name: string, help: string, samples: Family["samples"]): Family {
  return { name: `vfio_watch_${name}`, type: "gauge", help, samples };
}

function counter(name: string, help: string, samples: Family["samples"]): Family {
  return { name: `vfio_watch_${name}`, type: "counter", help, samples };
}

function renderFamily({ name, type, help, samples }: Family): string {
  const lines = samples.map(([labels, value]) => `${name}${renderLabels(labels)} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ""].join("\n");
}

function renderLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** The format knows three escapes; a name with any other control character is shown without it. */
function escapeLabel(value: string): string {
  return value
    .toWellFormed()
    .replace(/[\\"]/g, "\\$&")
    .replaceAll("\n", "\\n")
    .replace(HOSTILE, "\ufffd")
    .replaceAll("\t", "\ufffd");
}
