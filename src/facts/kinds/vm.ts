import { createHash } from "node:crypto";
import { identifyPciDevices } from "../../host/pci-identity.ts";
import { oneLine } from "../../hostile-text.ts";
import type { Bdf, VmName } from "../../model/identifiers.ts";
import { mapReading, type Reading, unreadable } from "../../model/reading.ts";
import type { HostDevice, VmDefinition } from "../../model/virtual-machine.ts";
import { textOf } from "../fact-value.ts";
import { nameOfKeyPart, vmFactPrefix } from "../key-parts.ts";
import { type FactForm, type FactKind, isAbsent, isThere, LISTED, type Tell } from "../kind.ts";

/** Of more VMs with one device only the number is kept: on a host with thousands every VM would name all others. */
const MOST_SHARING = 32;

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
  odds: "vm-definition",
  role: { knob: "definition of VM", which: "vm" },
  forms: [
    form("machine"),
    form("firmware"),
    form("memory", { odds: "vm-memory" }),
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
      odds: "vm-devices",
      importance: 1,
    }),
    form("device.{address*}", { label: "VM '{vm}', device {address}", importance: 2, odds: "vm-rom" }),
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
    // Only of one that was here: a node knows its own VMs.
    form("moved-to", {
      optional: true,
      role: "bystander",
      importance: 1,
      say: ({ parts, before, after }) =>
        movedWords(nameOfKeyPart(parts.vm ?? ""), textOf(before), textOf(after)),
    }),
    form("{name*}", { label: "VM '{vm}', {name}" }),
  ],
  collect({ definitions, devices }, tell) {
    if (definitions.state !== "read") return tell("vm", definitions);
    tell("vm", LISTED);
    const identities = mapReading(devices, (all) => identifyPciDevices(all.values()));
    const usersOf = createUsers(definitions.value.filter(({ movedTo }) => movedTo === undefined));
    for (const definition of definitions.value) {
      tellVm(tell, definition);
      tellRelations(tell, definition, usersOf, identities);
    }
  },
};

function tellVm(tell: Tell, definition: VmDefinition): void {
  const prefix = vmFactPrefix(definition.name);
  tell(`${prefix}identity`, definition.uuid === "" ? unreadable("it has no UUID") : hashOf(definition.uuid));
  if (definition.movedTo !== undefined) tell(`${prefix}moved-to`, definition.movedTo);
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
  usersOf: (devices: readonly HostDevice[]) => readonly VmName[],
  identities: Reading<ReadonlyMap<Bdf, string>>,
): void {
  const prefix = vmFactPrefix(name);
  for (const { bdf } of hostDevices)
    tell(`${prefix}card.${bdf}`, identities.state === "read" ? identities.value.get(bdf) : identities);
  const users = usersOf(hostDevices);
  const named = users.slice(0, MOST_SHARING + 1).filter((other) => other !== name);
  // Itself is one of them.
  const more = users.length - 1 - named.length;
  tell(`${prefix}shares-with`, more <= 0 ? named : [...named, `${more} more`]);
}

/** Whoever has one of the devices, by name; of VMs with the same devices it is worked out once. */
function createUsers(all: readonly VmDefinition[]): (devices: readonly HostDevice[]) => readonly VmName[] {
  const byDevice = new Map<Bdf, VmName[]>();
  for (const { name, hostDevices } of all) {
    for (const { bdf } of hostDevices) {
      const known = byDevice.get(bdf);
      if (known === undefined) byDevice.set(bdf, [name]);
      else known.push(name);
    }
  }
  const together = new Map<string, readonly VmName[]>();
  return (devices) => {
    const key = devices.map(({ bdf }) => bdf).join();
    const users = together.get(key) ?? [
      ...new Set(devices.flatMap(({ bdf }) => byDevice.get(bdf) ?? []).sort()),
    ];
    together.set(key, users);
    return users;
  };
}

function movedWords(vm: string, before: string | undefined, after: string | undefined): string {
  if (after !== undefined) return `VM '${vm}' moved to node ${after}`;
  return `VM '${vm}' came back${before === undefined ? "" : ` from node ${before}`}`;
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
