import type { Clock } from "../clock.ts";
import type { Config } from "../config.ts";
import type { BootIdentity } from "../host/boot-identity.ts";
import { readNames } from "../host/read-file.ts";
import type { HostPaths } from "../host-paths.ts";
import type { BootId } from "../model/identifiers.ts";
import type { Source } from "../model/source.ts";
import { isProxmoxHost } from "../proxmox/read-vms.ts";
import { createConfigFilesSource } from "../sources/config-files.ts";
import { createDomainLogsSource } from "../sources/domain-logs.ts";
import { createKernelLogSource, type KernelLogSource } from "../sources/kernel-log.ts";
import { createLibvirtSource, type LibvirtSource } from "../sources/libvirt.ts";
import { createLibvirtdLogSource } from "../sources/libvirtd-log.ts";
import { createProxmoxSource } from "../sources/proxmox.ts";
import { createVfioNodesSource } from "../sources/vfio-nodes.ts";
import type { KernelTextFilter } from "./kernel-text-filter.ts";

/** The sources of one run, without those that the settings leave out and those that such a host does not have. */
export interface Sources {
  readonly all: readonly Source[];
  readonly kernelLog: KernelLogSource | undefined;
  readonly libvirt: LibvirtSource | undefined;
}

/** A boot is older than its first log line by this much at most (ms); clocks are set while it boots. */
const BOOT_SLACK = 60_000;
/** What would only ever wait for a libvirt that Proxmox neither has nor wants. */
const OF_LIBVIRT: ReadonlySet<string> = new Set(["libvirt", "domain-logs", "libvirtd-log"]);

/** Makes every source that the settings name; adding a source is a line here and its own file. */
export function createSources(options: {
  readonly config: Config;
  readonly paths: HostPaths;
  readonly clock: Clock;
  readonly bootId: BootId;
  readonly bootIdentity: () => BootIdentity;
  /** Whether a kernel text is worth an observation. */
  readonly kernelTexts: KernelTextFilter;
}): Sources {
  const { config, paths, clock, bootId, bootIdentity } = options;
  const bootedAt = bootIdentity().bootedAt;
  const since = bootedAt.state === "read" ? { since: bootedAt.value - BOOT_SLACK } : {};
  const isProxmox = isProxmoxHost(paths);
  const hasNoLibvirt = isProxmox && readNames(paths.at("/etc/libvirt")).state === "absent";
  const wanted = (name: Config["SOURCES"][number]) =>
    config.SOURCES.includes(name) && !(hasNoLibvirt && OF_LIBVIRT.has(name));
  const common = { paths, clock, bootId };

  const kernelLog = wanted("kernel-log")
    ? createKernelLogSource({ paths, clock, bootIdentity, ...options.kernelTexts })
    : undefined;
  const libvirt = wanted("libvirt") ? createLibvirtSource(common) : undefined;
  const others: readonly (Source | undefined)[] = [
    wanted("vfio-nodes") ? createVfioNodesSource(common) : undefined,
    wanted("domain-logs")
      ? createDomainLogsSource({ ...common, ...since, directory: config.DOMAIN_LOG_DIRECTORY })
      : undefined,
    wanted("libvirtd-log")
      ? createLibvirtdLogSource({
          ...common,
          ...since,
          ...(config.LIBVIRTD_LOG !== "" && { file: config.LIBVIRTD_LOG }),
        })
      : undefined,
    wanted("proxmox") && isProxmox ? createProxmoxSource({ ...common, ...since }) : undefined,
    wanted("config-files") ? createConfigFilesSource(common) : undefined,
  ];
  const all = [kernelLog, libvirt, ...others].filter((source) => source !== undefined);
  return { all, kernelLog, libvirt };
}
