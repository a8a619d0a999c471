import type { CauseClass } from "../../model/catalogue.ts";
import { isAboutHostDevice, isDeviceClass } from "../rank.ts";
import type { ExplainedCause } from "./explanation.ts";
import type { SpokenLine } from "./spoken.ts";

/** Words that occur only where devices are given away. */
const PASSTHROUGH =
  /vfio|fio-pci|hostdev|hostpci|pass-?\s?through|passed through|(?<!adding to )iommu[_ ]group|\bVMs?\b|virtual machine|PCI device '?[0-9a-f]{2,4}[:.]|host=[0-9a-f]|\/sys\/bus\/pci\/devices|\bEAL: /i;
const XEN = /\bxen\b|\bdom0\b|libxl|libxenlight|stubdom|pciback/i;

/** Whether a passed-through device, VFIO or the IOMMU under it is what a text's first cause is about. */
export function isDeviceRelated(first: ExplainedCause, lines: readonly SpokenLine[], text: string): boolean {
  const talksOfVfio = /vfio/i.test(text);
  if (XEN.test(text) && !talksOfVfio) return false;
  // A VM that has such a device and dies of itself, or hangs, mostly does so over it.
  if (first.class === "vm-killed" || first.class === "vm-hung") return talksOfVfio;
  if (first.class === "unknown") return first.evidence.some((line) => /vfio/i.test(line)) || talksOfVfio;
  // QEMU repeats the option that it could not carry out, or names the device: then it was about that, whatever was
  // wrong with it.
  if (first.evidence.some((line) => /-device [^\n]*vfio-pci[^\n]*: |\bvfio [0-9a-f:.]{7,16}: /.test(line)))
    return true;
  if (!isDeviceClass(first.class)) return false;
  const supporting = lines
    .flatMap((line) => line.matches)
    .filter((match) => match.signature.id === first.signature);
  if (supporting.length > 0 && supporting.every(isAboutHostDevice)) return false;
  // The kernel speaks of any device; QEMU and libvirt only of those that they hand on.
  const byVirtualisation = supporting.some((match) => match.signature.layer !== "kernel");
  return (
    PASSTHROUGH.test(text) ||
    (byVirtualisation && !WITHOUT_DEVICE.has(first.class)) ||
    UNMISTAKABLE.has(first.class)
  );
}

/** Happens to VMs with passed-through devices and to others. */
const WITHOUT_DEVICE: ReadonlySet<CauseClass> = new Set([
  "guest-address-space",
  "access-denied",
  "memlock-limit",
]);
/** Only giving devices away makes the kernel say these, wherever the line was found. */
const UNMISTAKABLE: ReadonlySet<CauseClass> = new Set(["iommu-direct-mapping-required", "memlock-limit"]);
