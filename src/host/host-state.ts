import type { HostState } from "../model/host-state.ts";
import { mapReading, type Reading } from "../model/reading.ts";
import { readFirmwareDemands } from "./firmware-demands.ts";
import { type HostReading, type HostSources, readHost } from "./host-reading.ts";
import { formatKernelParameter } from "./kernel-parameters.ts";
import { linksNow } from "./pci-link.ts";

/** What diagnosis and preflight want to know of a host, as a view of what was read of it. */
export function hostStateOf(host: HostReading): HostState {
  const { tables, devices } = host;
  return {
    kernelRelease: host.kernelRelease,
    bios: biosOf(host),
    devices,
    groups: host.groups,
    firmwareDemands: tables.state === "read" ? readFirmwareDemands(tables.value, devices) : tables,
    vfioNodes: host.vfioNodes,
    modules: mapReading(host.modules, ({ present }) => present),
    vms: host.vms,
    interruptRemapping: host.interruptRemapping,
    kernelParameters: mapReading(host.commandLine, (parameters) => parameters.map(formatKernelParameter)),
    linksNow: (device) => linksNow(host, device),
  };
}

/** Reads what diagnosis and preflight want to know of the host now; every part succeeds or fails alone. */
export function readHostState(sources: HostSources): HostState {
  return hostStateOf(readHost(sources));
}

/** Absent where the machine has no DMI tables or names no version. */
function biosOf({ dmi }: HostReading): HostState["bios"] {
  return mapReading(dmi["bios.version"], (version) => ({
    version,
    ...optional("date", dmi["bios.date"]),
    ...optional("vendor", dmi["bios.vendor"]),
  }));
}

function optional<Name extends string>(
  name: Name,
  reading: Reading<string>,
): { readonly [N in Name]?: string } {
  return reading.state === "read" ? ({ [name]: reading.value } as { readonly [N in Name]?: string }) : {};
}
