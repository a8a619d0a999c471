import { deviceAt, groupNumbers, isActive, isPassedThrough } from "../diagnosis/host-lookups.ts";
import {
  type BindingChange,
  type BindingRequest,
  type DeviceBinding,
  isBoundTwice,
  VFIO_PCI_CONFIG,
  type VfioSetup,
} from "../host/vfio-setup.ts";
import type { HostState, PciDevice, VmStatus } from "../model/host-state.ts";
import type { Bdf } from "../model/identifiers.ts";
import { valueOr } from "../model/reading.ts";
import type { PreflightFinding, PreflightInput } from "./finding.ts";

/** Who binds what to vfio-pci: twice, in vain, not at all. */
export function bindingFindings(
  { setup, host }: PreflightInput,
  vms: readonly VmStatus[],
): readonly PreflightFinding[] {
  const bindings = setup.bindings.state === "read" ? setup.bindings.value : [];
  const change = setup.changedSinceBoot.state === "read" ? setup.changedSinceBoot.value : undefined;
  return [
    ...boundTwice(bindings, host),
    ...boundInVain(bindings, host, change?.added ?? []),
    ...waitingForReboot(change),
    ...boundByNobody(bindings, host, vms),
    ...withoutDevice(setup.unmatched, host),
    ...scriptErrors(setup),
  ];
}

const NOT_VFIO = { matter: "tidy", certainty: "certain", groups: [] } as const;

function boundTwice(bindings: readonly DeviceBinding[], host: HostState): readonly PreflightFinding[] {
  const twice = bindings.filter(isBoundTwice);
  if (twice.length === 0) return [];
  const devices = twice.map(({ bdf }) => bdf);
  const places = [...new Set(twice.flatMap(({ requests }) => placesOf(requests)))];
  return [
    {
      check: "preflight.bound-twice",
      matter: "harmless",
      certainty: "certain",
      sentence: `${list(devices)} ${devices.length === 1 ? "is" : "are"} bound to vfio-pci twice, by ${places.join(" and by ")}. Both want the same, so this stops nothing.`,
      evidence: twice.flatMap(({ bdf, requests, driver }) => [
        ...asked(requests).map(({ where, text }) => `${bdf}: ${where} has ${text}`),
        `${bdf} is held by ${driver ?? "no driver"}`,
      ]),
      remedies: [
        "Keep one of them. An entry by address (vfio-pci.cfg) takes just this device, one by vendor and device takes every card of the kind.",
      ],
      devices,
      groups: [...new Set(devices.flatMap((bdf) => groupNumbers(bdf, host)))],
    },
  ];
}

/** What is asked for only since the boot is not asked for in vain: it waits. */
function boundInVain(
  bindings: readonly DeviceBinding[],
  host: HostState,
  waiting: readonly BindingRequest[],
): readonly PreflightFinding[] {
  return bindings.flatMap(({ bdf, driver, requests }): readonly PreflightFinding[] => {
    const device = deviceAt(bdf, host);
    const wishes = asked(requests).filter((request) => !waiting.includes(request));
    if (wishes.length === 0 || device === undefined || isPassedThrough(device)) return [];
    return [
      {
        ...NOT_VFIO,
        check: "preflight.bound-in-vain",
        sentence: `${bdf} is asked to be held by vfio-pci (${placesOf(wishes).join(" and ")}), yet ${driver ?? "no driver"} holds it.`,
        evidence: [...wishes.map(({ where, text }) => `${where} has ${text}`), driverLine(device)],
        remedies: [
          "See at boot who takes it first: load vfio-pci before that driver (a softdep line in modprobe.d, or blacklist the driver).",
        ],
        devices: [bdf],
      },
    ];
  });
}

function waitingForReboot(change: BindingChange | undefined): readonly PreflightFinding[] {
  const { added = [], removed = [] } = change ?? {};
  if (added.length + removed.length === 0) return [];
  const texts = (some: readonly BindingRequest[]) => list(some.map(({ text }) => text));
  const said = [
    ...(added.length === 0 ? [] : [`${texts(added)} added`]),
    ...(removed.length === 0 ? [] : [`${texts(removed)} removed`]),
  ].join(", ");
  return [
    {
      ...NOT_VFIO,
      check: "preflight.binding-waits-for-reboot",
      sentence: `The binding was changed in ${VFIO_PCI_CONFIG} and waits for a reboot: ${said}.`,
      evidence: [
        ...added.map(({ text }) => `${VFIO_PCI_CONFIG} has ${text}, which it did not at this boot`),
        ...removed.map(({ text }) => `${VFIO_PCI_CONFIG} had ${text} at this boot, and has it no more`),
      ],
      remedies: ["Reboot, so that the binding takes effect; Unraid binds at boot alone."],
      devices: [...added, ...removed].flatMap(({ bdf }) => bdf ?? []),
    },
  ];
}

/** libvirt takes a managed device from its driver at each start, which graphics drivers do not always survive. */
function boundByNobody(
  bindings: readonly DeviceBinding[],
  host: HostState,
  vms: readonly VmStatus[],
): readonly PreflightFinding[] {
  const wished = new Set(bindings.filter(({ requests }) => asked(requests).length > 0).map(({ bdf }) => bdf));
  const devices = new Set(
    vms
      .filter(({ state }) => !isActive(state.state))
      .flatMap(({ definition }) => definition.hostDevices.filter(({ managed }) => managed))
      .map(({ bdf }) => bdf),
  );
  return [...devices].flatMap((bdf): readonly PreflightFinding[] => {
    const device = deviceAt(bdf, host);
    if (device?.driver === undefined || isPassedThrough(device) || wished.has(bdf)) return [];
    if (!device.classCode.startsWith("03")) return [];
    return [
      {
        ...NOT_VFIO,
        check: "preflight.bound-by-nobody",
        sentence: `Nobody binds the graphics card ${bdf} to vfio-pci at boot: ${device.driver} holds it, and it has to be taken away from the host at each start.`,
        evidence: [driverLine(device)],
        remedies: [
          "Bind it at boot (Unraid: Tools → System Devices; elsewhere vfio-pci.ids=), unless the host uses the card itself.",
        ],
        devices: [bdf],
      },
    ];
  });
}

function withoutDevice(unmatched: readonly BindingRequest[], host: HostState): readonly PreflightFinding[] {
  return unmatched.map(({ bdf, id, where, text }) => {
    const elsewhere = id === undefined ? [] : devicesOfKind(id, host);
    const there = elsewhere.length === 0 ? "" : ` A device of that kind is at ${list(elsewhere)}.`;
    return {
      ...NOT_VFIO,
      check: "preflight.binding-without-device",
      sentence: `${where} asks for ${text}, and no device of this host fits.${there}`,
      evidence: [`${where} has ${text}`],
      remedies: [
        elsewhere.length > 0
          ? "The card has another address now: correct the entry, and the VM's settings."
          : "Remove the entry, or correct it if it is a typing error.",
      ],
      devices: bdf === undefined ? elsewhere : [bdf],
    };
  });
}

function scriptErrors(setup: VfioSetup): readonly PreflightFinding[] {
  const errors = valueOr(setup.errors, []);
  if (errors.length === 0) return [];
  const isBarred = valueOr(setup.autostartBarred, false);
  return [
    {
      ...NOT_VFIO,
      check: "preflight.unraid-binding-errors",
      sentence: "Unraid's binding at boot complained, and so Unraid starts no VM by itself in this boot.",
      evidence: [
        ...errors.slice(0, 10).map((line) => `/var/log/vfio-pci-errors: ${line}`),
        ...(isBarred ? ["/run/libvirt/qemu/autostarted: Unraid has kept libvirt from it"] : []),
      ],
      remedies: [
        "Correct the binding in Tools → System Devices and reboot; starting VMs by hand still works.",
      ],
      devices: [],
    },
  ];
}

/** An override is what Unraid's script sets while it works, and no wish of a person. */
function asked(requests: readonly BindingRequest[]): readonly BindingRequest[] {
  return requests.filter(({ place }) => place !== "driver_override");
}

function placesOf(requests: readonly BindingRequest[]): readonly string[] {
  return [...new Set(asked(requests).map(({ place }) => place))];
}

function devicesOfKind(id: string, host: HostState): readonly Bdf[] {
  if (host.devices.state !== "read") return [];
  return [...host.devices.value.values()]
    .filter(({ vendorId, deviceId }) => id.startsWith(`${vendorId}:${deviceId}`))
    .map(({ bdf }) => bdf);
}

function driverLine({ bdf, driver }: PciDevice): string {
  return `/sys/bus/pci/devices/${bdf}/driver is ${driver ?? "absent"}`;
}

function list(items: readonly string[]): string {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}
