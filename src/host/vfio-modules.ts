import type { HostPaths } from "../host-paths.ts";
import { absent, type Reading, read, unreadable, valueOr } from "../model/reading.ts";
import { createHostMemory } from "./host-memory.ts";
import { readNames, readText, readValue } from "./read-file.ts";

/**
 * Modules without which nothing is passed through, and their parameters that decide how. A kernel has dozens more
 * that come and go with its versions and would only hide these.
 */
const PARAMETERS = {
  vfio: ["enable_unsafe_noiommu_mode"],
  vfio_pci: ["disable_denylist", "disable_idle_d3", "disable_vga", "enable_sriov", "nointxmask"],
  vfio_pci_core: [],
  vfio_iommu_type1: ["allow_unsafe_interrupts", "disable_hugepages", "dma_entry_limit"],
  vfio_virqfd: [],
  iommufd: ["allow_unsafe_interrupts"],
  kvm: ["allow_unsafe_mappings", "ignore_msrs", "report_ignored_msrs"],
  kvm_amd: ["avic", "nested", "npt"],
  kvm_intel: ["enable_apicv", "ept", "nested"],
  pci_stub: [],
} as const;

/** Names of those modules, with underscores, as the kernel spells them. */
export const VFIO_MODULES: readonly string[] = Object.keys(PARAMETERS);

const PARAMETER_LIMIT = 512;

/** What the running kernel has of them. */
export interface VfioModules {
  /** Loaded or built in. */
  readonly present: ReadonlySet<string>;
  /** `module.parameter` → value as sysfs shows it (`vfio_iommu_type1.allow_unsafe_interrupts` → `N`). */
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Reads which of the modules that matter are loaded or built in, and their parameters. A built-in module without
 * parameters has no directory in /sys/module; `modules.builtin` of the running kernel names it.
 */
export function readVfioModules(paths: HostPaths, memory = createHostMemory()): Reading<VfioModules> {
  const listing = readNames(paths.at("/sys/module"));
  if (listing.state !== "read") return listing;
  const directories = new Set(listing.value);
  const builtIn = valueOr(
    memory.onceABoot("modules.builtin", () => readBuiltIn(paths)),
    new Set<string>(),
  );
  const present = new Set<string>();
  const parameters = new Map<string, string>();
  for (const [module, names] of Object.entries(PARAMETERS)) {
    if (!directories.has(module)) {
      if (builtIn.has(module)) present.add(module);
      continue;
    }
    present.add(module);
    for (const name of names) {
      const value = readValue(paths.at(`/sys/module/${module}/parameters/${name}`), PARAMETER_LIMIT);
      if (value.state === "read") parameters.set(`${module}.${name}`, value.value);
    }
  }
  return read({ present, parameters });
}

function readBuiltIn(paths: HostPaths): Reading<ReadonlySet<string>> {
  const release = valueOr(readValue(paths.at("/proc/sys/kernel/osrelease")), "");
  // The release becomes part of a path.
  if (!/^[\w.+~-]{1,64}$/.test(release) || release.startsWith(".")) return absent;
  for (const place of ["/lib/modules", "/usr/lib/modules"]) {
    const list = readText(paths.at(`${place}/${release}/modules.builtin`));
    if (list.state === "read") return read(new Set(parseBuiltInModules(list.value)));
  }
  return absent;
}

/** Module names in the text of a `modules.builtin`: paths like `kernel/drivers/vfio/vfio.ko`. */
function parseBuiltInModules(text: string): readonly string[] {
  const names: string[] = [];
  for (const line of text.split("\n")) {
    const [, name] = /([^/]{1,64})\.ko$/.exec(line.trim()) ?? [];
    // Files are spelled with a dash, the kernel's own name has an underscore (vfio-pci.ko is vfio_pci).
    if (name !== undefined) names.push(name.replaceAll("-", "_"));
  }
  return names;
}

/** Names below `/dev/vfio`, those of `devices/` with their directory (`vfio`, `14`, `devices/vfio0`). */
export function readVfioNodes(paths: HostPaths): Reading<ReadonlySet<string>> {
  const names = readNames(paths.at("/dev/vfio"));
  if (names.state !== "read") return names;
  const nodes = new Set(names.value.filter((name) => name !== "devices"));
  if (names.value.includes("devices")) {
    const devices = readNames(paths.at("/dev/vfio/devices"));
    if (devices.state === "unreadable") return unreadable(`/dev/vfio/devices: ${devices.why}`);
    for (const name of valueOr(devices, [])) nodes.add(`devices/${name}`);
  }
  return read(nodes);
}
