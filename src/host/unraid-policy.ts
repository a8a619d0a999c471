import type { HostPaths } from "../host-paths.ts";
import type { PciDevice } from "../model/host-state.ts";
import { type Bdf, parseBdf } from "../model/identifiers.ts";
import { type Reading, read, unreadable } from "../model/reading.ts";
import { readText } from "./read-file.ts";

/** A device that is not what Unraid wrote down at the last clean shutdown. */
export interface PciListChange {
  readonly bdf: Bdf;
  readonly kind: "added" | "removed" | "changed";
  /** What was written down, e.g. `10de:2805`; undefined for one that was added. */
  readonly was: string | undefined;
  readonly is: string | undefined;
}

/** What makes Unraid refuse a VM before QEMU sees it (design, law 10). */
export interface UnraidPolicy {
  /** `DISABLE="yes"` in domain.cfg: no VM may start. */
  readonly startsDisabled: Reading<boolean>;
  /** Empty where nothing changed; absent where Unraid keeps no list (before 7.2). */
  readonly pciChanges: Reading<readonly PciListChange[]>;
}

export const DOMAIN_CONFIG = "/boot/config/domain.cfg";
const PCI_LIST = "/boot/config/savedpcidata.json";

/** Reads both refusals from the flash; `devices` are the host's now. */
export function readUnraidPolicy(
  paths: HostPaths,
  devices: Reading<ReadonlyMap<Bdf, PciDevice>>,
): UnraidPolicy {
  const config = readText(paths.at(DOMAIN_CONFIG), 64 * 1024);
  const list = readText(paths.at(PCI_LIST), 4 * 1024 * 1024);
  return {
    startsDisabled: config.state === "read" ? read(areStartsDisabled(config.value)) : config,
    pciChanges: list.state === "read" ? comparePciList(list.value, devices) : list,
  };
}

/** QEMU's wrapper sources the file, so the last assignment counts, and only the word `yes` as it is. */
function areStartsDisabled(config: string): boolean {
  const [, value] = [...config.matchAll(/^[ \t]*DISABLE=(.*)$/gm)].at(-1) ?? [];
  return /^(?:yes|"yes"|'yes')\s*(?:\s#.*)?$/.test(value ?? "");
}

/** Compares as Unraid does: vendor, device and class at each address. An empty list is none. */
function comparePciList(
  text: string,
  devices: Reading<ReadonlyMap<Bdf, PciDevice>>,
): Reading<readonly PciListChange[]> {
  if (devices.state !== "read") return devices;
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return unreadable(`${PCI_LIST} is no JSON`);
  }
  if (typeof list !== "object" || list === null || Array.isArray(list))
    return unreadable(`${PCI_LIST} holds no list of devices`);
  if (Object.keys(list).length === 0) return read([]);
  const changes: PciListChange[] = [];
  const listed = new Set<Bdf>();
  for (const [address, entry] of Object.entries(list)) {
    const bdf = parseBdf(address);
    if (bdf === undefined || typeof entry !== "object" || entry === null) continue;
    listed.add(bdf);
    const was = savedIdentity(entry as Readonly<Record<string, unknown>>);
    const device = devices.value.get(bdf);
    const is = device === undefined ? undefined : identityOf(device);
    if (was === undefined || sameDevice(was, is)) continue;
    changes.push({ bdf, kind: is === undefined ? "removed" : "changed", was: was.ids, is: is?.ids });
  }
  for (const device of devices.value.values()) {
    if (!listed.has(device.bdf))
      changes.push({ bdf: device.bdf, kind: "added", was: undefined, is: identityOf(device).ids });
  }
  return read(changes);
}

interface ListedIdentity {
  readonly ids: string;
  /** First four digits of the class, as lspci prints it. */
  readonly classCode: string;
}

function savedIdentity(entry: Readonly<Record<string, unknown>>): ListedIdentity | undefined {
  const digits = (name: string) => {
    const value = entry[name];
    const found = typeof value === "string" ? /^(?:0x)?([0-9a-f]{4,6})$/i.exec(value.trim())?.[1] : undefined;
    return found?.toLowerCase();
  };
  const [vendor, device, kind] = [digits("vendor_id"), digits("device_id"), digits("class")];
  if (vendor === undefined || device === undefined) return undefined;
  return { ids: `${vendor}:${device}`, classCode: (kind ?? "").slice(0, 4) };
}

function identityOf(device: PciDevice): ListedIdentity {
  return { ids: `${device.vendorId}:${device.deviceId}`, classCode: device.classCode.slice(0, 4) };
}

function sameDevice(was: ListedIdentity, is: ListedIdentity | undefined): boolean {
  return is !== undefined && was.ids === is.ids && (was.classCode === "" || was.classCode === is.classCode);
}
