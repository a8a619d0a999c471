import { addressOf, createPciTopology } from "../../host/pci-topology.ts";
import type { FactValue } from "../../model/fact.ts";
import { mapReading, unreadable } from "../../model/reading.ts";
import { textOf } from "../fact-value.ts";
import { type FactKind, form } from "../kind.ts";
import { passedDevices } from "../passed-devices.ts";

const NOT_KNOWN = unreadable("the device does not say");

/**
 * How many lanes a device runs with now, how fast the port above it lets it be, and what that could at most. A card that
 * sits badly, or shares its lanes, has fewer than it could. (The speed in use is no fact: it sinks when a GPU idles.)
 */
export const LINK_WIDTH: FactKind = {
  group: "pci",
  root: "pci.link-width",
  odds: "device-state",
  role: { follows: ["card in its slot", "BIOS setting", "BIOS"] },
  forms: [
    form("pci.{device}.link-width", "Lanes in use of {device}", 4, {
      breaks: { "pcie-error": "any change", "device-lost": "any change" },
      shown: "hardware",
      say({ parts, before, after, device }) {
        const [then, now] = [lanesOf(before), lanesOf(after)];
        if (then === undefined || now === undefined || parts.device === undefined) return undefined;
        return `The link of ${device(parts.device)} runs with ${now === 1 ? "1 lane" : `${now} lanes`}, ${then} before`;
      },
    }),
    form("pci.{device}.port-speed-target", "Speed that the port above {device} is set to", 4, {
      breaks: { "pcie-error": "any change", "device-lost": "any change", "reset-failed": "any change" },
      shown: "hardware",
      say({ parts, before, after, device }) {
        const [then, now] = [textOf(before), textOf(after)];
        if (then === undefined || now === undefined || parts.device === undefined) return undefined;
        return speedOf(now) < speedOf(then)
          ? `The link of ${device(parts.device)} is held at ${now}, ${then} before`
          : `The link of ${device(parts.device)} may run at ${now}, ${then} before`;
      },
    }),
    form("pci.{device}.port-link-at-most", "Fastest link of the port above {device}", 4, {
      role: { follows: ["BIOS setting", "BIOS", "card in its slot"] },
      shown: "hardware",
    }),
  ],
  collect(host, tell) {
    if (host.devices.state !== "read") return;
    const topology = createPciTopology(host.devices.value);
    for (const { identity, device } of passedDevices(host)) {
      if (device.mostLink === undefined) continue;
      const { segment, bus } = addressOf(device.bdf);
      const port = topology.bridgeAbove(segment, bus);
      if (port?.mostLink !== undefined) tell(`pci.${identity}.port-link-at-most`, port.mostLink);
      if (port !== undefined) tell(`pci.${identity}.port-speed-target`, host.files.linkTarget(port.bdf));
      const key = `pci.${identity}.link-width`;
      if (host.files.isAsleep(device.bdf)) tell(key, unreadable("the device sleeps, and is not woken"));
      else {
        const width = host.files.value(`/sys/bus/pci/devices/${device.bdf}/current_link_width`);
        // 63 without power, 0 while the link is down.
        const known = mapReading(width, (text) =>
          /^(?:1|2|4|8|12|16|32)$/.test(text) ? `x${text}` : undefined,
        );
        tell(key, known.state === "read" ? (known.value ?? NOT_KNOWN) : NOT_KNOWN);
      }
    }
  },
};

function speedOf(text: string): number {
  return Number.parseFloat(text);
}

function lanesOf(value: FactValue): number | undefined {
  const lanes = /^x(\d+)$/.exec(textOf(value) ?? "")?.[1];
  return lanes === undefined ? undefined : Number(lanes);
}
