import type { Clock } from "../clock.ts";
import type { Config } from "../config.ts";
import { readHardware } from "../host/hardware.ts";
import type { HardwareReport } from "../host/hardware-child.ts";
import type { HostSources } from "../host/host-reading.ts";
import type { HostPaths } from "../host-paths.ts";
import type { Observation } from "../model/observation.ts";
import { type Reading, unreadable } from "../model/reading.ts";
import type { ServiceLog } from "./log.ts";

/** What only observations and the hardware child know of the host. */
export interface FactCollector {
  /** For the reading of the host of which facts are made. */
  readonly learned: () => Pick<HostSources, "hardware" | "softwareVersions">;
  /** Takes versions of libvirt and QEMU from what is said. */
  learn(observation: Observation): void;
  /** Starts the hardware inventory in a child; `done` is called when its facts are there. */
  startHardware(done: () => void): void;
}

/** Makes the collector of one run. */
export function createFactCollector(options: {
  readonly paths: HostPaths;
  readonly clock: Clock;
  readonly log: ServiceLog;
  readonly config: () => Config;
}): FactCollector {
  const { paths, clock, log } = options;
  let libvirt: string | undefined;
  let qemu: string | undefined;
  let hardware: Reading<HardwareReport> = unreadable("the inventory has not been taken yet");

  return {
    learned: () => ({
      hardware,
      softwareVersions: { ...(libvirt !== undefined && { libvirt }), ...(qemu !== undefined && { qemu }) },
    }),
    learn(observation) {
      if (observation.kind !== "domain-log-start") return;
      libvirt = observation.libvirtVersion ?? libvirt;
      qemu = observation.qemuVersion ?? qemu;
    },
    startHardware(done) {
      const [, script] = process.argv;
      if (!options.config().HARDWARE_INVENTORY || paths.root !== "/" || script === undefined) {
        hardware = unreadable("the inventory is switched off or the tree is a recorded one");
        return;
      }
      void readHardware({ command: [process.execPath, script, "hardware-child"], clock }).then((reading) => {
        hardware = reading;
        if (reading.state === "unreadable") log.debug("no hardware inventory", { why: reading.why });
        done();
      });
    },
  };
}
