import { type Bdf, bdfFromParts } from "../model/identifiers.ts";
import type { PciFunction, PciFunctions } from "./pci-devices.ts";

/** How the buses of the host hang together. */
export interface PciTopology {
  readonly devices: PciFunctions;
  /** The bridge behind which a bus lies; undefined for a root bus. */
  bridgeAbove(segment: number, bus: number): PciFunction | undefined;
  /** Whether `device` lies somewhere behind `bridge`. */
  isBehind(device: Bdf, bridge: PciFunction): boolean;
}

/** The four numbers of an address. */
export interface PciAddress {
  readonly segment: number;
  readonly bus: number;
  readonly device: number;
  readonly function: number;
}

/** Takes an address apart. */
export function addressOf(bdf: Bdf): PciAddress {
  const [segment = "0", bus = "0", rest = "0.0"] = bdf.split(":");
  const [device = "0", fn = "0"] = rest.split(".");
  return {
    segment: Number.parseInt(segment, 16),
    bus: Number.parseInt(bus, 16),
    device: Number.parseInt(device, 16),
    function: Number.parseInt(fn, 16),
  };
}

/** The requester id of an address within its segment. */
export function deviceIdOf({ bus, device, function: fn }: PciAddress): number {
  return (bus << 8) | (device << 3) | fn;
}

/** Works out which bridge every bus lies behind. */
export function createPciTopology(devices: PciFunctions): PciTopology {
  const above = new Map<string, PciFunction>();
  const bridges = [...devices.values()].filter((device) => device.secondaryBus !== undefined);
  // The bridge nearest to a bus is the one with the highest secondary bus number; it overwrites those above it.
  bridges.sort((a, b) => (a.secondaryBus ?? 0) - (b.secondaryBus ?? 0));
  for (const bridge of bridges) {
    const { segment, bus: ownBus } = addressOf(bridge.bdf);
    const first = bridge.secondaryBus ?? 0;
    const last = Math.min(bridge.subordinateBus ?? first, 0xff);
    // A bridge whose buses are not beyond its own has not been set up; believing it would make a circle.
    if (first <= ownBus) continue;
    for (let bus = first; bus <= last; bus++) above.set(`${segment}:${bus}`, bridge);
  }
  const bridgeAbove = (segment: number, bus: number) => above.get(`${segment}:${bus}`);
  return {
    devices,
    bridgeAbove,
    isBehind(device, bridge) {
      let address = addressOf(device);
      // Every step leads to a lower bus number, so it ends.
      for (;;) {
        const next = bridgeAbove(address.segment, address.bus);
        if (next === undefined) return false;
        if (next.bdf === bridge.bdf) return true;
        address = addressOf(next.bdf);
      }
    },
  };
}

/** What came of following a path of device and function numbers from a bus. */
export function followPath(
  topology: PciTopology,
  segment: number,
  startBus: number,
  path: readonly { readonly device: number; readonly function: number }[],
): PciFunction | undefined {
  // Linux compares whole paths from the root bus down (dmar_match_pci_path); only a path of one hop may begin
  // anywhere, as its workaround for firmware that names the bus on which the device itself is.
  if (path.length > 1 && topology.bridgeAbove(segment, startBus) !== undefined) return undefined;
  let bus: number | undefined = startBus;
  let found: PciFunction | undefined;
  for (const hop of path) {
    if (bus === undefined || hop.device > 0x1f || hop.function > 7) return undefined;
    found = topology.devices.get(bdfFromParts(segment, bus, hop.device, hop.function));
    if (found === undefined) return undefined;
    bus = found.secondaryBus;
  }
  return found;
}
