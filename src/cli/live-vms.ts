import { systemClock } from "../clock.ts";
import { readVmDefinitions } from "../host/virtual-machines.ts";
import type { HostPaths } from "../host-paths.ts";
import { type LibvirtClient, openLibvirtClient } from "../libvirt/client.ts";
import { parseDomainXml } from "../libvirt/domain-xml.ts";
import type { VmStatus } from "../model/host-state.ts";
import { mapReading, type Reading, read, unreadable } from "../model/reading.ts";
import type { VmState } from "../model/virtual-machine.ts";
import { isProxmoxHost, readProxmoxVms, runningQemu } from "../proxmox/read-vms.ts";
import { libvirtSocketPaths } from "../sources/libvirt-sockets.ts";
import type { Store } from "../store/store.ts";

/** The VMs of this host, and where that is from. */
export interface LiveVms {
  readonly vms: Reading<readonly VmStatus[]>;
  /** e.g. `libvirt 11.3.0`, `Proxmox's configurations`, `the definitions in /etc/libvirt/qemu, because libvirt does not run`. */
  readonly from: string;
  /** Whether it is known which of them run. */
  readonly statesKnown: boolean;
  readonly libvirtVersion: string | undefined;
}

/** How long one answer of libvirt may take; a person waits (ms). */
const TIME_LIMIT = 3_000;

/**
 * Asks libvirt; where it does not answer, reads Proxmox's configurations, or the definitions that libvirt keeps in
 * files. Unraid has those only while the VM service runs, and this is also asked before: what the history in `store`
 * remembers has to do then.
 */
export async function readLiveVms(paths: HostPaths, store?: Pick<Store, "vms">): Promise<LiveVms> {
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
  if (isProxmoxHost(paths)) {
    const vms = readProxmoxStates(paths);
    if (vms.state === "read")
      return { vms, from: "Proxmox's configurations", statesKnown: true, libvirtVersion: undefined };
    if (vms.state === "unreadable") why = vms.why;
  }
  const files = readVmDefinitions(paths);
  const remembered = store?.vms.present() ?? [];
  const useMemory = files.state !== "read" && remembered.length > 0;
  const definitions = useMemory ? read(remembered) : files;
  const place = useMemory ? "what the service saw of them last" : "the definitions in /etc/libvirt/qemu";
  return {
    vms: mapReading(definitions, (all) =>
      all.map((definition): VmStatus => ({ definition, state: NOT_ASKED })),
    ),
    from: `${place}, because ${why}`,
    statesKnown: false,
    libvirtVersion: undefined,
  };
}

function readProxmoxStates(paths: HostPaths): Reading<readonly VmStatus[]> {
  return mapReading(readProxmoxVms(paths), (vms) =>
    vms.map(
      ({ vmid, definition, running }): VmStatus =>
        runningQemu(paths, vmid) === undefined
          ? { definition, state: { state: "shutoff", reason: "QEMU does not run" } }
          : { definition, state: { state: "running", reason: "QEMU runs" }, running },
    ),
  );
}

const NOT_ASKED: VmState = { state: "nostate", reason: "libvirt was not asked" };

async function askAll(client: LibvirtClient): Promise<Reading<readonly VmStatus[]>> {
  const domains = await client.listDomains();
  if (!domains.ok) return unreadable(`libvirt did not list its VMs: ${domains.error.why}`);
  const vms: VmStatus[] = [];
  for (const domain of domains.value) {
    const [xml, live, state, autostart] = [
      await client.domainXml(domain, "persistent"),
      await client.domainXml(domain, "running"),
      await client.domainState(domain),
      await client.autostart(domain),
    ];
    // A VM that was undefined meanwhile is no trouble.
    if (!xml.ok || !state.ok) continue;
    const definition = parseDomainXml(xml.value);
    if (definition.state !== "read") continue;
    const running = live.ok && domain.id >= 0 ? parseDomainXml(live.value) : undefined;
    vms.push({
      definition: { ...definition.value, ...(autostart.ok && { autostart: autostart.value }) },
      state: state.value,
      ...(running?.state === "read" && { running: running.value }),
    });
  }
  return read(vms);
}
