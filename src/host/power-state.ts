import { valueOr } from "../model/reading.ts";
import { readAttribute } from "./read-file.ts";

/**
 * Whether a PCI function is powered down to save energy. To read one of its registers would wake it
 * (pci_config_pm_runtime_get in drivers/pci/pci-sysfs.c); this attribute is the kernel's own note and touches nothing.
 */
export function isAsleep(directory: string): boolean {
  const status = valueOr(readAttribute(`${directory}/power/runtime_status`), "").trim();
  return status === "suspended" || status === "suspending";
}
