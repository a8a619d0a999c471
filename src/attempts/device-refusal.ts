import type { SignatureMatch } from "../model/catalogue.ts";
import { type Bdf, parseBdf } from "../model/identifiers.ts";

/** Whether the kernel refuses a device that somebody claims. */
export function isDeviceRefusal(matches: readonly SignatureMatch[]): boolean {
  return matches.some(
    ({ signature }) =>
      signature.role === "cause" &&
      signature.class === "iommu-direct-mapping-required" &&
      signature.severity === "fatal",
  );
}

/** The device that a text names; syslog has no dictionary that would. */
export function deviceNamedIn(matches: readonly SignatureMatch[]): Bdf | undefined {
  for (const match of matches) {
    const device = parseBdf(match.captures.bdf ?? "");
    if (device !== undefined) return device;
  }
  return undefined;
}
