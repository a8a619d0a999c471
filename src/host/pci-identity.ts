import type { PciDevice } from "../model/host-state.ts";
import type { Bdf } from "../model/identifiers.ts";

/**
 * A name for each function that survives its moving to another address: `vendor:device/subvendor:subdevice`, and
 * `#2`, `#3`… for the second and third of the same kind, counted in the order of addresses.
 */
export function identifyPciDevices(devices: Iterable<PciDevice>): ReadonlyMap<Bdf, string> {
  const seen = new Map<string, number>();
  const identities = new Map<Bdf, string>();
  for (const device of [...devices].sort((a, b) => (a.bdf < b.bdf ? -1 : a.bdf > b.bdf ? 1 : 0))) {
    const subsystem = `${device.subsystemVendorId ?? "0000"}:${device.subsystemDeviceId ?? "0000"}`;
    const kind = `${device.vendorId}:${device.deviceId}/${subsystem}`;
    const count = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, count);
    identities.set(device.bdf, count === 1 ? kind : `${kind}#${count}`);
  }
  return identities;
}
