import { unreadable } from "../../model/reading.ts";
import { type FactKind, form, is, isAbsent, type Tell } from "../kind.ts";

/** drivers/iommu/iommu.c, iommu_subsys_init. */
const BOOT_LINES = {
  "iommu.default-domain": /^iommu: Default domain type: ([^\n]{1,80})/,
  "iommu.tlb-invalidation": /^iommu: DMA domain TLB invalidation policy: ([^\n]{1,80})/,
};

/** The IOMMU as the kernel set it up. */
export const IOMMU: FactKind = {
  group: "iommu",
  root: "iommu",
  odds: "iommu-state",
  role: { follows: ["BIOS", "BIOS setting", "kernel", "kernel parameter"] },
  forms: [
    form("iommu.units", "IOMMU units in use", 1, {
      type: "list",
      breaks: { "iommu-not-enabled": isAbsent },
      shown: "iommu",
    }),
    form("iommu.interrupt-remapping", "Interrupt remapping", 1, {
      breaks: { "interrupt-remapping-missing": is("off") },
      shown: "iommu",
    }),
    form("iommu.default-domain", "Default IOMMU domain type", 3, { role: "bystander", shown: "iommu" }),
    form("iommu.tlb-invalidation", "IOMMU TLB invalidation", 5, { role: "bystander" }),
  ],
  collect({ units, interruptRemapping, kernelLines }, tell) {
    tell("iommu.units", units);
    tell(
      "iommu.interrupt-remapping",
      interruptRemapping.state === "read" ? (interruptRemapping.value ? "on" : "off") : interruptRemapping,
    );
    tellBootLines(kernelLines.state === "read" ? kernelLines.value : [], tell);
  },
};

function tellBootLines(lines: readonly string[], tell: Tell): void {
  for (const [key, pattern] of Object.entries(BOOT_LINES)) {
    const said = lines.map((line) => pattern.exec(line)?.[1]).find((word) => word !== undefined);
    tell(key, said ?? unreadable("the kernel's words at boot are no longer there"));
  }
}
