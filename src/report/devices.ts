import type { Bdf } from "../model/identifiers.ts";
import type { FactDevice, HostFacts } from "./host-facts.ts";

/** A device by its address. */
export function deviceAt(facts: HostFacts, address: Bdf): FactDevice | undefined {
  return facts.devices.find((device) => device.address === address);
}

/** `NVIDIA … [10de:2805]`. */
export function describeDevice({ name, ids }: FactDevice): string {
  return `${name} [${ids}]`;
}
