import type { HostPaths } from "../host-paths.ts";
import type { Fact } from "../model/fact.ts";
import { mapReading, type Reading, read, unreadable, valueOr } from "../model/reading.ts";
import { absentFact, factOfReading, keyPart, unknownFact, valueFact } from "./make-fact.ts";
import { detectPlatform } from "./platform.ts";
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

/** The operating system, libvirt, QEMU, and Unraid's plugins. */
export function softwareFacts(paths: HostPaths, known: SoftwareVersions = {}): readonly Fact[] {
  const platform = detectPlatform(paths);
  const packages = isKnown(known.libvirt) && isKnown(known.qemu) ? [] : listPackages(paths);
  return [
    optional("software.os.name", platform.name),
    optional("software.os.version", platform.version),
    factOfReading("software", "software.libvirt", versionOf(packages, "libvirt", known.libvirt)),
    factOfReading("software", "software.qemu", versionOf(packages, "qemu", known.qemu)),
    ...(platform.kind === "unraid" ? pluginFacts(paths) : []),
  ];
}

function optional(key: string, value: string | undefined): Fact {
  return value === undefined
    ? unknownFact("software", key, "the host does not say")
    : valueFact("software", key, value);
}

function isKnown(version: string | undefined): version is string {
  return version !== undefined && version !== "";
}

function listPackages(paths: HostPaths): readonly string[] {
  return PACKAGE_DATABASES.flatMap((database) => valueOr(readNames(paths.at(database)), []));
}

function versionOf(packages: readonly string[], name: string, known: string | undefined): Reading<string> {
  if (isKnown(known)) return read(known);
  for (const entry of packages) {
    // Version, architecture and build hold no dash; the name may.
    const parts = entry.startsWith(name) ? entry.split("-") : [];
    if (parts.length >= 4 && parts.slice(0, -3).join("-") === name) return read(parts.at(-3) ?? "");
  }
  return unreadable(
    `no version seen yet; it is learned when ${name === "qemu" ? "a VM starts" : "libvirt runs"}`,
  );
}

/** `/var/log/plugins` holds a link for each plugin that is installed in this boot. */
function pluginFacts(paths: HostPaths): readonly Fact[] {
  const directory = "/var/log/plugins";
  const names = readNames(paths.at(directory));
  if (names.state === "unreadable") return [unknownFact("software", "software.plugin", names.why)];
  if (names.state === "absent") return [absentFact("software", "software.plugin")];
  const facts: Fact[] = [valueFact("software", "software.plugin", "listed")];
  for (const name of names.value
    .filter((file) => file.endsWith(".plg"))
    .toSorted()
    .slice(0, PLUGINS_LIMIT)) {
    // The links point to absolute paths on the host; in a recorded tree only the flash's own copy can be reached.
    const linked = readText(paths.at(`${directory}/${name}`), PLUGIN_LIMIT);
    const text =
      linked.state === "absent" ? readText(paths.at(`/boot/config/plugins/${name}`), PLUGIN_LIMIT) : linked;
    const version = mapReading(text, (plugin) => pluginVersion(plugin) ?? "");
    facts.push(factOfReading("software", `software.plugin.${keyPart(name.slice(0, -4))}`, version));
  }
  return facts;
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
