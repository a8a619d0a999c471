import { collectFacts } from "../facts/facts-of-host.ts";
import { makeSnapshot } from "../facts/snapshot.ts";
import { createPciNames } from "../host/pci-names.ts";
import type { HostPaths } from "../host-paths.ts";
import type { Snapshot } from "../model/fact.ts";
import { mapReading } from "../model/reading.ts";
import { readLiveVms } from "./live-vms.ts";

/** The host's facts as they are now, read by this command and not by the service. */
export async function readLiveFacts(paths: HostPaths): Promise<Snapshot> {
  const { vms, libvirtVersion } = await readLiveVms(paths);
  return makeSnapshot(
    collectFacts({
      paths,
      vms,
      definitions: mapReading(vms, (list) => list.map(({ definition }) => definition)),
      pciNames: createPciNames(paths),
      softwareVersions: libvirtVersion === undefined ? {} : { libvirt: libvirtVersion },
    }),
  );
}
