import type { HostPaths } from "../host-paths.ts";
import type { Fact, FactGroup } from "../model/fact.ts";
import type { Bdf } from "../model/identifiers.ts";
import { type Reading, unreadable } from "../model/reading.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { attemptReading } from "./attempt-reading.ts";
import { bootLoaderFacts, readBootLoaders } from "./boot-loader.ts";
import { firmwareFacts } from "./firmware.ts";
import { firmwareTableFacts, readFirmwareTables } from "./firmware-tables.ts";
import { hardwareFacts } from "./hardware.ts";
import type { HardwareReport } from "./hardware-child.ts";
import { createHostMemory, type HostMemory } from "./host-memory.ts";
import { readInterruptRemapping } from "./interrupt-remapping.ts";
import { iommuFacts } from "./iommu-facts.ts";
import { readIommuGroups, readIommuUnits } from "./iommu-groups.ts";
import { kernelFacts, readCommandLine } from "./kernel.ts";
import { unknownFact } from "./make-fact.ts";
import { modprobeFacts, readModprobeSettings } from "./modprobe.ts";
import { readPciDevices } from "./pci-devices.ts";
import { pciFacts } from "./pci-facts.ts";
import type { PciNames } from "./pci-names.ts";
import { readIdentity } from "./read-file.ts";
import { type SoftwareVersions, softwareFacts } from "./software.ts";
import { readVfioModules, vfioModuleFacts } from "./vfio-modules.ts";
import { readVfioSetup, vfioSetupFacts } from "./vfio-setup.ts";
import { readVmDefinitions, vmFacts } from "./virtual-machines.ts";

/** What facts are made from besides the host's files. */
export interface FactSources {
  readonly paths: HostPaths;
  /** What libvirt says; without it the files that libvirt keeps are read. */
  readonly vms?: Reading<readonly VmDefinition[]>;
  readonly softwareVersions?: SoftwareVersions;
  /** Asked for once a boot, see `readHardware`. */
  readonly hardware?: Reading<HardwareReport>;
  /** Texts of this boot's kernel records, in order, where somebody has them. */
  readonly kernelLines?: readonly string[];
  readonly pciNames?: PciNames;
  /** Kept by those who look again. */
  readonly memory?: HostMemory;
}

interface Collector {
  readonly group: FactGroup;
  /** Stands for all keys of the collector when it fails as a whole. */
  readonly key: string;
  /** Directory without which the tree says nothing, not even that something is absent. */
  readonly needs: string;
  collect(): readonly Fact[];
}

/**
 * All facts of the host as it is now. Each collector fails alone: what cannot be learned is an unknown fact with the
 * reason, and the others go on. Reads files only; blocks for as long as that takes (some ten milliseconds).
 */
export function collectFacts(sources: FactSources): readonly Fact[] {
  const { paths, kernelLines, memory = createHostMemory() } = sources;
  const devices = attemptReading(() => readPciDevices(paths, sources.pciNames, memory.pci));
  const commandLine = attemptReading(() => readCommandLine(paths));
  const modprobe = attemptReading(() => readModprobeSettings(paths));
  const vms = sources.vms ?? attemptReading(() => readVmDefinitions(paths));
  const collectors: readonly Collector[] = [
    { group: "firmware", key: "firmware", needs: "/sys", collect: () => firmwareFacts(paths, memory) },
    {
      group: "firmware-tables",
      key: "firmware-tables",
      needs: "/sys/firmware/acpi",
      collect: () => firmwareTableFacts(readFirmwareTables(paths, memory)),
    },
    {
      group: "iommu",
      key: "iommu",
      needs: "/sys/kernel",
      collect: () =>
        iommuFacts({
          groups: readIommuGroups(paths, memory.iommu),
          devices,
          units: readIommuUnits(paths),
          interruptRemapping: readInterruptRemapping(paths, kernelLines),
          ...(kernelLines === undefined ? {} : { kernelLines }),
        }),
    },
    {
      group: "pci",
      key: "pci",
      needs: "/sys/bus/pci",
      collect: () => pciFacts(devices, managedDevices(vms)),
    },
    { group: "kernel", key: "kernel", needs: "/proc", collect: () => kernelFacts(paths, commandLine) },
    {
      group: "kernel",
      key: "kernel.module",
      needs: "/sys/module",
      collect: () => vfioModuleFacts(readVfioModules(paths, memory)),
    },
    { group: "kernel", key: "kernel.modprobe", needs: "/etc", collect: () => modprobeFacts(modprobe) },
    {
      group: "boot-loader",
      key: "boot-loader",
      needs: "/boot",
      collect: () => bootLoaderFacts(readBootLoaders(paths, commandLine)),
    },
    {
      group: "vfio-setup",
      key: "vfio-setup",
      needs: "/proc",
      collect: () => vfioSetupFacts(readVfioSetup(paths, { commandLine, modprobe, devices })),
    },
    { group: "vm", key: "vm", needs: "/", collect: () => vmFacts(vms) },
    {
      group: "software",
      key: "software",
      needs: "/etc",
      collect: () => softwareFacts(paths, sources.softwareVersions),
    },
    {
      group: "hardware",
      key: "hardware",
      needs: "/",
      collect: () => hardwareFacts(sources.hardware ?? unreadable("not asked for in this boot")),
    },
  ];
  return collectors.flatMap((collector) => runCollector(paths, collector));
}

function managedDevices(vms: Reading<readonly VmDefinition[]>): ReadonlySet<Bdf> {
  if (vms.state !== "read") return new Set();
  const managed = vms.value.flatMap((vm) => vm.hostDevices.filter((device) => device.managed));
  return new Set(managed.map((device) => device.bdf));
}

function runCollector(paths: HostPaths, { group, key, needs, collect }: Collector): readonly Fact[] {
  if (readIdentity(paths.at(needs)).state === "absent")
    return [unknownFact(group, key, `there is no ${needs} here`)];
  try {
    return collect();
  } catch (error) {
    // A bug in one collector must not take the others' facts away.
    return [unknownFact(group, key, `collecting failed: ${error instanceof Error ? error.message : error}`)];
  }
}
