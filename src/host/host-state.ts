import type { HostPaths } from "../host-paths.ts";
import type { HostState, VmStatus } from "../model/host-state.ts";
import { mapReading, type Reading } from "../model/reading.ts";
import { attemptReading } from "./attempt-reading.ts";
import { readBios } from "./firmware.ts";
import { readFirmwareDemands } from "./firmware-demands.ts";
import { readFirmwareTables } from "./firmware-tables.ts";
import { createHostMemory, type HostMemory } from "./host-memory.ts";
import { readInterruptRemapping } from "./interrupt-remapping.ts";
import { readIommuGroups } from "./iommu-groups.ts";
import { readCommandLine, readKernelRelease } from "./kernel.ts";
import { formatKernelParameter } from "./kernel-parameters.ts";
import { readPciDevices } from "./pci-devices.ts";
import type { PciNames } from "./pci-names.ts";
import { readVfioModules, readVfioNodes } from "./vfio-modules.ts";

export interface HostStateSources {
  readonly paths: HostPaths;
  /** What libvirt says of the VMs; nothing on the host's file system knows it. */
  readonly vms: Reading<readonly VmStatus[]>;
  /** Texts of this boot's kernel records, in their order, where somebody has them. */
  readonly kernelLines?: readonly string[];
  readonly pciNames?: PciNames;
  /** Kept by those who look again. */
  readonly memory?: HostMemory;
}

/** Reads what diagnosis and preflight want to know of the host now; every part succeeds or fails alone. */
export function readHostState(sources: HostStateSources): HostState {
  const { paths, vms, kernelLines, pciNames, memory = createHostMemory() } = sources;
  const devices = attemptReading(() => readPciDevices(paths, pciNames, memory.pci));
  return {
    kernelRelease: attemptReading(() => readKernelRelease(paths)),
    bios: attemptReading(() => readBios(paths, memory)),
    devices,
    groups: attemptReading(() => readIommuGroups(paths, memory.iommu)),
    firmwareDemands: attemptReading(() => readFirmwareDemands(readFirmwareTables(paths, memory), devices)),
    vfioNodes: attemptReading(() => readVfioNodes(paths)),
    modules: attemptReading(() => mapReading(readVfioModules(paths, memory), (modules) => modules.present)),
    vms,
    interruptRemapping: attemptReading(() => readInterruptRemapping(paths, kernelLines)),
    kernelParameters: attemptReading(() =>
      mapReading(readCommandLine(paths), (parameters) => parameters.map(formatKernelParameter)),
    ),
  };
}
