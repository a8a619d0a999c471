import { askAnswer } from "../answer/ask-answer.ts";
import { systemClock } from "../clock.ts";
import type { Catalogue } from "../diagnosis/catalogue.ts";
import { type Preflight, runPreflight } from "../diagnosis/preflight.ts";
import { createPreflightHistory } from "../history/preflight-history.ts";
import { makeSnapshot } from "../history/snapshot.ts";
import { readBootIdentity } from "../host/boot-identity.ts";
import { readBootLoaders } from "../host/boot-loader.ts";
import { collectFacts } from "../host/collect-facts.ts";
import { readHostState } from "../host/host-state.ts";
import { readCommandLine } from "../host/kernel.ts";
import { readModprobeSettings } from "../host/modprobe.ts";
import { createPciNames } from "../host/pci-names.ts";
import { readUnraidPolicy } from "../host/unraid-policy.ts";
import { readVfioSetup } from "../host/vfio-setup.ts";
import type { VmName } from "../model/identifiers.ts";
import { mapReading } from "../model/reading.ts";
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
  const host = readHostState({ paths, vms: live.vms, pciNames });
  const commandLine = readCommandLine(paths);
  const modprobe = readModprobeSettings(paths);
  const definitions = mapReading(live.vms, (vms) => vms.map(({ definition }) => definition));
  const { bootId } = readBootIdentity({ paths, clock: systemClock });
  const at = systemClock.now();
  let snapshot: ReturnType<typeof makeSnapshot> | undefined;
  return runPreflight({
    host,
    modprobe,
    setup: readVfioSetup(paths, { commandLine, modprobe, devices: host.devices }),
    bootLoaders: readBootLoaders(paths, commandLine),
    ...(unraid && { unraid: readUnraidPolicy(paths, host.devices) }),
    ...(only !== undefined && { only }),
    ...(store !== undefined && { history: createPreflightHistory(store) }),
    answer({ definition }, causes) {
      snapshot ??= makeSnapshot(collectFacts({ paths, vms: definitions, pciNames }));
      return askAnswer(
        store,
        {
          ...{ vm: definition.name, causes, at, snapshot },
          devices: definition.hostDevices.map(({ bdf }) => bdf),
          bootId: bootId.state === "read" ? bootId.value : undefined,
          truths: host.modules.state === "read" ? { modules: host.modules.value } : {},
        },
        catalogue,
      );
    },
  });
}
