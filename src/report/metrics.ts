import type { RuntimeState } from "../daemon/runtime-state.ts";
import { HOSTILE } from "../hostile-text.ts";
import type { AttemptTally } from "../store/attempt-store.ts";
import type { Store } from "../store/store.ts";

/** What the numbers are taken from; a part is undefined where it cannot be had. */
export interface MetricsInput {
  readonly service: RuntimeState | undefined;
  /** What the machine is; without it nothing is said of that. */
  readonly host?: HostInfo | undefined;
  /** VMs with passed-through devices. */
  readonly vms?: readonly VmOutlook[] | undefined;
  readonly history:
    | {
        readonly bytes: number;
        readonly tallies: readonly AttemptTally[];
        readonly channels: ReturnType<Store["alerts"]["channelStates"]>;
        readonly openIncidents: number;
      }
    | undefined;
}

/** Empty where it is not known. */
export interface HostInfo {
  readonly board_vendor: string;
  readonly board: string;
  readonly bios: string;
  readonly bios_date: string;
  readonly agesa: string;
  readonly kernel: string;
}

/** Whether a VM would start now. */
export interface VmOutlook {
  readonly vm: string;
  readonly willStart: boolean;
  /** Class of what stops it; empty where nothing does. */
  readonly class: string;
}

/** Of more VMs than these, those that were started last are shown. */
const MOST_VMS = 200;

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
export function renderMetrics({ service, history, host, vms }: MetricsInput): string {
  const families = [
    gauge("up", "Whether the service runs.", [[{}, service === undefined ? 0 : 1]]),
    ...(service === undefined ? [] : serviceFamilies(service)),
    ...(host === undefined ? [] : [gauge("host_info", "What the machine is.", [[{ ...host }, 1]])]),
    ...(vms === undefined ? [] : [outlookFamily(vms)]),
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

function outlookFamily(vms: readonly VmOutlook[]): Family {
  return gauge(
    "will_start",
    "Whether a start of the VM would go well now, with the class of what stops it.",
    vms
      .slice(0, MOST_VMS)
      .map(({ vm, willStart, class: cause }) => [{ vm, class: cause }, willStart ? 1 : 0]),
  );
}

function historyFamilies(history: NonNullable<MetricsInput["history"]>): readonly Family[] {
  const { channels } = history;
  const { tallies, leftOut } = ofNewestVms(history.tallies);
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
    gauge(
      "last_start_info",
      "How the VM's last start went, with the class of what failed.",
      last.map(({ vm, outcome, cause }) => [{ vm, outcome, class: cause ?? "" }, 1]),
    ),
    gauge("vms_left_out", "VMs of which nothing is shown, for there are too many.", [[{}, leftOut]]),
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

function ofNewestVms(all: readonly AttemptTally[]): {
  readonly tallies: readonly AttemptTally[];
  readonly leftOut: number;
} {
  const byVm = [...Map.groupBy(all, ({ vm }) => vm).values()];
  if (byVm.length <= MOST_VMS) return { tallies: all, leftOut: 0 };
  const newestOf = (own: readonly AttemptTally[]) => Math.max(...own.map(({ lastAt }) => lastAt));
  const shown = byVm.toSorted((a, b) => newestOf(b) - newestOf(a)).slice(0, MOST_VMS);
  return { tallies: shown.flat(), leftOut: byVm.length - MOST_VMS };
}

function gauge(name: string, help: string, samples: Family["samples"]): Family {
  return { name: `vfio_watch_${name}`, type: "gauge", help, samples };
}

function counter(name: string, help: string, samples: Family["samples"]): Family {
  return { name: `vfio_watch_${name}`, type: "counter", help, samples };
}

function renderFamily({ name, type, help, samples }: Family): string {
  // Two names may look alike once they can be shown, and a collector refuses the whole file for one sample twice.
  const unique = new Map(samples.toReversed().map(([labels, value]) => [renderLabels(labels), value]));
  const lines = [...unique].reverse().map(([labels, value]) => `${name}${labels} ${value}`);
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
