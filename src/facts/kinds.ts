import type { FactKind } from "./kind.ts";
import { ACS } from "./kinds/acs.ts";
import { AGESA } from "./kinds/agesa.ts";
import { BOOT_LOADER } from "./kinds/boot-loader.ts";
import { FIRMWARE, FIRMWARE_MODE } from "./kinds/firmware.ts";
import { FIRMWARE_SETTINGS } from "./kinds/firmware-settings.ts";
import { FIRMWARE_TABLES } from "./kinds/firmware-tables.ts";
import { FOREIGN_MODULES } from "./kinds/foreign-modules.ts";
import { HARDWARE, MEMORY } from "./kinds/hardware.ts";
import { IOMMU } from "./kinds/iommu.ts";
import { IOMMU_GROUPS } from "./kinds/iommu-groups.ts";
import { KERNEL } from "./kinds/kernel.ts";
import { KERNEL_BUILD_OPTIONS } from "./kinds/kernel-options.ts";
import { KERNEL_PARAMETERS } from "./kinds/kernel-parameters.ts";
import { LINK_WIDTH } from "./kinds/link-width.ts";
import { MEMORY_ENCRYPTION } from "./kinds/memory-encryption.ts";
import { MEMORY_WINDOWS } from "./kinds/memory-windows.ts";
import { MODPROBE, MODULE_PARAMETERS } from "./kinds/modules.ts";
import { PCI } from "./kinds/pci.ts";
import { SECURITY_PROCESSOR } from "./kinds/security-processor.ts";
import { PLUGINS, SOFTWARE } from "./kinds/software.ts";
import { THUNDERBOLT } from "./kinds/thunderbolt.ts";
import { BINDING_IN_WAIT, DEVICE_BINDINGS, VFIO_SETUP } from "./kinds/vfio-setup.ts";
import { VIDEO_BIOS } from "./kinds/video-bios.ts";
import { VMS } from "./kinds/vm.ts";

/** All kinds of facts. A new one is a file and a line here. */
export const FACT_KINDS: readonly FactKind[] = [
  FIRMWARE,
  AGESA,
  SECURITY_PROCESSOR,
  FIRMWARE_MODE,
  FIRMWARE_SETTINGS,
  FIRMWARE_TABLES,
  IOMMU,
  IOMMU_GROUPS,
  THUNDERBOLT,
  KERNEL,
  KERNEL_BUILD_OPTIONS,
  MEMORY_ENCRYPTION,
  FOREIGN_MODULES,
  KERNEL_PARAMETERS,
  BOOT_LOADER,
  MODULE_PARAMETERS,
  MODPROBE,
  VFIO_SETUP,
  BINDING_IN_WAIT,
  DEVICE_BINDINGS,
  PCI,
  VIDEO_BIOS,
  MEMORY_WINDOWS,
  ACS,
  LINK_WIDTH,
  VMS,
  SOFTWARE,
  PLUGINS,
  HARDWARE,
  MEMORY,
];
