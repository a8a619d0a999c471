import type { AlertMessage } from "../../src/alerts/message.ts";
import type { AlertContent } from "../../src/model/alert.ts";
import { parseBdf, vmName } from "../../src/model/identifiers.ts";

/** The name that the issue asks to be shown as it is, everywhere. */
export const HOSTILE = "**<img src=x onerror=alert(1)>** $(id)";

export function bdf(text: string) {
  const parsed = parseBdf(text);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
}

/** What people get after a BIOS update, about a VM of any name. */
export function failureOf(vm = "Windows 11"): AlertContent {
  return {
    kind: "start-failed",
    importance: "alert",
    vm: vmName(vm),
    devices: [{ bdf: bdf("01:00.0"), name: "NVIDIA AD106 [GeForce RTX 4060 Ti]" }, { bdf: bdf("01:00.1") }],
    causeClass: "iommu-direct-mapping-required",
    subject: `'${vm}' did not start`,
    cause:
      "The firmware demands a 1:1 mapping for the graphics card, so the kernel refuses to hand it to a VM.",
    changes: ["BIOS version: E7E49AMSI.1A63 → E7E49AMSI.1A95", "IVRS table: an entry of type 22h is new"],
    lastGood: "Last good start: 2026-11-20 18:02 UTC, on BIOS E7E49AMSI.1A63.",
    remedy: "Go back to BIOS E7E49AMSI.1A63.",
    command: "vfio-watch show 12",
  };
}

export function messageOf(content: AlertContent, deliveryId = 7): AlertMessage {
  return {
    incidentId: "0123abcdef",
    deliveryId,
    host: "tower",
    createdAt: Date.UTC(2026, 10, 23, 14),
    content,
  };
}

/** Lets everything happen that is only waiting for its turn, without waiting for time. */
export async function settle(until: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000 && !until(); turn++) await new Promise((resolve) => setImmediate(resolve));
}
