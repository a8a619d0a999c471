import { mapReading, read, unreadable } from "../../model/reading.ts";
import { type FactKind, form } from "../kind.ts";

const DEVICES = "/sys/bus/thunderbolt/devices";

/**
 * Whether devices behind Thunderbolt are kept from the memory by the IOMMU (Documentation/ABI/testing/sysfs-bus-thunderbolt,
 * `iommu_dma_protection`). The kernel says it from the firmware's word, so it goes with a BIOS setting: the one that on
 * some boards brings a demand for 1:1 mappings along.
 */
export const THUNDERBOLT: FactKind = {
  group: "iommu",
  root: "iommu.thunderbolt-dma-protection",
  odds: "iommu-state",
  role: { follows: ["BIOS setting", "BIOS", "kernel parameter"] },
  forms: [form("iommu.thunderbolt-dma-protection", "Thunderbolt DMA protection", 2, { shown: "iommu" })],
  collect({ files }, tell) {
    const domains = mapReading(files.names(DEVICES), (names) =>
      names.filter((name) => /^domain\d+$/.test(name)),
    );
    // Without a controller there is nothing to protect, and the file is younger than the bus (Linux 4.21).
    if (domains.state !== "read" || domains.value.length === 0)
      return tell(this.root, domains.state === "unreadable" ? domains : undefined);
    const said = domains.value.map((name) => files.value(`${DEVICES}/${name}/iommu_dma_protection`));
    const unread = said.find(({ state }) => state !== "read");
    if (unread !== undefined)
      return tell(
        this.root,
        unread.state === "unreadable" ? unread : unreadable("the kernel does not show it"),
      );
    const isOn = said.map((reading) => reading.state === "read" && reading.value === "1");
    tell(this.root, read(isOn.every(Boolean) ? "on" : isOn.some(Boolean) ? "on some controllers" : "off"));
  },
};
