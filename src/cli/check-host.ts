import { createAsker } from "../answer/ask-answer.ts";
import { systemClock } from "../clock.ts";
import type { Catalogue } from "../diagnosis/catalogue.ts";
import { factsBesideVms, factsOf } from "../facts/facts-of-host.ts";
import { demandsInFacts, hostOfFacts } from "../facts/host-of-facts.ts";
import { makeSnapshot } from "../facts/snapshot.ts";
import { readBootIdentity } from "../host/boot-identity.ts";
import { readBootLoaders } from "../host/boot-loader.ts";
import { createHostMemory } from "../host/host-memory.ts";
import { type HostReading, readHost } from "../host/host-reading.ts";
import { hostStateOf } from "../host/host-state.ts";
import { createPciNames } from "../host/pci-names.ts";
import { readUnraidPolicy } from "../host/unraid-policy.ts";
import { readVfioSetup } from "../host/vfio-setup.ts";
import type { Snapshot } from "../model/fact.ts";
import type { HostState } from "../model/host-state.ts";
import type { BootId, VmName } from "../model/identifiers.ts";
import { read } from "../model/reading.ts";
import type { Preflight } from "../preflight/finding.ts";
import { createKnownDevices } from "../preflight/known-devices.ts";
import { runPreflight } from "../preflight/preflight.ts";
import type { Store } from "../store/store.ts";
import { Refusal } from "./command.ts";
import { findForeign } from "./foreign-history.ts";
import { type LiveVms, readLiveVms } from "./live-vms.ts";
import type { Surroundings } from "./surroundings.ts";

/** The host that is asked about: this one as it is now, or the one that a foreign history is of, as it was last. */
export interface AskedHost {
  readonly live: LiveVms;
  readonly reading: HostReading;
  readonly state: HostState;
  readonly bootId: BootId | undefined;
  readonly snapshot: () => Snapshot;
  /** Which machine it is, in words, where it is not the one that the command runs on. */
  readonly machine: string | undefined;
}

/** Looks at the host that the history is of; throws `Refusal` where that is another one and nothing is known of it. */
export async function askedHost(surroundings: Surroundings, store: Store | undefined): Promise<AskedHost> {
  const foreign = store && findForeign(store, surroundings.paths);
  return store !== undefined && foreign !== undefined
    ? foreignHost(store, foreign)
    : thisHost(surroundings, store);
}

/** Looks at the host that the command runs on, whatever the history says. */
export async function thisHost({ paths }: Surroundings, store: Store | undefined): Promise<AskedHost> {
  const live = await readLiveVms(paths, store);
  const memory = createHostMemory();
  const reading = readHost({ paths, vms: live.vms, pciNames: createPciNames(paths), memory });
  const { bootId } = readBootIdentity({ paths, clock: systemClock });
  let snapshot: Snapshot | undefined;
  return {
    ...{ live, reading, machine: undefined },
    state: hostStateOf(reading),
    bootId: bootId.state === "read" ? bootId.value : undefined,
    snapshot() {
      snapshot ??= makeSnapshot(factsOf(reading));
      return snapshot;
    },
  };
}

function foreignHost(
  store: Store,
  { machine, newest }: NonNullable<ReturnType<typeof findForeign>>,
): AskedHost {
  if (newest === undefined) throw new Refusal(`this history is of ${machine}, and has no facts of it.`);
  const { label, snapshot, bootId } = newest;
  const noted = store.vms.present();
  const reading = hostOfFacts(snapshot.facts, noted.length === 0 ? undefined : noted);
  return {
    live: { vms: reading.vms, from: label, statesKnown: false, libvirtVersion: undefined },
    reading,
    state: { ...hostStateOf(reading), firmwareDemands: read(demandsInFacts(snapshot.facts)) },
    bootId,
    snapshot: () => snapshot,
    machine,
  };
}

/** To be said before what is said of another machine; undefined where it is this one. */
export function aboutMachine({
  live,
  machine,
}: Pick<AskedHost, "machine"> & { readonly live: Pick<LiveVms, "from"> }): string | undefined {
  return machine && `Of ${machine}, by ${live.from}: what follows calls that machine this host.`;
}

/** Checks the host, and answers for each VM that something stops. */
export function checkHost(
  { paths, unraid }: Surroundings,
  { reading, state: host, bootId, snapshot, machine }: AskedHost,
  catalogue: Catalogue,
  store: Store | undefined,
  only?: VmName,
): Preflight {
  const at = systemClock.now();
  const ask = createAsker(store, catalogue);
  // Compared with nothing, a host with thousands of VMs need not be told apart by what each of them is.
  let besideVms: Snapshot | undefined;
  const hostAlone = () => {
    besideVms ??= makeSnapshot(factsBesideVms(reading));
    return besideVms;
  };
  const modules = host.modules.state === "read" ? { modules: host.modules.value } : {};
  return runPreflight({
    host,
    modprobe: reading.modprobe,
    setup: reading.vfioSetup.state === "read" ? reading.vfioSetup.value : readVfioSetup(paths, reading),
    bootLoaders:
      reading.bootLoaders.state === "read"
        ? reading.bootLoaders.value
        : readBootLoaders(paths, reading.commandLine),
    ...(unraid && machine === undefined && { unraid: readUnraidPolicy(paths, host.devices) }),
    ...(only !== undefined && { only }),
    ...(store !== undefined && { history: createKnownDevices(store) }),
    answer({ definition }, causes) {
      return ask({
        ...{
          vm: definition.name,
          causes,
          at,
          bootId,
          snapshot: store === undefined ? hostAlone() : snapshot(),
        },
        devices: definition.hostDevices.map(({ bdf }) => bdf),
        truths:
          store === undefined ? { ...modules, hugepages: definition.hugepages ? "yes" : "no" } : modules,
      });
    },
  });
}
