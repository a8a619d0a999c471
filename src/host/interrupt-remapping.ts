import type { HostPaths } from "../host-paths.ts";
import { type Reading, read, unreadable } from "../model/reading.ts";
import { readText } from "./read-file.ts";

/** A server with thousands of interrupts and hundreds of CPUs prints megabytes. */
const INTERRUPTS_LIMIT = 32 * 1024 * 1024;

/**
 * Reads whether interrupts are remapped: `/proc/interrupts` first, because it is there for as long as the machine
 * runs, then what the kernel logged at boot. Unreadable, and why, when neither says it.
 */
export function readInterruptRemapping(paths: HostPaths, kernelLines?: readonly string[]): Reading<boolean> {
  const interrupts = readText(paths.at("/proc/interrupts"), INTERRUPTS_LIMIT);
  const shown = interrupts.state === "read" ? remappingInInterrupts(interrupts.value) : undefined;
  const remapped = shown ?? (kernelLines === undefined ? undefined : remappingInKernelLog(kernelLines));
  if (remapped !== undefined) return read(remapped);
  return unreadable(
    kernelLines === undefined
      ? "/proc/interrupts does not show it"
      : "neither /proc/interrupts nor the kernel log shows it",
  );
}

/**
 * On x86 the name of an interrupt's chip begins with `IR-` when it goes through the remapping unit: `IR-IO-APIC`
 * (arch/x86/kernel/apic/io_apic.c), `IR-PCI-MSI…` (arch/x86/kernel/apic/msi.c). Undefined without any such chip.
 */
export function remappingInInterrupts(text: string): boolean | undefined {
  if (/\sIR-(?:IO-APIC|PCI-MSI)/.test(text)) return true;
  return /\s(?:IO-APIC|PCI-MSI)/.test(text) ? false : undefined;
}

const ENABLED = /^(?:AMD-Vi: Interrupt remapping enabled|DMAR-IR: Enabled IRQ remapping in )/;
const DISABLED =
  /^(?:AMD-Vi: Disabling interrupt remapping|DMAR-IR: Failed to enable irq remapping|(?:vfio_iommu_type1_attach_group: )?No interrupt remapping support\.)/;
/** The first record of a boot, and the one when everything built into the kernel has been set up. */
const FIRST = /^Linux version /;
const SET_UP = /^Run \S+ as init process/;

/**
 * What kernel records (texts, in their order) say about it. Both drivers always say when they switch it on, so a log
 * that is whole from the first record to the start of init and does not say so says that it is off.
 */
export function remappingInKernelLog(lines: readonly string[]): boolean | undefined {
  let whole = false;
  for (const line of lines) {
    if (ENABLED.test(line)) return true;
    if (DISABLED.test(line) || (whole && SET_UP.test(line))) return false;
    if (FIRST.test(line)) whole = true;
  }
  return undefined;
}
