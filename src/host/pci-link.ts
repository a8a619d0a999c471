import type { Bdf } from "../model/identifiers.ts";
import type { HostReading } from "./host-reading.ts";
import { addressOf, createPciTopology } from "./pci-topology.ts";

/**
 * What the links of a device and of the port above it run with at this moment, and could at most: one line each, with its
 * place in sysfs. A GPU that idles lowers its speed, so that it means something at a failure only. What sleeps is not
 * asked, for that would wake it; of a device that is gone its port still tells.
 */
export function linksNow({ devices, files }: Pick<HostReading, "devices" | "files">, bdf: Bdf): string[] {
  if (devices.state !== "read") return [];
  const { segment, bus } = addressOf(bdf);
  const port = createPciTopology(devices.value).bridgeAbove(segment, bus);
  return [devices.value.get(bdf), port].flatMap((device) => {
    if (device?.mostLink === undefined || files.isAsleep(device.bdf)) return [];
    const place = `/sys/bus/pci/devices/${device.bdf}`;
    const [width, speed] = ["width", "speed"].map((what) => files.value(`${place}/current_link_${what}`));
    if (width?.state !== "read" || speed?.state !== "read") return [];
    // 63 lanes: the registers read as all ones, so nothing answers; 0: the link is down.
    const now =
      width.value === "63" || /unknown/i.test(speed.value)
        ? "does not answer"
        : width.value === "0"
          ? "is down"
          : `runs with x${width.value}, ${speed.value}`;
    return [`${place}: the link ${now} (at most ${device.mostLink})`];
  });
}
