import type { HostPaths } from "../host-paths.ts";
import { parseDomainXml } from "../libvirt/domain-xml.ts";
import { type Reading, read, unreadable } from "../model/reading.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { readNames, readText } from "./read-file.ts";

/** Where libvirt keeps them. */
export const VM_DEFINITIONS = "/etc/libvirt/qemu";
const XML_LIMIT = 4 * 1024 * 1024;
const VMS_LIMIT = 10_000;

/**
 * Reads VM definitions from libvirt's own files, for the time in which libvirt does not run. On Unraid the
 * directory is a mount that exists only while the VM service is started: empty or missing says nothing then, so
 * both are unreadable rather than "no VM".
 */
export function readVmDefinitions(paths: HostPaths): Reading<readonly VmDefinition[]> {
  const names = readNames(paths.at(VM_DEFINITIONS));
  if (names.state === "unreadable") return unreadable(`${VM_DEFINITIONS}: ${names.why}`);
  if (names.state === "absent" || names.value.length === 0) {
    return unreadable(`${VM_DEFINITIONS} is not there or empty; start libvirt (on Unraid: the VM service)`);
  }
  const autostart = readNames(paths.at(`${VM_DEFINITIONS}/autostart`));
  const definitions: VmDefinition[] = [];
  for (const name of names.value
    .filter((file) => file.endsWith(".xml"))
    .toSorted()
    .slice(0, VMS_LIMIT)) {
    const xml = readText(paths.at(`${VM_DEFINITIONS}/${name}`), XML_LIMIT);
    if (xml.state === "absent") continue;
    if (xml.state === "unreadable") return unreadable(`${VM_DEFINITIONS}/${name}: ${xml.why}`);
    const definition = parseDomainXml(xml.value);
    if (definition.state !== "read") {
      return unreadable(
        `${VM_DEFINITIONS}/${name}: ${definition.state === "unreadable" ? definition.why : "empty"}`,
      );
    }
    definitions.push(
      autostart.state === "unreadable"
        ? definition.value
        : { ...definition.value, autostart: autostart.state === "read" && autostart.value.includes(name) },
    );
  }
  return read(definitions);
}
