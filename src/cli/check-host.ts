import { createAsker } from "../answer/ask-answer.ts";
import { systemClock } from "../clock.ts";
import type { Catalogue } from "../diagnosis/catalogue.ts";
import { factsOf } from "../facts/facts-of-host.ts";
import { makeSnapshot } from "../facts/snapshot.ts";
import { readBootIdentity } from "../host/boot-identity.ts";
import { readBootLoaders } from "../host/boot-loader.ts";
import { readHost } from "../host/host-reading.ts";
import { hostStateOf } from "../host/host-state.ts";
import { createPciNames } from "../host/pci-names.ts";
import { readUnraidPolicy } from "../host/unraid-policy.ts";
import { readVfioSetup } from "../host/vfio-setup.ts";
import type { VmName } from "../model/identifiers.ts";
import type { Preflight } from "../preflight/finding.ts";
import { createKnownDevices } from "../preflight/known-devices.ts";
import { runPreflight } from "../preflight/preflight.ts";
import type { Store } from "../store/store.ts";
import type { LiveVms } from "./live-vms.ts";
import type { Surroundings } from "./surroundings.ts";

/** Looks at the host as it is now, and answers for each VM that something stops. */
export function checkHost(
  { paths, unraid }: Surroundings,
  live: LiveVms,
  catalogue: Catalogue,
  store: Store | undefined,
  only?: VmName,
): Preflight {
  const pciNames = createPciNames(paths);
  const reading = readHost({ paths, vms: live.vms, pciNames });
  const host = hostStateOf(reading);
  const { bootId } = readBootIdentity({ paths, clock: systemClock });
  const at = systemClock.now();
  let snapshot: ReturnType<typeof makeSnapshot> | undefined;
  const ask = createAsker(store, catalogue);
  return runPreflight({
    host,
    modprobe: reading.modprobe,
    setup: reading.vfioSetup.state === "read" ? reading.vfioSetup.value : readVfioSetup(paths, reading),
    bootLoaders:
      reading.bootLoaders.state === "read"
        ? reading.bootLoaders.value
        : readBootLoaders(paths, reading.commandLine),
    ...(unraid && { unraid: readUnraidPolicy(paths, host.devices) }),
    ...(only !== undefined && { only }),
    ...(store !== undefined && { history: createKnownDevices(store) }),
    answer({ definition }, causes) {
      snapshot ??= makeSnapshot(factsOf(reading));
      return ask({
        ...{ vm: definition.name, causes, at, snapshot },
        devices: definition.hostDevices.map(({ bdf }) => bdf),
        bootId: bootId.state === "read" ? bootId.value : undefined,
        truths: host.modules.state === "read" ? { modules: host.modules.value } : {},
      });
    },
  });
}
