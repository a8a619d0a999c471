import { checkHostState } from "../diagnosis/state-checks.ts";
import type { CauseClass } from "../model/catalogue.ts";
import type { Cause } from "../model/diagnosis.ts";
import { type HostState, hasOtherDevicesNext, type VmStatus } from "../model/host-state.ts";
import type { VmName } from "../model/identifiers.ts";
import type { VmDefinition, VmState } from "../model/virtual-machine.ts";
import type { Alerting } from "./alerting.ts";
import type { ServiceLog } from "./log.ts";
import type { Snapshots } from "./snapshots.ts";

/**
 * Says it before it fails: looks at every VM that is not running, or that was given other devices while it runs, at
 * boot and when something changed.
 */
export interface PreflightWatch {
  /**
   * Looks at the VMs that libvirt told of; before it has (on Unraid only once the array runs, and then VMs with
   * autostart start at once) at those that it told of in an earlier boot. A VM of which a start is under way is left
   * alone, and so is one that has failed already. While the host comes up only what stays as it is until the next boot is told.
   */
  look(host: HostState, whileComingUp?: "coming-up"): void;
}

const NOT_SEEN: VmState = { state: "nostate", reason: "libvirt has not told of it yet" };
const STOPPED: ReadonlySet<string> = new Set(["shutoff", "crashed", "nostate"]);
/** A device that another VM uses at the moment is no reason to alarm anybody: that is how many people work. */
const NOT_TOLD: ReadonlySet<CauseClass> = new Set(["device-busy"]);
/** What stays as it is until the next boot, whatever is loaded, bound or plugged in by the time libvirt is there. */
const LASTING: ReadonlySet<CauseClass> = new Set(["iommu-direct-mapping-required", "iommu-not-enabled"]);

/** What is certain to stop a VM in this boot, whatever is loaded, bound or plugged in meanwhile. */
export function lastingCauses(definition: VmDefinition, host: HostState): readonly Cause[] {
  return certainCauses(definition, host).filter((cause) => LASTING.has(cause.class));
}

function certainCauses(definition: VmDefinition, host: HostState): readonly Cause[] {
  return checkHostState(definition, host).filter(({ certainty }) => certainty === "certain");
}

/** Makes the watch. Each finding is told once while it lasts; the incident's policy keeps it from repeating. */
export function createPreflightWatch(options: {
  readonly alerting: Alerting;
  readonly log: ServiceLog;
  readonly snapshots: Snapshots;
  readonly transaction: <T>(work: () => T) => unknown;
  /** VMs of which a start is under way, or not told yet. */
  readonly underWay: () => ReadonlySet<VmName>;
  /** Whether its newest start in this boot failed with these devices: that has been told, and says more. */
  readonly hasFailed: (definition: VmDefinition) => boolean;
  /** The VMs as libvirt last told of them, in this boot or an earlier one. */
  readonly remembered: () => readonly VmDefinition[];
}): PreflightWatch {
  const told = new Map<VmName, string>();
  const logged = new Map<VmName, string>();

  function tell(vm: VmStatus, causes: readonly Cause[], isRunning = false): void {
    const { name } = vm.definition;
    const classes = causes.map((cause) => cause.class).join(",");
    if ((told.get(name) ?? "") === classes) return;
    if (classes !== "" && options.hasFailed(vm.definition)) return;
    told.set(name, classes);
    const [first] = causes;
    if (first === undefined) {
      logged.delete(name);
      return;
    }
    const line = `'${name}' will not start${isRunning ? " the next time" : ""}: ${first.sentence}`;
    // Once libvirt tells of its VMs a second cause may come to the first, which is no news for whoever reads the log.
    if (logged.get(name) !== line) options.log.warn(line);
    logged.set(name, line);
    options.transaction(() =>
      options.alerting.willNotStart(vm, causes, options.snapshots.latest(), isRunning),
    );
  }

  return {
    look(host, whileComingUp) {
      const underWay = options.underWay();
      if (host.vms.state !== "read") {
        for (const definition of options.remembered().filter(({ name }) => !underWay.has(name))) {
          const lasting = lastingCauses(definition, host);
          if (lasting.length > 0) tell({ definition, state: NOT_SEEN }, lasting);
        }
        return;
      }
      for (const vm of host.vms.value) {
        const isRunning = !STOPPED.has(vm.state.state);
        if (underWay.has(vm.definition.name) || (isRunning && !hasOtherDevicesNext(vm))) continue;
        const causes = certainCauses(vm.definition, host).filter((cause) => !NOT_TOLD.has(cause.class));
        const lasting = causes.filter((cause) => LASTING.has(cause.class));
        if (whileComingUp === undefined) tell(vm, causes, isRunning);
        else if (lasting.length > 0) tell(vm, lasting, isRunning);
      }
    },
  };
}
