import type { RuntimeState } from "../daemon/runtime-state.ts";
import { readHost } from "../host/host-reading.ts";
import { valueOr } from "../model/reading.ts";
import { type HostInfo, type MetricsInput, renderMetrics, type VmOutlook } from "../report/metrics.ts";
import { openStore } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import { checkHost, thisHost } from "./check-host.ts";
import type { CommandIo } from "./command.ts";
import { boardNamesOf } from "./known-firmware.ts";
import { findCatalogue, type Surroundings } from "./surroundings.ts";

/** Everything for a collector, as far as it can be had; what cannot is said: a missing series is taken for what it is. */
export async function readMetrics(
  surroundings: Surroundings,
  service: RuntimeState | undefined,
  database: string,
  io: CommandIo,
): Promise<string> {
  const opened = openStore({ path: database, readOnly: true, clock: { now: Date.now } });
  if (opened.state === "refused") io.err(`vfio-watch: ${opened.why} ${opened.remedy}\n`);
  const store = opened.state === "open" ? opened.store : undefined;
  try {
    return renderMetrics({
      ...{ service, history: store && historyOf(store) },
      host: hostInfo(surroundings),
      vms: await outlooks(surroundings, store, io),
    });
  } finally {
    store?.close();
  }
}

function historyOf(store: Store): MetricsInput["history"] {
  return {
    bytes: store.stats().bytes,
    tallies: store.attempts.tallies(),
    channels: store.alerts.channelStates(),
    openIncidents: store.alerts.incidents({ openOnly: true }).length,
  };
}

function hostInfo({ paths }: Surroundings): HostInfo {
  const host = readHost({ paths });
  const { vendor, board, systemVendor, product } = boardNamesOf(host);
  return {
    board_vendor: vendor ?? systemVendor ?? "",
    board: board ?? product ?? "",
    bios: valueOr(host.dmi["bios.version"], ""),
    bios_date: valueOr(host.dmi["bios.date"], ""),
    agesa: valueOr(host.agesa, ""),
    kernel: valueOr(host.kernelRelease, ""),
  };
}

/** Undefined where the VMs cannot be read. What is not certain to stop a VM is no forecast. */
async function outlooks(
  surroundings: Surroundings,
  store: Store | undefined,
  io: CommandIo,
): Promise<readonly VmOutlook[] | undefined> {
  const host = await thisHost(surroundings, store);
  if (host.live.vms.state !== "read") return undefined;
  const { vms } = checkHost(surroundings, host, findCatalogue(surroundings, io), store);
  return vms.map(({ vm, findings, answer }) => {
    const isStopped = findings.some(({ matter, certainty }) => matter === "stops" && certainty === "certain");
    return { vm, willStart: !isStopped, class: isStopped ? (answer?.cause?.class ?? "unknown") : "" };
  });
}
