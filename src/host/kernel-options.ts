import { gunzipSync } from "node:zlib";
import type { HostPaths } from "../host-paths.ts";
import { absent, mapReading, type Reading, read, unreadable, valueOr } from "../model/reading.ts";
import type { HostMemory } from "./host-memory.ts";
import { readBytes, readValue } from "./read-file.ts";

/**
 * Options of the kernel's build that decide here: who may own a GPU's memory from the start (SYSFB, SIMPLEDRM, FB_EFI),
 * whether `/dev/vfio/devices` exists (CDEV, IOMMUFD), whether a table can be replaced from the initrd, whether memory is
 * encrypted without being asked for.
 */
export const KERNEL_OPTIONS = [
  ...["DRM_SIMPLEDRM", "SYSFB_SIMPLEFB", "FB_EFI", "FB_SIMPLE"],
  ...["VFIO_DEVICE_CDEV", "VFIO_PCI", "VFIO_NOIOMMU", "IOMMUFD"],
  ...["ACPI_TABLE_UPGRADE", "AMD_MEM_ENCRYPT", "AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT"],
  ...["IOMMU_DEFAULT_PASSTHROUGH", "INTEL_IOMMU_DEFAULT_ON"],
] as const;

/** A distribution's has some 300 KB. */
const LARGEST_TEXT = 4 * 1024 * 1024;
const LARGEST_FILE = 2 * 1024 * 1024;

/** `y`, `m`, `n` or the value of each option, by name without `CONFIG_`; those that the kernel does not know are missing. */
export type KernelOptions = ReadonlyMap<string, string>;

/** How the running kernel was built, as itself (`/proc/config.gz`) or its package says it; absent where neither does. */
export function readKernelOptions(paths: HostPaths, memory: HostMemory): Reading<KernelOptions> {
  return memory.onceABoot("kernel options", () => {
    const own = readBytes(paths.at("/proc/config.gz"), LARGEST_FILE);
    if (own.state === "read") return unpacked(own.value);
    const release = valueOr(readValue(paths.at("/proc/sys/kernel/osrelease")), "");
    // The release becomes part of a path.
    if (!/^[\w.+~-]{1,64}$/.test(release) || release.startsWith(".")) return own;
    for (const path of [`/boot/config-${release}`, `/lib/modules/${release}/config`]) {
      const packaged = readBytes(paths.at(path), LARGEST_TEXT);
      if (packaged.state !== "absent")
        return mapReading(packaged, (bytes) => parseKernelOptions(bytes.toString("latin1")));
    }
    return absent;
  });
}

function unpacked(packed: Buffer): Reading<KernelOptions> {
  try {
    return read(parseKernelOptions(gunzipSync(packed, { maxOutputLength: LARGEST_TEXT }).toString("latin1")));
  } catch (error) {
    const why =
      error instanceof Error && "code" in error ? String(error.code) : "it is not packed as it should be";
    return unreadable(`/proc/config.gz: ${why}`);
  }
}

/** The options that matter in the text of a kernel's configuration. */
export function parseKernelOptions(text: string): KernelOptions {
  const wanted = new Set<string>(KERNEL_OPTIONS);
  const options = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, set, value = "", unset] = /^(?:CONFIG_(\w+)=(.*)|# CONFIG_(\w+) is not set)$/.exec(line) ?? [];
    const name = set ?? unset;
    if (name !== undefined && wanted.has(name))
      options.set(name, set === undefined ? "n" : value.replaceAll('"', ""));
  }
  return options;
}
