import { readLink, readNames, readValue } from "../host/read-file.ts";
import type { HostPaths } from "../host-paths.ts";
import { type Bdf, parseBdf } from "../model/identifiers.ts";
import { valueOr } from "../model/reading.ts";
import type { PciMappings } from "./pci-mappings.ts";

/** What a VM's configuration leaves to the node. */
export interface NodeDevices {
  /** All PCI functions that are there. */
  readonly present: readonly Bdf[];
  readonly mappings: PciMappings;
  /** Which VM holds a device, by `/run/qemu-server/pci-id-reservations`. */
  readonly reservedBy: ReadonlyMap<Bdf, string>;
  /** What is at an address, for what a mapping expects there; undefined where nothing is. */
  readonly identityOf: (bdf: Bdf) => PciIdentity | undefined;
  /**
   * Types of mediated devices that can be made of it now; undefined where it makes none. `nvidia`: by the driver that
   * Linux 6.8 and newer have, which tells its types to NVIDIA's own library alone.
   */
  readonly mediatedTypes: (bdf: Bdf) => ReadonlySet<string> | "nvidia" | undefined;
}

/** As Proxmox compares it with a mapping, which it does letter by letter. */
export interface PciIdentity {
  readonly id: string;
  readonly subsystemId: string | undefined;
  readonly iommuGroup: string | undefined;
  readonly isMediated: boolean;
}

const DEVICES = "/sys/bus/pci/devices";

/** The node's devices as its kernel shows them; what is asked of one is read then. */
export function readNodeDevices(
  paths: HostPaths,
): Pick<NodeDevices, "present" | "identityOf" | "mediatedTypes"> {
  const namesIn = (bdf: Bdf, place: string) => readNames(paths.at(`${DEVICES}/${bdf}/${place}`));
  const number = (bdf: Bdf, name: string) => {
    const text = valueOr(readValue(paths.at(`${DEVICES}/${bdf}/${name}`)), "");
    return /^0x([0-9a-f]{4})$/i.exec(text)?.[1];
  };
  const pair = (bdf: Bdf, first: string, second: string) => {
    const [a, b] = [number(bdf, first), number(bdf, second)];
    return a === undefined || b === undefined ? undefined : `${a}:${b}`;
  };
  return {
    present: valueOr(readNames(paths.at(DEVICES)), []).flatMap((address) => parseBdf(address) ?? []),
    identityOf(bdf) {
      const id = pair(bdf, "vendor", "device");
      if (id === undefined) return undefined;
      const group = valueOr(readLink(paths.at(`${DEVICES}/${bdf}/iommu_group`)), "");
      return {
        id,
        subsystemId: pair(bdf, "subsystem_vendor", "subsystem_device"),
        iommuGroup: /\/(\d{1,9})$/.exec(group)?.[1],
        // NVIDIA's driver of Linux 6.8 and newer has a directory of its own.
        isMediated: ["mdev_supported_types", "nvidia"].some((place) => namesIn(bdf, place).state === "read"),
      };
    },
    mediatedTypes(bdf) {
      const types = namesIn(bdf, "mdev_supported_types");
      if (types.state !== "read") return namesIn(bdf, "nvidia").state === "read" ? "nvidia" : undefined;
      const left = (type: string) =>
        valueOr(
          readValue(paths.at(`${DEVICES}/${bdf}/mdev_supported_types/${type}/available_instances`)),
          "",
        );
      return new Set(types.value.filter((type) => left(type) !== "0"));
    },
  };
}
