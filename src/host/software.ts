import type { HostPaths } from "../host-paths.ts";
import { mapReading, type Reading, read, unreadable, valueOr } from "../model/reading.ts";
import { readNames, readText } from "./read-file.ts";

/** Versions that somebody else has learned: libvirt over its socket, QEMU from a domain log. */
export interface SoftwareVersions {
  readonly libvirt?: string;
  readonly qemu?: string;
}

/** Slackware's package database; its entries are named `libvirt-11.7.0-x86_64-1_SBo`. */
const PACKAGE_DATABASES = ["/var/lib/pkgtools/packages", "/var/log/packages"];
const PLUGIN_LIMIT = 4 * 1024 * 1024;
const PLUGINS_LIMIT = 300;

/** A plugin that is installed in this boot. */
export interface Plugin {
  readonly name: string;
  readonly version: Reading<string>;
}

/** The version of libvirt or QEMU: as somebody has learned it, else of the installed package. */
export function readSoftwareVersion(
  paths: HostPaths,
  name: "libvirt" | "qemu",
  learned: SoftwareVersions = {},
): Reading<string> {
  const known = learned[name] ?? "";
  if (known !== "") return read(known);
  for (const entry of listPackages(paths)) {
    // Version, architecture and build hold no dash; the name may.
    const parts = entry.startsWith(name) ? entry.split("-") : [];
    if (parts.length >= 4 && parts.slice(0, -3).join("-") === name) return read(parts.at(-3) ?? "");
  }
  return unreadable(
    `no version seen yet; it is learned when ${name === "qemu" ? "a VM starts" : "libvirt runs"}`,
  );
}

function listPackages(paths: HostPaths): readonly string[] {
  return PACKAGE_DATABASES.flatMap((database) => valueOr(readNames(paths.at(database)), []));
}

/** `/var/log/plugins` holds a link for each plugin that is installed in this boot. */
export function readPlugins(paths: HostPaths): Reading<readonly Plugin[]> {
  const directory = "/var/log/plugins";
  return mapReading(readNames(paths.at(directory)), (names) =>
    names
      .filter((file) => file.endsWith(".plg"))
      .toSorted()
      .slice(0, PLUGINS_LIMIT)
      .map((name) => {
        // The links point to absolute paths on the host; in a recorded tree only the flash's own copy can be reached.
        const linked = readText(paths.at(`${directory}/${name}`), PLUGIN_LIMIT);
        const text =
          linked.state === "absent"
            ? readText(paths.at(`/boot/config/plugins/${name}`), PLUGIN_LIMIT)
            : linked;
        return {
          name: name.slice(0, -4),
          version: mapReading(text, (plugin) => pluginVersion(plugin) ?? ""),
        };
      }),
  );
}

/** The version of a plugin file: its attribute, or the entity that the attribute refers to. */
export function pluginVersion(plugin: string): string | undefined {
  const head = plugin.slice(0, 64 * 1024);
  const attribute = /<PLUGIN\b[^>]{0,4000}?\bversion\s*=\s*["']([^"']{1,64})["']/i.exec(head)?.[1];
  const entity = attribute === undefined ? "version" : /^&([A-Za-z0-9_.-]{1,64});$/.exec(attribute)?.[1];
  if (entity === undefined) return attribute;
  for (const [, name, value] of head.matchAll(/<!ENTITY\s+([A-Za-z0-9_.-]{1,64})\s+["']([^"']{1,64})["']/g)) {
    if (name === entity) return value;
  }
  return undefined;
}
