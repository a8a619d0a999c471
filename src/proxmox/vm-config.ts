import { vmName } from "../model/identifiers.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { readHostpci } from "./hostpci.ts";
import { parseHostpci } from "./hostpci-format.ts";
import type { NodeDevices } from "./node-devices.ts";
import { isYes, parsePropertyString, type Settings } from "./property-string.ts";

const MAX_NAME = 128;
const DEFAULT_MEMORY_MIB = 512;

/** What a VM's configuration says: of the VM that runs, and of its next start. */
export interface VmConfig {
  readonly inForce: Settings;
  /** With the changes that wait for the end of the running VM, as after `qm set --hostpci0 …`. */
  readonly next: Settings;
}

/** Reads a configuration. Before the first section are the settings in force; the others are snapshots. */
export function parseVmConfig(text: string): VmConfig {
  const inForce = new Map<string, string>();
  const pending = new Map<string, string>();
  let section: Map<string, string> | undefined = inForce;
  for (const line of text.split("\n")) {
    const header = /^\[([^\]]*)\]\s*$/.exec(line)?.[1];
    if (header !== undefined) section = header === "PENDING" ? pending : undefined;
    const [, key, value] = /^([a-z][a-z_-]*\d*):\s*(.+?)\s*$/.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    // What Proxmox cannot read does not take the place of what stands before it; a `hostpci` of blanks it refuses.
    const isRead = key.startsWith("hostpci") ? parseHostpci(value) !== undefined : value.trim() !== "";
    if (isRead) section?.set(key, value);
  }
  const next = new Map(inForce);
  // A `!` before a key forces the removal.
  for (const key of (pending.get("delete") ?? "").split(",")) next.delete(key.trim().replace(/^!/, ""));
  pending.delete("delete");
  for (const [key, value] of pending) next.set(key, value);
  return { inForce, next };
}

/**
 * A VM as the rest of the program knows one. Its name is what Proxmox's own tree shows, `101 (win11)`: people say the
 * number, and two VMs may have the same name.
 */
export function definitionOf(vmid: string, settings: Settings, devices: NodeDevices): VmDefinition {
  const name = settings.get("name")?.slice(0, MAX_NAME);
  const hostpci = readHostpci(vmid, settings, devices);
  const memory = parsePropertyString(settings.get("memory") ?? "", "current").get("current");
  return {
    name: vmName(name === undefined ? vmid : `${vmid} (${name})`),
    uuid: identityOf(vmid, settings),
    machine: parsePropertyString(settings.get("machine") ?? "pc", "type").get("type") ?? "pc",
    firmware: settings.get("bios") === "ovmf" ? "uefi" : "bios",
    memoryKiB: (/^\d{1,9}$/.test(memory ?? "") ? Number(memory) : DEFAULT_MEMORY_MIB) * 1024,
    hugepages: settings.has("hugepages"),
    autostart: isYes(settings.get("onboot")),
    manager: "proxmox",
    hostDevices: hostpci.devices,
    ...(hostpci.refusal !== undefined && { refusal: hostpci.refusal }),
  };
}

/**
 * A number is given to another VM once the first is gone, and a restored backup or a copied configuration has the UUID of
 * the first under another number: so both. `vmgenid` comes last, because a rollback to a snapshot changes it.
 */
function identityOf(vmid: string, settings: Settings): string {
  const of = (key: string, name: string) => parsePropertyString(settings.get(key) ?? "", "").get(name);
  const own = of("smbios1", "uuid") ?? of("meta", "ctime") ?? settings.get("vmgenid");
  return own === undefined ? vmid : `${vmid}/${own.toLowerCase()}`;
}
