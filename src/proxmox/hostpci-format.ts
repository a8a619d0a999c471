import { CONFIGURATION_ID } from "./pci-mappings.ts";
import { BOOLEAN, type PropertyFormat, readPropertyString, type Settings } from "./property-string.ts";

const ADDRESS = "(?:[a-f0-9]{4,}:)?[a-f0-9]{2}:[a-f0-9]{2}(?:\\.[a-f0-9])?";
const IDENTIFIER = /^0x[0-9a-f]{4}$/i;

/** `$hostpci_fmt` of `PVE::QemuServer::PCI`. */
const HOSTPCI: PropertyFormat = {
  defaultKey: "host",
  values: {
    host: new RegExp(`^${ADDRESS}(?:;${ADDRESS})*$`),
    mapping: CONFIGURATION_ID,
    rombar: BOOLEAN,
    pcie: BOOLEAN,
    "x-vga": BOOLEAN,
    "legacy-igd": BOOLEAN,
    romfile: /^[^,;]+$/,
    mdev: /^[^/.:]+$/,
    driver: /^(?:vfio|keep)$/,
    "vendor-id": IDENTIFIER,
    "device-id": IDENTIFIER,
    "sub-vendor-id": IDENTIFIER,
    "sub-device-id": IDENTIFIER,
  },
};

/** The settings of a `hostpciN`; undefined where Proxmox cannot read them, and starts the VM without the device. */
export function parseHostpci(value: string): Settings | undefined {
  return readPropertyString(value, HOSTPCI);
}
