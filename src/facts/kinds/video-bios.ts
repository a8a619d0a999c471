import { isDisplay } from "../../host/pci-classes.ts";
import { mapReading, unreadable } from "../../model/reading.ts";
import { type FactKind, form } from "../kind.ts";
import { passedDevices } from "../passed-devices.ts";

/**
 * The version of a GPU's own BIOS as the host's driver shows it: amdgpu in sysfs, NVIDIA's in /proc. While a VM has the
 * card nobody does. NVIDIA's file wakes a card that sleeps (nv_procfs_read_gpu_info), so of such a one it is not asked.
 */
export const VIDEO_BIOS: FactKind = {
  group: "pci",
  root: "pci.video-bios",
  odds: "device-state",
  role: { knob: "card in its slot" },
  forms: [form("pci.{device}.video-bios", "Video BIOS of {device}", 3, { shown: "hardware" })],
  collect(host, tell) {
    for (const { identity, device } of passedDevices(host)) {
      const { bdf, driver } = device;
      if (!isDisplay(device.classCode) || (driver !== "amdgpu" && driver !== "nvidia")) continue;
      const key = `pci.${identity}.video-bios`;
      if (host.files.isAsleep(bdf)) tell(key, unreadable("the card sleeps, and is not woken"));
      else if (driver === "amdgpu") tell(key, host.files.value(`/sys/bus/pci/devices/${bdf}/vbios_version`));
      else {
        const shown = host.files.value(`/proc/driver/nvidia/gpus/${bdf}/information`);
        const version = mapReading(shown, (text) => /^Video BIOS:\s*([\w.]+)$/m.exec(text)?.[1]);
        if (version.state !== "read") tell(key, version);
        // Question marks: the driver has not set the card up yet.
        else tell(key, version.value ?? unreadable("the driver does not know it yet"));
      }
    }
  },
};
