import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeDmar } from "../host/acpi-dmar.ts";
import { decodeIvrs } from "../host/acpi-ivrs.ts";
import { readFirmwareDemands } from "../host/firmware-demands.ts";
import { type FirmwareTables, foundTable } from "../host/firmware-tables.ts";
import { remappingInKernelLog } from "../host/interrupt-remapping.ts";
import { parseReservedRegions } from "../host/iommu-groups.ts";
import { formatKernelParameter, parseKernelParameters } from "../host/kernel-parameters.ts";
import { type PciFunction, type PciFunctions, pciFunctionOf, withNames } from "../host/pci-devices.ts";
import { parseDomainXml } from "../libvirt/domain-xml.ts";
import type { HostState, IommuGroup, VmStatus } from "../model/host-state.ts";
import { absent, mapReading, type Reading, read, unreadable } from "../model/reading.ts";
import type { VmState } from "../model/virtual-machine.ts";
import { type RecordedSnapshot, readRecordedSnapshot } from "./recorded-snapshot.ts";

const MISSING = unreadable("not part of the recording");

/**
 * The host as a recording's snapshot directory (`snap-before`, `snap-failed`, …) shows it. `vmXmlDirectory` holds
 * the VMs' definitions (`NAME.xml`), and their states at the end of the recording (`NAME.state.txt`).
 */
export function readRecordedHost(snapDirectory: string, vmXmlDirectory?: string): HostState {
  const snapshot = readRecordedSnapshot(snapDirectory);
  return hostStateOf(snapshot, vmXmlDirectory === undefined ? MISSING : readRecordedVms(vmXmlDirectory));
}

function hostStateOf(snapshot: RecordedSnapshot, vms: HostState["vms"]): HostState {
  const devices = devicesOf(snapshot);
  const remapped = remappingInKernelLog(snapshot.kernelLines ?? []);
  return {
    kernelRelease: recorded(/^Linux version (\S+)/.exec(snapshot.version ?? "")?.[1]),
    bios: biosOf(snapshot),
    devices,
    groups: mapReading(recorded(snapshot.groups), (groups) => {
      const byId = new Map<number, IommuGroup>();
      for (const { id, type, members, reservedRegions } of groups) {
        byId.set(id, {
          id,
          ...(type === "" ? {} : { type }),
          members: [...members].sort(),
          reservedRegions: parseReservedRegions(reservedRegions),
        });
      }
      return byId;
    }),
    firmwareDemands: readFirmwareDemands(tablesOf(snapshot), devices),
    vfioNodes:
      snapshot.vfioNodes === "absent"
        ? absent
        : mapReading(recorded(snapshot.vfioNodes), (names) => new Set(names)),
    modules: mapReading(recorded(snapshot.modules), (names) => new Set(names)),
    vms,
    interruptRemapping: recorded(remapped),
    kernelParameters: mapReading(recorded(snapshot.commandLine), (line) =>
      parseKernelParameters(line).map(formatKernelParameter),
    ),
  };
}

function recorded<T>(value: T | undefined): Reading<T> {
  return value === undefined ? MISSING : read(value);
}

function devicesOf(snapshot: RecordedSnapshot): Reading<PciFunctions> {
  const found: PciFunction[] = [];
  for (const { bdf, attributes } of snapshot.devices ?? []) {
    const device = pciFunctionOf(bdf, (name) => attributes.get(name));
    if (device.state === "read") found.push(device.value);
  }
  return snapshot.devices === undefined ? MISSING : read(withNames(found, undefined));
}

function biosOf({ dmi }: RecordedSnapshot): HostState["bios"] {
  if (dmi === undefined) return MISSING;
  const version = dmi.get("bios_version") ?? "";
  if (version === "") return absent;
  const date = dmi.get("bios_date") ?? "";
  const vendor = dmi.get("bios_vendor") ?? "";
  return read({ version, ...(date === "" ? {} : { date }), ...(vendor === "" ? {} : { vendor }) });
}

/** The firmware's tables of a recording, decoded. */
function tablesOf({ tables }: RecordedSnapshot): FirmwareTables {
  if (tables === undefined) return { ivrs: MISSING, dmar: MISSING, names: MISSING };
  const ivrs = tables.get("IVRS");
  const dmar = tables.get("DMAR");
  return {
    ivrs: ivrs === undefined ? absent : read(foundTable(ivrs, decodeIvrs)),
    dmar: dmar === undefined ? absent : read(foundTable(dmar, decodeDmar)),
    names: read([...tables.keys()]),
  };
}

function readRecordedVms(directory: string): Reading<readonly VmStatus[]> {
  let names: readonly string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith(".xml"));
  } catch {
    return MISSING;
  }
  const vms: VmStatus[] = [];
  for (const name of [...names].sort()) {
    const definition = parseDomainXml(readFileSync(join(directory, name), "utf8"));
    if (definition.state !== "read") return unreadable(`${name}: ${reasonOf(definition)}`);
    vms.push({ definition: definition.value, state: readRecordedState(directory, name.slice(0, -4)) });
  }
  return read(vms);
}

function reasonOf(reading: Exclude<Reading<unknown>, { readonly state: "read" }>): string {
  return reading.state === "unreadable" ? reading.why : "is empty";
}

/** virsh's words for libvirt's states where they differ. */
const STATES: Readonly<Record<string, VmState["state"]>> = {
  "no state": "nostate",
  running: "running",
  idle: "blocked",
  paused: "paused",
  "in shutdown": "shutdown",
  "shut off": "shutoff",
  crashed: "crashed",
  pmsuspended: "pmsuspended",
};

function readRecordedState(directory: string, vm: string): VmState {
  let text = "";
  try {
    text = readFileSync(join(directory, `${vm}.state.txt`), "utf8");
  } catch {
    // Recordings without it: what is left is that nobody knows the state.
  }
  const [, state, reason] = /^([a-z ]{1,20}?) \(([a-z -]{1,40})\)/.exec(text) ?? [];
  return { state: STATES[state ?? ""] ?? "nostate", reason: reason ?? "unknown" };
}
