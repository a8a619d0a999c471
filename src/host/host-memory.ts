import { mapReading, type Reading } from "../model/reading.ts";
import { createIommuMemory, type IommuMemory } from "./iommu-groups.ts";
import { createPciMemory, type PciMemory } from "./pci-devices.ts";

/**
 * What one look at the host leaves for the next, so that a service that looks again and again works out only what
 * changed. Everything that can change while the host runs is read each time all the same; the facts are the same with
 * and without it.
 */
export interface HostMemory {
  readonly pci: PciMemory;
  readonly iommu: IommuMemory;
  /**
   * What cannot change before the next boot (the firmware's tables, the kernel's release): read until it succeeds, and
   * then no more. `key` names it; a key stands for one type.
   */
  onceABoot<T>(key: string, readIt: () => Reading<T>): Reading<T>;
  /** The parsed content of a file, parsed anew when its text is another one. `parse` is the same one for a key. */
  parsed<T>(key: string, text: Reading<string>, parse: (text: string) => T): Reading<T>;
}

/** An empty memory, good for one boot of one host. */
export function createHostMemory(): HostMemory {
  const fixed = new Map<string, Reading<unknown>>();
  const texts = new Map<string, { readonly text: string; readonly value: unknown }>();
  return {
    pci: createPciMemory(),
    iommu: createIommuMemory(),
    onceABoot<T>(key: string, readIt: () => Reading<T>) {
      const known = fixed.get(key);
      if (known !== undefined) return known as Reading<T>;
      const reading = readIt();
      if (reading.state === "read") fixed.set(key, reading);
      return reading;
    },
    parsed<T>(key: string, reading: Reading<string>, parse: (text: string) => T) {
      return mapReading(reading, (text) => {
        const known = texts.get(key);
        if (known?.text === text) return known.value as T;
        const value = parse(text);
        texts.set(key, { text, value });
        return value;
      });
    },
  };
}
