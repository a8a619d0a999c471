import type { HostReading } from "../host/host-reading.ts";
import { isDisplay } from "../host/pci-classes.ts";
import type { PciFunction } from "../host/pci-devices.ts";
import { identifyPciDevices } from "../host/pci-identity.ts";
import type { Bdf } from "../model/identifiers.ts";

/**
 * Functions that a VM has or may get, each with its identity: those of the definitions, and all GPUs. What takes a look
 * at each of them is asked of no others.
 */
export function passedDevices({
  devices,
  definitions,
}: HostReading): readonly { readonly identity: string; readonly device: PciFunction }[] {
  if (devices.state !== "read") return [];
  const identities = identifyPciDevices(devices.value.values());
  const passed = new Set<Bdf>();
  for (const { hostDevices } of definitions.state === "read" ? definitions.value : [])
    for (const { bdf } of hostDevices) passed.add(bdf);
  return [...devices.value.values()]
    .filter((device) => device.onlyListed === undefined)
    .filter(({ bdf, classCode }) => passed.has(bdf) || isDisplay(classCode))
    .map((device) => ({ identity: identities.get(device.bdf) ?? device.bdf, device }));
}
