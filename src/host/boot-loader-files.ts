import { posix } from "node:path";
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

/** What grub-mkconfig takes its parameters from: the file, and on Debian what lies in the directory beside it. */
const GRUB_DEFAULTS = "/etc/default/grub";
export const GRUB_DEFAULTS_DIRECTORY = "/etc/default/grub.d";
const KERNEL_INSTALL = "/etc/kernel/cmdline";

/** What a menu takes its default entry from; undefined where it stands in the menu itself. */
export function besideMenu(loader: BootLoaderName, menu: string): string | undefined {
  if (loader === "grub") return posix.join(posix.dirname(menu), "grubenv");
  return loader === "systemd-boot" ? posix.join(posix.dirname(menu), "loader.conf") : undefined;
}

/** Every boot loader configuration on the host, in a fixed order, and the directories that were closed to us. */
export function findBootLoaderFiles(paths: HostPaths): {
  readonly files: readonly BootLoaderFile[];
  readonly unreadable: readonly string[];
} {
  const unreadable: string[] = [];
  const names = cachedNames(paths, unreadable);
  const files = new Map<string, BootLoaderFile>();
  const add = (file: BootLoaderFile) => {
    const path = spelledAs(names, file.path);
    if (path.isThere) files.set(path.path, { ...file, path: path.path });
  };
  for (const [loader, path] of menus()) add({ path, loader, kind: "menu" });
  add({ path: GRUB_DEFAULTS, loader: "grub", kind: "grub-defaults" });
  add({ path: KERNEL_INSTALL, loader: "systemd-boot", kind: "kernel-install" });
  return { files: [...files.values()], unreadable };
}

/**
 * All that is read of boot loaders, whether it is there or not: a file by its name, in the spelling of the directories
 * that hold it, or all in a directory whose names end alike (`…/*.conf`).
 */
export function watchedBootLoaderFiles(paths: HostPaths): readonly string[] {
  const names = cachedNames(paths, []);
  const files = new Set<string>();
  for (const [loader, menu] of menus()) {
    const { path } = spelledAs(names, menu);
    files.add(loader === "systemd-boot" ? `${path}/*.conf` : path);
    const beside = besideMenu(loader, path);
    if (beside !== undefined) files.add(beside);
  }
  return [...files, GRUB_DEFAULTS, `${GRUB_DEFAULTS_DIRECTORY}/*.cfg`, KERNEL_INSTALL];
}

function menus(): readonly (readonly [BootLoaderName, string])[] {
  return MOUNTS.flatMap((mount) =>
    MENUS.flatMap(([loader, candidates]) =>
      candidates.map((candidate) => [loader, `${mount}/${candidate}`] as const),
    ),
  );
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

/**
 * The path as the file system spells it, as far as it is there. Going by listings, a FAT partition does not show one
 * file twice.
 */
function spelledAs(
  names: (directory: string) => readonly string[],
  path: string,
): { readonly path: string; readonly isThere: boolean } {
  let found = "";
  let isThere = true;
  for (const part of path.split("/").slice(1)) {
    const listed: readonly string[] = isThere ? names(found === "" ? "/" : found) : [];
    const spelled = listed.includes(part) ? part : listed.find((name) => name.toLowerCase() === part);
    isThere = spelled !== undefined;
    found = `${found}/${spelled ?? part}`;
  }
  return { path: found, isThere };
}
