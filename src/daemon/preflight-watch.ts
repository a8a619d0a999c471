import { checkHostState } from "../diagnosis/state-checks.ts";
import type { HostState } from "../model/host-state.ts";
import type { VmName } from "../model/identifiers.ts";
import type { Alerting } from "./alerting.ts";
import type { ServiceLog } from "./log.ts";
import type { Snapshots } from "./snapshots.ts";

/** Says it before it fails: looks at every VM that is not running, at boot and when something changed. */
export interface PreflightWatch {
  look(host: HostState): void;
}

const STOPPED: ReadonlySet<string> = new Set(["shutoff", "crashed", "nostate"]);
/** A device that another VM uses at the moment is no reason to alarm anybody: that is how many people work. */
const NOT_TOLD: ReadonlySet<string> = new Set(["device-busy"]);

/** Makes the watch. Each finding is told once while it lasts; the incident's policy keeps it from repeating. */
export function createPreflightWatch(options: {
  readonly alerting: Alerting;
  readonly log: ServiceLog;
  readonly snapshots: Snapshots;
  readonly transaction: <T>(work: () => T) => unknown;
}): PreflightWatch {
  const told = new Map<VmName, string>();
  return {
    look(host) {
      if (host.vms.state !== "read") return;
      for (const { definition, state } of host.vms.value) {
        if (!STOPPED.has(state.state)) continue;
        const causes = checkHostState(definition, host).filter(
          (cause) => cause.certainty === "certain" && !NOT_TOLD.has(cause.class),
        );
        const classes = causes.map((cause) => cause.class).join(",");
        if ((told.get(definition.name) ?? "") === classes) continue;
        told.set(definition.name, classes);
        const [first] = causes;
        if (first === undefined) continue;
        options.log.warn(`'${definition.name}' will not start: ${first.sentence}`);
        options.transaction(() =>
          options.alerting.willNotStart(definition.name, causes, options.snapshots.latest()),
        );
      }
    },
  };
}
