import type { HostPaths } from "../host-paths.ts";
import { mapReading, type Reading, read } from "../model/reading.ts";
import { readText } from "./read-file.ts";

/** What Unraid's script says at each boot: the file that it works through, word for word. Empty where there was none. */
const LOG = "/var/log/vfio-pci";
/** A copy of the file as it was at boot, made since 7.3. It stays from an earlier boot where there was none to copy. */
const COPY = "/boot/config/vfio-pci.boot";
/** VFs that Unraid makes at boot, since 7.3. */
export const SRIOV_CONFIG = "/boot/config/sriov.cfg";
/** What becomes of each of them: bound to vfio-pci or not, its address on the network. */
export const VF_CONFIG = "/boot/config/sriovvfs.cfg";
/** Where it is there, none are made. */
const SRIOV_DISABLED = "/boot/config/sriov_disabled";
const ENTRY = /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\|[0-9a-f]{4}:[0-9a-f]{4}\|\d{1,4}$/i;
const ENTRIES_LIMIT = 256;

/**
 * Whether Unraid has kept libvirt from starting VMs by itself since it was started last: it writes this into libvirt's own
 * mark of having done so (`libvirt_init`).
 */
export function readAutostartBarred(paths: HostPaths): Reading<boolean> {
  return mapReading(readText(paths.at("/run/libvirt/qemu/autostarted")), (text) =>
    /vfio-pci bind/i.test(text),
  );
}

/** Text of `vfio-pci.cfg` as this boot found it; empty: it found none. Absent on what is no Unraid. */
export function readBindingAtBoot(paths: HostPaths): Reading<string> {
  const log = readText(paths.at(LOG));
  if (log.state !== "absent") return mapReading(log, bindingInLog);
  return readText(paths.at(COPY));
}

/** The file that the log repeats ends without a line's end where the webGUI wrote it, so `---` can stand right behind. */
export function bindingInLog(text: string): string {
  const line = text.match(/^\s*BIND=.*$/gm)?.at(-1) ?? "";
  return line.replace(/---$/, "");
}

/** Entries of `sriov.cfg`, e.g. `0000:04:00.1|8086:1521|3` for three VFs of that device. */
export function readVfsAtBoot(paths: HostPaths): Reading<readonly string[]> {
  return mapReading(readUnlessDisabled(paths, SRIOV_CONFIG), vfsIn);
}

/** Text of `sriovvfs.cfg`; empty where no VFs are made. */
export function readVfSettings(paths: HostPaths): Reading<string> {
  return readUnlessDisabled(paths, VF_CONFIG);
}

function readUnlessDisabled(paths: HostPaths, path: string): Reading<string> {
  const config = readText(paths.at(path));
  if (config.state !== "read") return config;
  const disabled = readText(paths.at(SRIOV_DISABLED));
  if (disabled.state === "unreadable") return disabled;
  return disabled.state === "absent" ? config : read("");
}

/** Entries of the text of `sriov.cfg`. */
export function vfsIn(text: string): readonly string[] {
  const [, entries = ""] = /^VFS=(.*)$/m.exec(text) ?? [];
  return entries
    .replace(/["']/g, "")
    .split(/\s+/)
    .filter((entry) => ENTRY.test(entry))
    .slice(0, ENTRIES_LIMIT);
}
