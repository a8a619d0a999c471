import type { HostPaths } from "../host-paths.ts";
import { oneLine } from "../hostile-text.ts";
import type { KernelParameter } from "./kernel-parameters.ts";
import { readBytes, readValue } from "./read-file.ts";

/** The boot loaders whose configuration is understood. */
export type BootLoaderName = "syslinux" | "grub" | "limine" | "systemd-boot";

/** What the running system shows about the loader that started it. */
export interface RunningLoader {
  /** Loaders that the evidence allows. */
  readonly possible: ReadonlySet<BootLoaderName>;
  /** In words, e.g. `Limine 9.2.3`; undefined where nothing tells. */
  readonly name: string | undefined;
  /** Where that is from, one item each. */
  readonly evidence: readonly string[];
}

/** Vendor id of the Boot Loader Interface, under which loaders tell the system who they are. */
const LOADER_INTERFACE = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/** A variable of the Boot Loader Interface: four bytes of attributes, then UTF-16LE with a final zero. */
export function readLoaderVariable(paths: HostPaths, name: string): string | undefined {
  const bytes = readBytes(paths.at(`/sys/firmware/efi/efivars/${name}-${LOADER_INTERFACE}`), 4096);
  if (bytes.state !== "read") return undefined;
  const text = oneLine(bytes.value.subarray(4).toString("utf16le").replaceAll("\0", ""), 200);
  return text === "" ? undefined : text;
}

/**
 * Narrows down which loader started the kernel, from three things that do not depend on any file of a loader:
 * the EFI variable LoaderInfo, the number that the loader left in the x86 boot protocol, and whether the command
 * line (undefined where it could not be read) has `BOOT_IMAGE=`, as Syslinux and GRUB write it and the others do not.
 */
export function findRunningLoader(
  paths: HostPaths,
  running: readonly KernelParameter[] | undefined,
): RunningLoader {
  const possible = new Set<BootLoaderName>(["syslinux", "grub", "limine", "systemd-boot"]);
  const evidence: string[] = [];
  let name: string | undefined;
  const keep = (allowed: readonly BootLoaderName[]) => {
    for (const loader of possible) if (!allowed.includes(loader)) possible.delete(loader);
  };

  const info = readLoaderVariable(paths, "LoaderInfo");
  const told = info === undefined ? undefined : loaderOfInfo(info);
  if (info !== undefined && told !== undefined) {
    evidence.push(`the EFI variable LoaderInfo says '${info}'`);
    name = info;
    keep([told]);
    return { possible, name, evidence };
  }

  const number = readValue(paths.at("/proc/sys/kernel/bootloader_type"));
  const type =
    number.state === "read" && /^\d{1,6}$/.test(number.value) ? Number(number.value) >> 4 : undefined;
  if (type !== undefined) {
    const known = LOADERS_BY_TYPE.get(type);
    if (known !== undefined) {
      evidence.push(`the boot loader gave the kernel the number of ${known.name} (0x${type.toString(16)})`);
      name = known.sure ? known.name : undefined;
      keep(known.loaders);
    }
  }
  if (running === undefined) return { possible, name, evidence };
  const bootImage = running.some((parameter) => parameter.name === "BOOT_IMAGE");
  const writers: readonly BootLoaderName[] = bootImage ? ["syslinux", "grub"] : ["limine", "systemd-boot"];
  // An empty command line also lacks BOOT_IMAGE; it is evidence all the same: both loaders always write it.
  if (writers.some((loader) => possible.has(loader))) {
    evidence.push(`the kernel command line ${bootImage ? "has" : "has no"} BOOT_IMAGE=`);
    keep(writers);
  }
  return { possible, name, evidence };
}

function loaderOfInfo(info: string): BootLoaderName | undefined {
  if (/^limine\b/i.test(info)) return "limine";
  if (/^grub\b/i.test(info)) return "grub";
  // A kernel started by systemd-boot keeps its word; `Linux EFI stub` and `systemd-stub` mean no loader before it.
  if (/^systemd-boot\b/i.test(info)) return "systemd-boot";
  return undefined;
}

/** Loader numbers of Documentation/arch/x86/boot.rst; what the kernel shows is the number times 16 and a version. */
const LOADERS_BY_TYPE: ReadonlyMap<
  number,
  { readonly name: string; readonly sure: boolean; readonly loaders: readonly BootLoaderName[] }
> = new Map([
  // The kernel's own EFI stub: whoever starts the kernel as an EFI program, such as systemd-boot or newer GRUB.
  [0x2, { name: "the EFI stub", sure: false, loaders: ["systemd-boot", "grub", "limine"] as const }],
  [0x3, { name: "Syslinux", sure: true, loaders: ["syslinux"] as const }],
  [0x7, { name: "GRUB", sure: true, loaders: ["grub"] as const }],
  // "Undefined loader", which is what Limine says of itself.
  [0xf, { name: "an unregistered loader", sure: false, loaders: ["limine"] as const }],
]);
