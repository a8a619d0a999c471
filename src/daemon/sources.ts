import type { Config } from "../config.ts";
import { readNames } from "../host/read-file.ts";
import type { HostPaths } from "../host-paths.ts";
import type { Source } from "../model/source.ts";
import { isProxmoxHost } from "../proxmox/read-vms.ts";
import { SOURCES } from "../sources/kinds/all.ts";
import type { SourceSurroundings, VmManagers } from "../sources/kinds/kind.ts";

/** A boot is older than its first log line by this much at most (ms); clocks are set while it boots. */
const BOOT_SLACK = 60_000;

/** What manages VMs here. Where nothing does yet libvirt is waited for; on Proxmox only where it is installed. */
export function vmManagers(paths: HostPaths): VmManagers {
  const proxmox = isProxmoxHost(paths);
  return { proxmox, libvirt: !proxmox || readNames(paths.at("/etc/libvirt")).state !== "absent" };
}

/** The sources of one run: those that the settings name and such a host has. */
export function createSources(
  config: Config,
  given: Omit<SourceSurroundings, "since">,
): Promise<readonly Source[]> {
  const { bootedAt } = given.bootIdentity();
  const surroundings: SourceSurroundings = {
    ...given,
    ...(bootedAt.state === "read" && { since: bootedAt.value - BOOT_SLACK }),
  };
  const managers = vmManagers(given.paths);
  const wanted = SOURCES.filter(({ name, needs }) => config.SOURCES.includes(name) && needs(managers));
  return Promise.all(wanted.map((kind) => kind.create(config, surroundings)));
}
