import { oneLine } from "../../host/one-line.ts";
import { unreadable } from "../../model/reading.ts";
import type { HostDevice, VmDefinition } from "../../model/virtual-machine.ts";
import { vmFactPrefix } from "../key-parts.ts";
import { type FactForm, type FactKind, LISTED, type Tell } from "../kind.ts";

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
    form("autostart", { type: "flag", role: "bystander" }),
    form("devices", {
      type: "list",
      oldSeparator: " ",
      label: "VM '{vm}', passed-through devices",
      importance: 1,
    }),
    form("device.{address*}", { label: "VM '{vm}', device {address}", importance: 2 }),
    form("{name*}", { label: "VM '{vm}', {name}" }),
  ],
  collect({ definitions }, tell) {
    if (definitions.state !== "read") return tell("vm", definitions);
    tell("vm", LISTED);
    for (const definition of definitions.value) tellVm(tell, definition);
  },
};

function tellVm(tell: Tell, definition: VmDefinition): void {
  const prefix = vmFactPrefix(definition.name);
  tell(`${prefix}machine`, definition.machine);
  tell(`${prefix}firmware`, definition.firmware);
  tell(`${prefix}memory`, formatMemory(definition.memoryKiB));
  tell(`${prefix}hugepages`, definition.hugepages);
  tell(`${prefix}autostart`, definition.autostart ?? unreadable("libvirt did not say"));
  tell(
    `${prefix}devices`,
    definition.hostDevices.map(({ bdf }) => bdf),
  );
  for (const device of definition.hostDevices) tell(`${prefix}device.${device.bdf}`, describeDevice(device));
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
export function formatMemory(kib: number): string {
  if (kib <= 0) return "";
  if (kib % (1024 * 1024) === 0) return `${kib / (1024 * 1024)} GiB`;
  return kib % 1024 === 0 ? `${kib / 1024} MiB` : `${kib} KiB`;
}
