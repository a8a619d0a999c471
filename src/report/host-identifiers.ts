import { readNames, readText, readValue } from "../host/read-file.ts";
import type { HostPaths } from "../host-paths.ts";
import type { PrivateKind } from "./pattern-parts.ts";

/** Something that tells this host from all others. */
export interface HostIdentifier {
  readonly kind: PrivateKind;
  readonly value: string;
}

/** More than this is no machine's own. */
const MOST = 2_000;

/** What vendors leave in fields that they do not fill, and names that installers give. */
const MEANINGLESS =
  /^(?:to be filled.*|default(?: string)?|not (?:specified|applicable|available|present)|none|n\/a|unknown|invalid|oem|o\.e\.m\.|system .*|chassis .*|base board .*|board .*|asset.*|no asset.*|serial.*|empty|0x0+|(?<same>.)\k<same>*|0?123456789.*|[\d.:]{1,5}|qemu.*|uninitialized|unraid|efi|esp|boot|root|swap|home|data|system|control|loop\d+|efi[ -]system[ -]partition|microsoft .*|basic data partition|primary|linux .*|debian.*|ubuntu.*|03000200-0400-0500-0006-000700080009|[0f-]+)$/i;

/**
 * Looks up what identifies this host, as far as it can be read: serial numbers and UUID of the firmware's tables,
 * addresses of network cards, serial numbers and world-wide names of disks and USB devices, ids and names of file
 * systems and volumes, of wireless networks, and the machine's id. A text may repeat any of them in any place.
 */
export function findHostIdentifiers(paths: HostPaths): readonly HostIdentifier[] {
  const found: HostIdentifier[] = [];
  const add = (kind: PrivateKind, value: string | undefined) => {
    const text = value?.replace(/\0/g, "").trim() ?? "";
    if (text.length < 4 || text.length > 256 || MEANINGLESS.test(text)) return;
    // A word or a short number stands in many a line that is not about this disk.
    const isTelling = kind === "MAC" || kind === "WIFI" || (/\d/.test(text) && !/^\d{1,8}$/.test(text));
    if (isTelling || kind === "SHARE" || kind === "VOLUME") found.push({ kind, value: text });
  };
  const names = (path: string): readonly string[] => {
    const reading = readNames(paths.at(path));
    return reading.state === "read" ? reading.value.slice(0, MOST) : [];
  };
  const line = (path: string): string | undefined => {
    const reading = readValue(paths.at(path));
    return reading.state === "read" ? reading.value : undefined;
  };
  const each = (directory: string, kind: PrivateKind, ...files: readonly string[]) => {
    for (const name of names(directory)) {
      for (const file of files) add(kind, line(`${directory}/${name}/${file}`));
    }
  };

  for (const part of ["product", "board", "chassis"]) {
    add("SERIAL", line(`/sys/class/dmi/id/${part}_serial`));
    add("SERIAL", line(`/sys/class/dmi/id/${part}_asset_tag`));
  }
  add("UUID", line("/sys/class/dmi/id/product_uuid"));
  for (const file of ["/etc/machine-id", "/var/lib/dbus/machine-id"]) add("UUID", line(file));
  each("/sys/class/net", "MAC", "address", "bonding_slave/perm_hwaddr");
  each("/sys/class/bluetooth", "MAC", "address");
  each("/sys/class/infiniband", "MAC", "node_guid", "sys_image_guid");
  each("/sys/class/nvme", "DISK", "serial", "subsysnqn");
  each("/sys/class/block", "DISK", "device/serial", "device/wwid", "wwid", "serial");
  // Models of disks stand in front of their serial numbers there, filled up with blanks.
  for (const name of names("/sys/class/block")) {
    const id = line(`/sys/class/block/${name}/device/wwid`) ?? "";
    const last = id.split(/\s+/).at(-1) ?? "";
    if (/\s/.test(id) && /\d/.test(last)) add("DISK", last);
    const page = readText(paths.at(`/sys/class/block/${name}/device/vpd_pg80`), 4096);
    // Four bytes of the page's head (SPC, "Unit Serial Number").
    if (page.state === "read") add("DISK", page.value.slice(4));
    add("VOLUME", distinctive(line(`/sys/class/block/${name}/dm/name`)));
    add("VOLUME", line(`/sys/class/block/${name}/dm/uuid`));
  }
  for (const name of names("/sys/bus/usb/devices")) {
    const serial = line(`/sys/bus/usb/devices/${name}/serial`);
    // Controllers have their own PCI address for one.
    if (serial !== undefined && !/^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.\d$/i.test(serial))
      add("SERIAL", serial);
  }
  for (const by of ["uuid", "partuuid"]) {
    for (const name of names(`/dev/disk/by-${by}`)) add("VOLUME", name);
  }
  for (const by of ["label", "partlabel"]) {
    for (const name of names(`/dev/disk/by-${by}`)) add("VOLUME", distinctive(unescaped(name)));
  }
  for (const name of names("/etc/lvm/backup")) add("VOLUME", distinctive(name));
  for (const name of names("/mnt/user")) add("SHARE", distinctive(name));
  for (const [directory, ending] of [
    ["/etc/NetworkManager/system-connections", ".nmconnection"],
    ["/var/lib/iwd", ".psk"],
  ] as const) {
    for (const name of names(directory))
      if (name.endsWith(ending)) add("WIFI", name.slice(0, -ending.length));
  }
  // The longest first: one may be a part of another.
  const unique = new Map(found.map((one) => [`${one.kind} ${one.value.toLowerCase()}`, one]));
  return [...unique.values()].sort((a, b) => b.value.length - a.value.length).slice(0, MOST);
}

/** A name that is a plain word may stand in any sentence; within a path or after its key it is masked all the same. */
function distinctive(name: string | undefined): string | undefined {
  return name !== undefined && /\d|[a-z][A-Z]|[-_. ].*[-_. ]/.test(name) && name.length >= 6
    ? name
    : undefined;
}

/** udev writes what no file name may hold as `\x20`. */
function unescaped(name: string): string {
  return name.replace(/\\x([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}
