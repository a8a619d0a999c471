import { systemClock } from "../clock.ts";
import { readVmDefinitions } from "../host/virtual-machines.ts";
import type { HostPaths } from "../host-paths.ts";
import { type LibvirtClient, openLibvirtClient } from "../libvirt/client.ts";
import { parseDomainXml } from "../libvirt/domain-xml.ts";
import type { VmStatus } from "../model/host-state.ts";
import { mapReading, type Reading, read, unreadable } from "../model/reading.ts";
import { libvirtSocketPaths } from "../sources/libvirt-sockets.ts";

/** The VMs of this host, and where that is from. */
export interface LiveVms {
  readonly vms: Reading<readonly VmStatus[]>;
  /** e.g. `libvirt 11.3.0`, `the definitions in /etc/libvirt/qemu (libvirt does not answer)`. */
  readonly from: string;
  /** Whether it is known which of them run. */
  readonly statesKnown: boolean;
  readonly libvirtVersion: string | undefined;
}

/** How long one answer of libvirt may take; a person waits (ms). */
const TIME_LIMIT = 3_000;

/** Asks libvirt; where it does not answer, reads the definitions that it keeps in files. */
export async function readLiveVms(paths: HostPaths): Promise<LiveVms> {
  let why = "libvirt does not run";
  for (const socketPath of libvirtSocketPaths(paths)) {
    const opened = await openLibvirtClient({
      socketPath,
      clock: systemClock,
      timeLimit: TIME_LIMIT,
      keepalive: { interval: TIME_LIMIT, unanswered: 2 },
      onEvent: () => {},
      onLost: () => {},
    });
    if (!opened.ok) {
      if (opened.error.code === "EACCES") why = "libvirt's socket needs root";
      continue;
    }
    const vms = await askAll(opened.client);
    await opened.client.close();
    if (vms.state !== "read") {
      why = vms.state === "unreadable" ? vms.why : why;
      continue;
    }
    const { version } = opened.client;
    return { vms, from: `libvirt ${version}`, statesKnown: true, libvirtVersion: version };
  }
  const files = readVmDefinitions(paths);
  return {
    vms: mapReading(files, (definitions) =>
      definitions.map(
        (definition): VmStatus => ({
          definition,
          state: { state: "nostate", reason: "libvirt was not asked" },
        }),
      ),
    ),
    from: `the definitions in /etc/libvirt/qemu, because ${why}`,
    statesKnown: false,
    libvirtVersion: undefined,
  };
}

async function askAll(client: LibvirtClient): Promise<Reading<readonly VmStatus[]>> {
  const domains = await client.listDomains();
  if (!domains.ok) return unreadable(`libvirt did not list its VMs: ${domains.error.why}`);
  const vms: VmStatus[] = [];
  for (const domain of domains.value) {
    const [xml, state, autostart] = [
      await client.domainXml(domain),
      await client.domainState(domain),
      await client.autostart(domain),
    ];
    // A VM that was undefined meanwhile is no trouble.
    if (!xml.ok || !state.ok) continue;
    const definition = parseDomainXml(xml.value);
    if (definition.state !== "read") continue;
    vms.push({
      definition: { ...definition.value, ...(autostart.ok && { autostart: autostart.value }) },
      state: state.value,
    });
  }
  return read(vms);
}
