import { type IoRange, ownersOfBars } from "../../host/io-memory.ts";
import { type FactKind, form, isThere } from "../kind.ts";
import { passedDevices } from "../passed-devices.ts";

/** What draws the kernel's boot screen, by the names under which it asks for the memory (drivers/firmware, drivers/gpu). */
const BOOT_SCREEN = /^(?:BOOTFB|simplefb|simpledrm|simple-framebuffer|efifb|efidrm|vesafb|vesadrm)$/;
const VFIO = /^vfio/;

/**
 * Who besides its own driver has a part of a device's BARs, as `/proc/iomem` shows it. While a driver of the host has the
 * device only the boot screen is told apart from what that driver asked for.
 */
export const MEMORY_WINDOWS: FactKind = {
  group: "pci",
  root: "pci.window-users",
  odds: "device-state",
  role: { follows: ["kernel", "kernel parameter", "BIOS setting", "device binding"] },
  forms: [
    form("pci.{device}.window-users", "Others in the memory window of {device}", 3, {
      type: "list",
      breaks: { "bar-reserve-failed": isThere },
      shown: "hardware",
    }),
  ],
  collect(host, tell) {
    for (const { identity, device } of passedDevices(host)) {
      if (device.bars === undefined) continue;
      const { bars, driver } = device;
      const isHosts = driver !== undefined && !VFIO.test(driver);
      const foreign = (ranges: readonly IoRange[]) =>
        ownersOfBars(bars, ranges).filter((name) => !VFIO.test(name) && (!isHosts || BOOT_SCREEN.test(name)));
      const { ioMemory } = host;
      tell(`pci.${identity}.window-users`, ioMemory.state === "read" ? foreign(ioMemory.value) : ioMemory);
    }
  },
};
