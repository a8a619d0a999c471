import { createHash } from "node:crypto";
import { oneLine } from "../../host/one-line.ts";
import { identifyPciDevices } from "../../host/pci-identity.ts";
import type { Bdf } from "../../model/identifiers.ts";
import { mapReading, type Reading, unreadable } from "../../model/reading.ts";
import type { HostDevice, VmDefinition } from "../../model/virtual-machine.ts";
import { nameOfKeyPart, vmFactPrefix } from "../key-parts.ts";
import { type FactForm, type FactKind, isAbsent, isThere, LISTED, type Tell } from "../kind.ts";

const form = (name: string, more: Partial<FactForm> = {}): FactForm => ({
  key: `vm.{vm}.${name}`,
  label: `VM '{vm}', ${name}`,
  importance: 3,
  ...more,
});

/**
 * What VMs are defined to be. UUIDs, MAC addresses and the order in which the XML lists things are left out, so that
 * saving a VM again without a change is none.
 */
export const VMS: FactKind = {
  group: "vm",
  root: "vm",
  thing: "vm.{vm}",
  whole: (name, came) => `VM '${name}' ${came ? "is new" : "was deleted"}`,
  describedBy: "devices",
  role: { knob: "definition of VM", which: "vm" },
  forms: [
    form("machine"),
    form("firmware"),
    form("memory"),
    form("hugepages", { type: "flag" }),
    // Which VM it is, whatever it is called: no part of its definition, and not the UUID itself, which is private.
    form("identity", {
      role: "bystander",
      say: ({ parts }) => `VM '${nameOfKeyPart(parts.vm ?? "")}' was made anew, under another UUID`,
    }),
    form("autostart", { type: "flag", role: "bystander" }),
    form("devices", {
      type: "list",
      separator: " ",
      label: "VM '{vm}', passed-through devices",
      importance: 1,
    }),
    form("device.{address*}", { label: "VM '{vm}', device {address}", importance: 2 }),
    // What a passed-through device meets when all of the VM's memory is locked for it.
    form("memory-hard-limit", {
      label: "VM '{vm}', memory hard limit",
      breaks: { "memlock-limit": "any change", "dma-map-failed": "any change" },
    }),
    // Relations: who stands where the VM asks for a device, and who asks for the same one.
    form("card.{address*}", {
      label: "VM '{vm}', device at {address}",
      importance: 6,
      role: { follows: ["card in its slot"] },
      breaks: { "device-missing": isAbsent },
    }),
    form("shares-with", {
      type: "list",
      label: "VM '{vm}', other VMs with the same devices",
      importance: 6,
      role: { follows: ["definition of VM"] },
      breaks: { "device-busy": isThere },
    }),
    form("{name*}", { label: "VM '{vm}', {name}" }),
  ],
  collect({ definitions, devices }, tell) {
    if (definitions.state !== "read") return tell("vm", definitions);
    tell("vm", LISTED);
    const identities = mapReading(devices, (all) => identifyPciDevices(all.values()));
    for (const definition of definitions.value) {
      tellVm(tell, definition);
      tellRelations(tell, definition, definitions.value, identities);
    }
  },
};

function tellVm(tell: Tell, definition: VmDefinition): void {
  const prefix = vmFactPrefix(definition.name);
  tell(`${prefix}identity`, definition.uuid === "" ? unreadable("it has no UUID") : hashOf(definition.uuid));
  tell(`${prefix}machine`, definition.machine);
  tell(`${prefix}firmware`, definition.firmware);
  tell(`${prefix}memory`, formatMemory(definition.memoryKiB));
  tell(`${prefix}memory-hard-limit`, formatMemory(definition.memory?.hardLimitKiB ?? 0));
  tell(`${prefix}hugepages`, definition.hugepages);
  tell(`${prefix}autostart`, definition.autostart ?? unreadable("libvirt did not say"));
  tell(
    `${prefix}devices`,
    definition.hostDevices.map(({ bdf }) => bdf),
  );
  for (const device of definition.hostDevices) tell(`${prefix}device.${device.bdf}`, describeDevice(device));
}

function tellRelations(
  tell: Tell,
  { name, hostDevices }: VmDefinition,
  all: readonly VmDefinition[],
  identities: Reading<ReadonlyMap<Bdf, string>>,
): void {
  const prefix = vmFactPrefix(name);
  for (const { bdf } of hostDevices)
    tell(`${prefix}card.${bdf}`, identities.state === "read" ? identities.value.get(bdf) : identities);
  const own = new Set(hostDevices.map(({ bdf }) => bdf));
  const others = all.filter((vm) => vm.name !== name && vm.hostDevices.some(({ bdf }) => own.has(bdf)));
  tell(
    `${prefix}shares-with`,
    others.map((vm) => vm.name),
  );
}

function hashOf(uuid: string): string {
  return createHash("sha256").update(uuid).digest("hex").slice(0, 12);
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
