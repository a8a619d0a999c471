import type { HostPaths } from "../host-paths.ts";
import type { IommuGroup, VmStatus } from "../model/host-state.ts";
import type { Bdf } from "../model/identifiers.ts";
import { absent, mapReading, type Reading, read, unreadable } from "../model/reading.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { type BootLoaderFindings, readBootLoaders } from "./boot-loader.ts";
import {
  DMI_FIELDS,
  type DmiField,
  type FirmwareSetting,
  readBootMode,
  readDmi,
  readFirmwareSettings,
  readMicrocode,
  readSecureBoot,
} from "./firmware.ts";
import { type FirmwareTables, readFirmwareTables } from "./firmware-tables.ts";
import { type ForeignModule, readForeignModules } from "./foreign-modules.ts";
import type { HardwareReport } from "./hardware-child.ts";
import { createHostMemory, type HostMemory } from "./host-memory.ts";
import { readInterruptRemapping } from "./interrupt-remapping.ts";
import { type IoRange, readIoMemory } from "./io-memory.ts";
import { readIommuGroups, readIommuUnits } from "./iommu-groups.ts";
import {
  readCommandLine,
  readCpuFlags,
  readKernelBuild,
  readKernelRelease,
  readLockdown,
  readTaint,
} from "./kernel.ts";
import { type KernelOptions, readKernelOptions } from "./kernel-options.ts";
import type { KernelParameter } from "./kernel-parameters.ts";
import { readLinkTarget } from "./link-target.ts";
import { type PlacedModprobeSetting, readModprobeSettings } from "./modprobe.ts";
import { readAcs } from "./pci-acs.ts";
import { type PciFunctions, readPciDevices } from "./pci-devices.ts";
import type { PciNames } from "./pci-names.ts";
import { detectPlatform, type Platform } from "./platform.ts";
import { isAsleep } from "./power-state.ts";
import { readIdentity, readNames, readValue } from "./read-file.ts";
import { readAgesa } from "./smbios.ts";
import { type Plugin, readPlugins, readSoftwareVersion, type SoftwareVersions } from "./software.ts";
import { readVfioModules, readVfioNodes, type VfioModules } from "./vfio-modules.ts";
import { readVfioSetup, type VfioSetup } from "./vfio-setup.ts";
import { readVmDefinitions } from "./virtual-machines.ts";

/**
 * Everything that is known of a host at one moment, each thing read, absent or unreadable by itself. The host that
 * runs, a recorded one and one of older material give the same; facts and the state for diagnosis are views of it.
 */
export interface HostReading {
  readonly dmi: Readonly<Record<DmiField, Reading<string>>>;
  readonly bootMode: Reading<string>;
  readonly secureBoot: Reading<string>;
  readonly microcode: Reading<string>;
  /** AMD's part of the BIOS. */
  readonly agesa: Reading<string>;
  readonly firmwareSettings: Reading<readonly FirmwareSetting[]>;
  readonly tables: Reading<FirmwareTables>;
  readonly units: Reading<readonly string[]>;
  readonly groups: Reading<ReadonlyMap<number, IommuGroup>>;
  readonly interruptRemapping: Reading<boolean>;
  /** Texts of the boot's kernel records, as far as somebody has them. */
  readonly kernelLines: Reading<readonly string[]>;
  readonly devices: Reading<PciFunctions>;
  /** Who has which physical addresses. */
  readonly ioMemory: Reading<readonly IoRange[]>;
  /** Words of the first processor's `flags`. */
  readonly cpuFlags: Reading<ReadonlySet<string>>;
  readonly kernelRelease: Reading<string>;
  readonly kernelBuild: Reading<string>;
  readonly commandLine: Reading<readonly KernelParameter[]>;
  readonly kernelOptions: Reading<KernelOptions>;
  /** Loaded ones that do not come with the kernel. */
  readonly foreignModules: Reading<readonly ForeignModule[]>;
  readonly taint: Reading<string>;
  readonly lockdown: Reading<string>;
  readonly modules: Reading<VfioModules>;
  readonly vfioNodes: Reading<ReadonlySet<string>>;
  readonly modprobe: Reading<readonly PlacedModprobeSetting[]>;
  readonly bootLoaders: Reading<BootLoaderFindings>;
  readonly vfioSetup: Reading<VfioSetup>;
  readonly definitions: Reading<readonly VmDefinition[]>;
  /** With their states, which no file tells. */
  readonly vms: Reading<readonly VmStatus[]>;
  readonly osName: Reading<string>;
  readonly osVersion: Reading<string>;
  readonly libvirt: Reading<string>;
  readonly qemu: Reading<string>;
  /** Undefined where the platform has none. */
  readonly plugins: Reading<readonly Plugin[]> | undefined;
  readonly hardware: Reading<HardwareReport>;
  /** For a fact that is one small file, of which nothing else is made. */
  readonly files: HostFiles;
}

/** Small files of the host by their path; unreadable where the directory of the same root (`/sys`) is not there. */
export interface HostFiles {
  names(path: string): Reading<readonly string[]>;
  value(path: string): Reading<string>;
  /** What a PCI Express port has switched on of Access Control Services, see `readAcs`. */
  acs(bdf: Bdf): Reading<string>;
  /** The speed up to which a PCI Express port trains its link, see `readLinkTarget`. */
  linkTarget(bdf: Bdf): Reading<string>;
  /** Whether a PCI function sleeps, so that nothing may be asked of it. */
  isAsleep(bdf: Bdf): boolean;
}

/** What a host is read from besides its files. */
export interface HostSources {
  readonly paths: HostPaths;
  /** What libvirt says of the VMs; nothing on the host's file system knows their states. */
  readonly vms?: Reading<readonly VmStatus[]>;
  /** Without them those of `vms`, and without these the files that libvirt keeps. */
  readonly definitions?: Reading<readonly VmDefinition[]>;
  readonly softwareVersions?: SoftwareVersions;
  /** Asked for once a boot, see `readHardware`. */
  readonly hardware?: Reading<HardwareReport>;
  /** Texts of this boot's kernel records, in order, where somebody has them. */
  readonly kernelLines?: readonly string[];
  readonly pciNames?: PciNames;
  /** Kept by those who look again. */
  readonly memory?: HostMemory;
}

type Parts<T> = { readonly [Name in keyof T]-?: () => T[Name] };

/**
 * The host as it is now. Each part is read when first asked for, and then no more: diagnosis wants a few of them, and
 * facts that are taken of the same reading must not read those again.
 */
export function readHost(sources: HostSources): HostReading {
  const { paths, kernelLines, memory = createHostMemory() } = sources;
  const missing = new Map<string, boolean>();
  const isMissing = (directory: string) => {
    const isKnown = missing.get(directory) ?? readIdentity(paths.at(directory)).state === "absent";
    missing.set(directory, isKnown);
    return isKnown;
  };
  /** Without its directory a tree says nothing of a part, not even that something is absent. */
  const within = <T>(needs: string, readIt: () => Reading<T>): (() => Reading<T>) => {
    return () => (isMissing(needs) ? unreadable(`there is no ${needs} here`) : attemptReading(readIt));
  };
  let known: Platform | undefined;
  const platform = () => {
    known ??= detectPlatform(paths);
    return known;
  };
  const said = (text: string | undefined) =>
    text === undefined ? unreadable("the host does not say") : read(text);
  const host: HostReading = lazily<HostReading>({
    dmi: () =>
      Object.fromEntries(
        DMI_FIELDS.map((field) => [field, within("/sys", () => readDmi(paths, memory, field))()]),
      ) as HostReading["dmi"],
    bootMode: within("/sys", () => readBootMode(paths)),
    // The firmware sets it before the kernel runs; to ask for it is to ask the firmware.
    secureBoot: within("/sys", () => memory.onceABoot("Secure Boot", () => readSecureBoot(paths))),
    microcode: within("/sys", () => readMicrocode(paths)),
    agesa: within("/sys/firmware/dmi", () => readAgesa(paths, memory)),
    firmwareSettings: within("/sys", () => readFirmwareSettings(paths)),
    tables: within("/sys/firmware/acpi", () => read(readFirmwareTables(paths, memory))),
    units: within("/sys/kernel", () => readIommuUnits(paths)),
    groups: within("/sys/kernel", () => readIommuGroups(paths, memory.iommu)),
    interruptRemapping: () => attemptReading(() => readInterruptRemapping(paths, kernelLines)),
    kernelLines: () => (kernelLines === undefined ? absent : read(kernelLines)),
    devices: within("/sys/bus/pci", () => readPciDevices(paths, sources.pciNames, memory.pci)),
    ioMemory: within("/proc", () => readIoMemory(paths, memory)),
    cpuFlags: within("/proc", () => readCpuFlags(paths, memory)),
    kernelRelease: within("/proc", () => readKernelRelease(paths)),
    kernelBuild: within("/proc", () => readKernelBuild(paths)),
    commandLine: within("/proc", () => readCommandLine(paths)),
    kernelOptions: within("/proc", () => readKernelOptions(paths, memory)),
    foreignModules: within("/proc", () => readForeignModules(paths)),
    taint: within("/proc", () => readTaint(paths)),
    lockdown: within("/proc", () => readLockdown(paths)),
    modules: within("/sys/module", () => readVfioModules(paths, memory)),
    vfioNodes: within("/dev", () => readVfioNodes(paths)),
    modprobe: within("/etc", () => readModprobeSettings(paths)),
    bootLoaders: within("/boot", () => read(readBootLoaders(paths, host.commandLine))),
    vfioSetup: within("/proc", () => read(readVfioSetup(paths, host))),
    definitions: () =>
      sources.definitions ??
      (sources.vms?.state === "read"
        ? mapReading(sources.vms, (vms) => vms.map(({ definition }) => definition))
        : attemptReading(() => readVmDefinitions(paths))),
    vms: () => sources.vms ?? unreadable("nobody has told of the VMs yet"),
    osName: within("/etc", () => said(platform().name)),
    osVersion: within("/etc", () => said(platform().version)),
    libvirt: within("/etc", () => readSoftwareVersion(paths, "libvirt", sources.softwareVersions)),
    qemu: within("/etc", () => readSoftwareVersion(paths, "qemu", sources.softwareVersions)),
    plugins: () => (platform().kind === "unraid" ? within("/etc", () => readPlugins(paths))() : undefined),
    hardware: () => sources.hardware ?? unreadable("not asked for in this boot"),
    files: () => ({
      names: (path) => within(`/${path.split("/")[1]}`, () => readNames(paths.at(path)))(),
      value: (path) => within(`/${path.split("/")[1]}`, () => readValue(paths.at(path)))(),
      acs: (bdf) => within("/sys", () => readAcs(paths, bdf, memory))(),
      linkTarget: (bdf) => within("/sys", () => readLinkTarget(paths, bdf))(),
      isAsleep: (bdf) => isAsleep(paths.at(`/sys/bus/pci/devices/${bdf}`)),
    }),
  });
  return host;
}

/** A host of which nothing is known but why: older material fills in what it shows. */
export function unknownHost(why: string): HostReading {
  const unknown = unreadable(why);
  return {
    dmi: Object.fromEntries(DMI_FIELDS.map((field) => [field, unknown])) as HostReading["dmi"],
    bootMode: unknown,
    secureBoot: unknown,
    microcode: unknown,
    agesa: unknown,
    firmwareSettings: unknown,
    tables: unknown,
    units: unknown,
    groups: unknown,
    interruptRemapping: unknown,
    kernelLines: unknown,
    devices: unknown,
    ioMemory: unknown,
    cpuFlags: unknown,
    kernelRelease: unknown,
    kernelBuild: unknown,
    commandLine: unknown,
    kernelOptions: unknown,
    foreignModules: unknown,
    taint: unknown,
    lockdown: unknown,
    modules: unknown,
    vfioNodes: unknown,
    modprobe: unknown,
    bootLoaders: unknown,
    vfioSetup: unknown,
    definitions: unknown,
    vms: unknown,
    osName: unknown,
    osVersion: unknown,
    libvirt: unknown,
    qemu: unknown,
    plugins: unknown,
    hardware: unknown,
    files: {
      names: () => unknown,
      value: () => unknown,
      acs: () => unknown,
      linkTarget: () => unknown,
      isAsleep: () => false,
    },
  };
}

/** What `readIt` reads. A bug in one reader must not take the others along: what it throws becomes "unreadable". */
function attemptReading<T>(readIt: () => Reading<T>): Reading<T> {
  try {
    return readIt();
  } catch (error) {
    return unreadable(`reading failed: ${error instanceof Error ? error.message : error}`);
  }
}

function lazily<T extends object>(parts: Parts<T>): T {
  const whole = {};
  for (const [name, make] of Object.entries<() => unknown>(parts)) {
    Object.defineProperty(whole, name, {
      enumerable: true,
      configurable: true,
      get() {
        const value = make();
        Object.defineProperty(whole, name, { enumerable: true, value });
        return value;
      },
    });
  }
  return whole as T;
}
