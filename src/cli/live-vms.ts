import { systemClock } from "../clock.ts";
import { readVmDefinitions } from "../host/virtual-machines.ts";
import type { HostPaths } from "../host-paths.ts";
import { type LibvirtClient, openLibvirtClient } from "../libvirt/client.ts";
import { parseDomainXml } from "../libvirt/domain-xml.ts";
import type { DomainHandle } from "../libvirt/events.ts";
import type { VmStatus } from "../model/host-state.ts";
import { mapReading, type Reading, read, unreadable, valueOr } from "../model/reading.ts";
import { managerOf, type VmState } from "../model/virtual-machine.ts";
import { movedStatus, numberIn, readMovedVms } from "../proxmox/moved-vms.ts";
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
 * Asks libvirt, and on a Proxmox host reads its configurations; a host may have both. Where neither answers the
 * definitions that libvirt keeps in files are read. Unraid has those only while the VM service runs, and this is also
 * asked before: what the history in `store` remembers has to do then.
 */
export async function readLiveVms(paths: HostPaths, store?: Pick<Store, "vms">): Promise<LiveVms> {
  const libvirt = await askLibvirt(paths);
  const proxmox = isProxmoxHost(paths) ? readProxmoxStates(paths, store) : undefined;
  const found = [libvirt.answer, proxmox].flatMap((answer) =>
    answer?.state === "read" ? [answer.value] : [],
  );
  if (found.length > 0)
    return {
      vms: read(found.flatMap(({ vms }) => vms)),
      from: found.map(({ from }) => from).join(" and "),
      statesKnown: true,
      libvirtVersion: libvirt.version,
    };
  const why = proxmox?.state === "unreadable" ? proxmox.why : libvirt.why;
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

interface VmsFrom {
  readonly vms: readonly VmStatus[];
  readonly from: string;
}

async function askLibvirt(paths: HostPaths): Promise<{
  readonly answer?: Reading<VmsFrom>;
  readonly version: string | undefined;
  readonly why: string;
}> {
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
    return { answer: read({ vms: vms.value, from: `libvirt ${version}` }), version, why };
  }
  return { version: undefined, why };
}

/** With those that the history knows and that are on another node now. */
function readProxmoxStates(paths: HostPaths, store: Pick<Store, "vms"> | undefined): Reading<VmsFrom> {
  return mapReading(readProxmoxVms(paths), (vms) => {
    const here = new Set(vms.map(({ definition }) => definition.uuid));
    const known = (store?.vms.present() ?? []).filter(
      (definition) => managerOf(definition) === "proxmox" && !here.has(definition.uuid),
    );
    const moved = readMovedVms(paths, new Map(known.map(({ uuid }) => [numberIn(uuid), uuid])));
    const states = vms.map(
      ({ vmid, definition, running, lock }): VmStatus =>
        runningQemu(paths, vmid) === undefined
          ? {
              definition,
              state: { state: "shutoff", reason: "QEMU does not run" },
              ...(lock !== undefined && { lock }),
            }
          : { definition, state: { state: "running", reason: "QEMU runs" }, running },
    );
    return { vms: [...states, ...valueOr(moved, []).map(movedStatus)], from: "Proxmox's configurations" };
  });
}

/** libvirtd serves a client five calls at a time (`max_client_requests`), and reads no more until one is answered. */
const ASKED_AT_ONCE = 16;

const NOT_ASKED: VmState = { state: "nostate", reason: "libvirt was not asked" };

async function askAll(client: LibvirtClient): Promise<Reading<readonly VmStatus[]>> {
  const domains = await client.listDomains();
  if (!domains.ok) return unreadable(`libvirt did not list its VMs: ${domains.error.why}`);
  const vms: VmStatus[] = [];
  // Many questions are on their way at a time: on a host with thousands of VMs the answers to one take seconds.
  for (let from = 0; from < domains.value.length; from += ASKED_AT_ONCE) {
    const some = domains.value.slice(from, from + ASKED_AT_ONCE);
    for (const status of await Promise.all(some.map((domain) => askOne(client, domain))))
      if (status !== undefined) vms.push(status);
  }
  return read(vms);
}

/** Undefined where it was undefined meanwhile, which is no trouble. */
async function askOne(client: LibvirtClient, domain: DomainHandle): Promise<VmStatus | undefined> {
  const [xml, live, state, autostart] = await Promise.all([
    client.domainXml(domain, "persistent"),
    // One that does not run has nothing but its definition.
    domain.id < 0 ? undefined : client.domainXml(domain, "running"),
    client.domainState(domain),
    client.autostart(domain),
  ]);
  if (!xml.ok || !state.ok) return undefined;
  const definition = parseDomainXml(xml.value);
  if (definition.state !== "read") return undefined;
  const running = live?.ok === true ? parseDomainXml(live.value) : undefined;
  return {
    definition: { ...definition.value, ...(autostart.ok && { autostart: autostart.value }) },
    state: state.value,
    ...(running?.state === "read" && { running: running.value }),
  };
}
