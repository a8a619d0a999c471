import type { HostPaths } from "../host-paths.ts";
import { absent, type Reading, read, unreadable } from "../model/reading.ts";
import { canonicalParameterName } from "./kernel-parameters.ts";
import { readNames, readText } from "./read-file.ts";

/** One line of a modprobe.d file. */
export interface ModprobeSetting {
  readonly kind: "options" | "softdep" | "blacklist" | "install";
  /** With `_`, as the kernel names modules. */
  readonly module: string;
  /** What follows the module, white space normalised; empty for `blacklist`. */
  readonly rest: string;
}

/** A setting and the file that it stands in (path on the host). */
export interface PlacedModprobeSetting extends ModprobeSetting {
  readonly file: string;
}

const KINDS = new Set(["options", "softdep", "blacklist", "install"]);
const FILE_LIMIT = 256 * 1024;
const FILES_LIMIT = 256;

/**
 * modprobe.d(5) reads these in this order and a file name found first hides the same name further on. Unraid copies
 * `/boot/config/modprobe.d` over `/etc/modprobe.d` at boot: what only stands on the flash is not in force yet.
 */
const DIRECTORIES = ["/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"];
const FLASH_DIRECTORY = "/boot/config/modprobe.d";

/** All files that are read. */
export const MODPROBE_FILES: readonly string[] = [...DIRECTORIES, FLASH_DIRECTORY].map(
  (one) => `${one}/*.conf`,
);

/** Modules whose options decide about passthrough: VFIO, KVM, and the host drivers that may take a device first. */
const RELEVANT = new Set([
  ...["vfio", "vfio_pci", "vfio_pci_core", "vfio_iommu_type1", "vfio_virqfd", "iommufd", "irqbypass"],
  ...["kvm", "kvm_amd", "kvm_intel", "pci_stub", "xen_pciback"],
  ...["nvidia", "nvidia_drm", "nvidia_modeset", "nvidia_uvm", "nvidiafb", "nouveau", "nova_core"],
  ...["amdgpu", "radeon", "i915", "xe", "ast", "mgag200", "simpledrm", "snd_hda_intel"],
]);

/** Whether the module has to do with passthrough. */
function isRelevantModule(module: string): boolean {
  return RELEVANT.has(canonicalParameterName(module));
}

/** Reads the text of a modprobe.d file: comments, continued lines, the four commands that decide who binds what. */
function parseModprobe(text: string): readonly ModprobeSetting[] {
  const settings: ModprobeSetting[] = [];
  for (const line of text.replace(/\\\r?\n/g, " ").split(/\r?\n/)) {
    const words = line.trim().split(/\s+/);
    const [kind, module, ...rest] = words;
    if (kind === undefined || module === undefined || !isKind(kind)) continue;
    settings.push({ kind, module: canonicalParameterName(module), rest: rest.join(" ") });
  }
  return settings;
}

function isKind(word: string): word is ModprobeSetting["kind"] {
  return KINDS.has(word);
}

/** All settings of relevant modules that modprobe would follow, in modprobe's order. */
export function readModprobeSettings(paths: HostPaths): Reading<readonly PlacedModprobeSetting[]> {
  const hidden = new Set<string>();
  const settings: PlacedModprobeSetting[] = [];
  let found = false;
  for (const directory of [...DIRECTORIES, FLASH_DIRECTORY]) {
    const names = readNames(paths.at(directory));
    if (names.state === "absent") continue;
    if (names.state === "unreadable") return unreadable(`${directory}: ${names.why}`);
    found = true;
    for (const name of names.value
      .filter((file) => file.endsWith(".conf"))
      .toSorted()
      .slice(0, FILES_LIMIT)) {
      if (hidden.has(name)) continue;
      hidden.add(name);
      const file = `${directory}/${name}`;
      const text = readText(paths.at(file), FILE_LIMIT);
      if (text.state === "unreadable") return unreadable(`${file}: ${text.why}`);
      if (text.state === "absent") continue;
      for (const setting of parseModprobe(text.value)) {
        if (isRelevantModule(setting.module)) settings.push({ ...setting, file });
      }
    }
  }
  return found ? read(settings) : absent;
}
