import type { HostFiles } from "../../host/host-reading.ts";
import { addressOf, createPciTopology, type PciTopology } from "../../host/pci-topology.ts";
import type { Bdf } from "../../model/identifiers.ts";
import { type Reading, read, unreadable } from "../../model/reading.ts";
import { type FactKind, form } from "../kind.ts";
import { passedDevices } from "../passed-devices.ts";

/**
 * What the ports above a device keep apart (Access Control Services), the nearest to the processor first. A port without
 * it lets what lies behind talk to each other past the IOMMU, and the kernel makes one group of them.
 */
export const ACS: FactKind = {
  group: "pci",
  root: "pci.acs-of-path",
  odds: "device-state",
  role: { follows: ["BIOS", "BIOS setting", "kernel", "kernel parameter", "card in its slot"] },
  forms: [
    form("pci.{device}.acs-of-path", "ACS of the ports above {device}", 4, {
      type: "list",
      ordered: true,
      breaks: { "group-not-viable": "any change" },
      shown: "hardware",
    }),
  ],
  collect(host, tell) {
    if (host.devices.state !== "read") return;
    const topology = createPciTopology(host.devices.value);
    for (const { identity, device } of passedDevices(host))
      tell(`pci.${identity}.acs-of-path`, acsAbove(device.bdf, topology, host.files));
  },
};

function acsAbove(device: Bdf, topology: PciTopology, files: HostFiles): Reading<readonly string[]> {
  const states: string[] = [];
  for (let at = device; ; ) {
    const { segment, bus } = addressOf(at);
    const port = topology.bridgeAbove(segment, bus);
    if (port === undefined) return read(states);
    const acs = files.acs(port.bdf);
    if (acs.state === "unreadable") return unreadable(`${port.bdf}: ${acs.why}`);
    states.unshift(acs.state === "absent" ? "none" : acs.value === "" ? "off" : acs.value);
    at = port.bdf;
  }
}
