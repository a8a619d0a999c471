import type { HostPaths } from "../host-paths.ts";
import { parseDomainXml } from "../libvirt/domain-xml.ts";
import type { Fact } from "../model/fact.ts";
import type { VmName } from "../model/identifiers.ts";
import { type Reading, read, unreadable } from "../model/reading.ts";
import type { HostDevice, VmDefinition } from "../model/virtual-machine.ts";
import { absentFact, factOfReading, keyPart, oneLine, unknownFact, valueFact } from "./make-fact.ts";
import { readNames, readText } from "./read-file.ts";

const DIRECTORY = "/etc/libvirt/qemu";
const XML_LIMIT = 4 * 1024 * 1024;
const VMS_LIMIT = 1000;

/** Key prefix of a VM's facts, with the final dot: `vm.Windows 11.`. */
export function vmFactPrefix(vm: VmName): string {
  return `vm.${keyPart(vm)}.`;
}

/**
 * Reads VM definitions from libvirt's own files, for the time in which libvirt does not run. On Unraid the
 * directory is a mount that exists only while the VM service is started: empty or missing says nothing then, so
 * both are unreadable rather than "no VM".
 */
export function readVmDefinitions(paths: HostPaths): Reading<readonly VmDefinition[]> {
  const names = readNames(paths.at(DIRECTORY));
  if (names.state === "unreadable") return unreadable(`${DIRECTORY}: ${names.why}`);
  if (names.state === "absent" || names.value.length === 0) {
    return unreadable(`${DIRECTORY} is not there or empty; start libvirt (on Unraid: the VM service)`);
  }
  const autostart = readNames(paths.at(`${DIRECTORY}/autostart`));
  const definitions: VmDefinition[] = [];
  for (const name of names.value
    .filter((file) => file.endsWith(".xml"))
    .toSorted()
    .slice(0, VMS_LIMIT)) {
    const xml = readText(paths.at(`${DIRECTORY}/${name}`), XML_LIMIT);
    if (xml.state === "absent") continue;
    if (xml.state === "unreadable") return unreadable(`${DIRECTORY}/${name}: ${xml.why}`);
    const definition = parseDomainXml(xml.value);
    if (definition.state !== "read") {
      return unreadable(
        `${DIRECTORY}/${name}: ${definition.state === "unreadable" ? definition.why : "empty"}`,
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

/**
 * One set of facts a VM. UUIDs, MAC addresses and the order in which the XML lists things are left out, so that
 * saving a VM again without a change is none.
 */
export function vmFacts(definitions: Reading<readonly VmDefinition[]>): readonly Fact[] {
  if (definitions.state === "unreadable") return [unknownFact("vm", "vm", definitions.why)];
  if (definitions.state === "absent") return [absentFact("vm", "vm")];
  return [valueFact("vm", "vm", "listed"), ...definitions.value.flatMap(factsOfVm)];
}

function factsOfVm(definition: VmDefinition): readonly Fact[] {
  const prefix = vmFactPrefix(definition.name);
  const facts = [
    fact(`${prefix}machine`, definition.machine),
    fact(`${prefix}firmware`, definition.firmware),
    fact(`${prefix}memory`, formatMemory(definition.memoryKiB)),
    fact(`${prefix}hugepages`, definition.hugepages ? "yes" : "no"),
    definition.autostart === undefined
      ? unknownFact("vm", `${prefix}autostart`, "libvirt did not say")
      : fact(`${prefix}autostart`, definition.autostart ? "yes" : "no"),
    fact(
      `${prefix}devices`,
      definition.hostDevices
        .map(({ bdf }) => bdf)
        .toSorted()
        .join(" "),
    ),
  ];
  for (const device of definition.hostDevices) {
    facts.push(fact(`${prefix}device.${device.bdf}`, describeDevice(device)));
  }
  return facts;
}

function fact(key: string, value: string): Fact {
  return factOfReading("vm", key, read(value));
}

function describeDevice(device: HostDevice): string {
  return [
    device.guestAddress === undefined ? "no fixed guest address" : `at ${device.guestAddress} in the VM`,
    device.managed ? "managed" : "not managed",
    // `vfio` is the default, which libvirt writes into the definition of a running VM.
    ...(device.driver === undefined || device.driver === "vfio"
      ? []
      : [`driver ${oneLine(device.driver, 32)}`]),
    ...(device.multifunction === true ? ["multifunction"] : []),
    ...(device.rom === undefined ? [] : [`ROM ${oneLine(device.rom, 256)}`]),
  ].join(", ");
}

/** `16 GiB`, `96 MiB`, or KiB where nothing larger is whole. */
function formatMemory(kib: number): string {
  if (kib <= 0) return "";
  if (kib % (1024 * 1024) === 0) return `${kib / (1024 * 1024)} GiB`;
  return kib % 1024 === 0 ? `${kib / 1024} MiB` : `${kib} KiB`;
}
