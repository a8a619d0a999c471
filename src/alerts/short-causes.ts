import type { AlertKind } from "../model/alert.ts";
import type { CauseClass } from "../model/catalogue.ts";

/** Why, in so few words that the subject of a push has room for them: each at most 30 characters. */
export const SHORT_CAUSES: Readonly<Record<CauseClass, string>> = {
  "iommu-direct-mapping-required": "BIOS demands 1:1 mapping",
  "container-setup-failed": "VFIO cannot take its group",
  "group-not-viable": "IOMMU group is shared",
  "iommu-not-enabled": "IOMMU is off",
  "iommu-firmware-bug": "BIOS has faulty IOMMU tables",
  "interrupt-remapping-missing": "no interrupt remapping",
  "iommu-fault": "device caused IOMMU faults",
  "iommu-timeout": "IOMMU does not answer",
  "dma-map-failed": "memory cannot be mapped",
  "memlock-limit": "locked memory is limited",
  "bar-reserve-failed": "device memory is taken",
  "device-busy": "device is in use",
  "device-missing": "device is missing",
  "device-lost": "device fell off the bus",
  "driver-binding": "device has another driver",
  "access-denied": "access to device denied",
  "reset-failed": "device does not reset",
  "power-state-stuck": "device does not wake up",
  "pcie-error": "PCIe errors",
  "rom-invalid": "ROM of device is not valid",
  "irq-setup-failed": "interrupts cannot be set up",
  "device-config-invalid": "device option is not valid",
  "guest-address-space": "guest's addresses run out",
  "memory-alloc-failed": "memory cannot be had",
  "kvm-unavailable": "KVM is not available",
  "vm-config-invalid": "VM's settings are not valid",
  "host-resource-missing": "something it needs is missing",
  "vm-killed": "it was killed",
  "vm-hung": "it hangs",
};

/** What an alert is about where its subject says nothing. */
export const KINDS_IN_WORDS: Readonly<Record<AlertKind, string>> = {
  "start-failed": "VM starts that failed",
  "start-failed-other": "VM starts that failed for other reasons",
  "hot-plug-failed": "devices that could not be plugged in or out",
  "will-not-start": "VMs that will not start",
  recovered: "VMs that start again",
  "watcher-trouble": "troubles of the watcher",
  "facts-changed": "changes of the machine",
  "storm-summary": "summaries",
  test: "test alerts",
};
