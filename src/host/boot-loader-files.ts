import type { HostPaths } from "../host-paths.ts";
import type { BootLoaderName } from "./boot-loader-running.ts";
import { readNames } from "./read-file.ts";

/** A configuration file of a boot loader that exists. */
export interface BootLoaderFile {
  /** Path on the host, in the spelling of the directory that holds it. */
  readonly path: string;
  readonly loader: BootLoaderName;
  /** `menu`: a file that the loader itself reads; the others feed the tool that writes the menu. */
  readonly kind: "menu" | "grub-defaults" | "kernel-install";
}

/** Where boot partitions are mounted: Unraid's flash and most distributions, EFI partitions beside or below it. */
const MOUNTS = ["/boot", "/boot/efi", "/efi"];

/** Below a mount; directories of a FAT partition come in any case. */
const MENUS: readonly (readonly [BootLoaderName, readonly string[]])[] = [
  [
    "syslinux",
    [
      "syslinux/syslinux.cfg",
      "syslinux.cfg",
      "boot/syslinux/syslinux.cfg",
      "efi/boot/syslinux.cfg",
      "efi/syslinux/syslinux.cfg",
      "extlinux/extlinux.conf",
      "isolinux/isolinux.cfg",
    ],
  ],
  ["grub", ["grub/grub.cfg", "grub2/grub.cfg", "boot/grub/grub.cfg", "efi/boot/grub.cfg"]],
  [
    "limine",
    [
      "limine.conf",
      "limine/limine.conf",
      "boot/limine.conf",
      "efi/boot/limine.conf",
      "efi/limine/limine.conf",
    ].flatMap((file) => [file, file.replace(/conf$/, "cfg")]),
  ],
  ["systemd-boot", ["loader/entries"]],
];

/** Every boot loader configuration on the host, in a fixed order, and the directories that were closed to us. */
export function findBootLoaderFiles(paths: HostPaths): {
  readonly files: readonly BootLoaderFile[];
  readonly unreadable: readonly string[];
} {
  const unreadable: string[] = [];
  const names = cachedNames(paths, unreadable);
  const files = new Map<string, BootLoaderFile>();
  for (const mount of MOUNTS) {
    for (const [loader, candidates] of MENUS) {
      for (const candidate of candidates) {
        const path = spelledAs(names, mount, candidate);
        if (path !== undefined) files.set(path, { path, loader, kind: "menu" });
      }
    }
  }
  const defaults = spelledAs(names, "/etc/default", "grub");
  if (defaults !== undefined) files.set(defaults, { path: defaults, loader: "grub", kind: "grub-defaults" });
  const commandLine = spelledAs(names, "/etc/kernel", "cmdline");
  if (commandLine !== undefined) {
    files.set(commandLine, { path: commandLine, loader: "systemd-boot", kind: "kernel-install" });
  }
  return { files: [...files.values()], unreadable };
}

function cachedNames(paths: HostPaths, unreadable: string[]): (directory: string) => readonly string[] {
  const cache = new Map<string, readonly string[]>();
  return (directory) => {
    const known = cache.get(directory);
    if (known !== undefined) return known;
    const names = readNames(paths.at(directory));
    if (names.state === "unreadable") unreadable.push(`${directory}: ${names.why}`);
    const value = names.state === "read" ? names.value : [];
    cache.set(directory, value);
    return value;
  };
}

/** The path as the file system spells it. Going by listings, a FAT partition does not show one file twice. */
function spelledAs(
  names: (directory: string) => readonly string[],
  mount: string,
  candidate: string,
): string | undefined {
  let path = mount;
  for (const part of candidate.split("/")) {
    const listed = names(path);
    const spelled = listed.includes(part) ? part : listed.find((name) => name.toLowerCase() === part);
    if (spelled === undefined) return undefined;
    path = `${path}/${spelled}`;
  }
  return path;
}
