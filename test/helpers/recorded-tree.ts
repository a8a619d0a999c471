import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readHostState } from "../../src/host/host-state.ts";
import type { HostPaths } from "../../src/host-paths.ts";
import type { HostState } from "../../src/model/host-state.ts";
import type { Bdf } from "../../src/model/identifiers.ts";
import { parseBdf } from "../../src/model/identifiers.ts";
import { type RecordedDevice, readRecordedSnapshot } from "../../src/replay/recorded-snapshot.ts";
import { buildHostTree } from "../../src/replay/recorded-tree.ts";
import { readRecordedVms } from "../../src/replay/recorded-vms.ts";

/** Directory of a recording's snapshot, e.g. `recordingPath("ivmd-amd", "snap-before")`. */
export function recordingPath(...parts: readonly string[]): string {
  return join(dirname(fileURLToPath(import.meta.url)), "..", "fixtures", "recordings", ...parts);
}

/** The tree of a recording's snapshot. */
export function buildRecordedTree(directory: string, ...recording: readonly string[]): HostPaths {
  return buildHostTree(directory, readRecordedSnapshot(recordingPath(...recording)));
}

/** What diagnosis knows of the host of a recording's snapshot; `vms` names the directory of the VMs' definitions. */
export function recordedHost(snapshot: string, vms?: string): HostState {
  const key = JSON.stringify([snapshot, vms]);
  const known = hosts.get(key);
  if (known !== undefined) return known;
  const host = readRecordedHost(snapshot, vms);
  // Hundreds of runs of a property see the same recording, which stays as it is.
  if (snapshot.startsWith(recordingPath())) hosts.set(key, host);
  return host;
}

const hosts = new Map<string, HostState>();

function readRecordedHost(snapshot: string, vms: string | undefined): HostState {
  const directory = temporaryDirectory();
  try {
    const recorded = readRecordedSnapshot(snapshot);
    return readHostState({
      paths: buildHostTree(directory.path, recorded),
      kernelLines: recorded.kernelLines ?? [],
      ...(vms !== undefined && { vms: readRecordedVms(vms) }),
    });
  } finally {
    directory.remove();
  }
}

/** A temporary directory, and what removes it. */
export function temporaryDirectory(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "vfio-watch-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Address from a literal; throws on a typing error in the test. */
export function bdf(text: string): Bdf {
  const address = parseBdf(text);
  if (address === undefined) throw new Error(`${text} is no PCI address`);
  return address;
}

/** What a synthetic PCI function is made of; sysfs attributes as the kernel would show them. */
export interface SyntheticDevice {
  readonly bdf: string;
  /** `vendor:device`. */
  readonly id: string;
  readonly subsystem?: string;
  readonly classCode: string;
  readonly driver?: string;
  readonly group?: number;
  /** First and last bus behind a bridge. */
  readonly buses?: readonly [number, number];
  readonly attributes?: Readonly<Record<string, string>>;
}

/** A PCI function for `buildHostTree`. */
export function syntheticDevice(device: SyntheticDevice): RecordedDevice {
  const uevent = [
    ...(device.driver === undefined ? [] : [`DRIVER=${device.driver}`]),
    `PCI_CLASS=${device.classCode.replace(/^0+/, "").toUpperCase()}`,
    `PCI_ID=${device.id.toUpperCase()}`,
    `PCI_SUBSYS_ID=${(device.subsystem ?? "0000:0000").toUpperCase()}`,
    `PCI_SLOT_NAME=${device.bdf}`,
  ];
  const attributes = new Map([
    ["uevent", `${uevent.join("\n")}\n`],
    ["driver_override", "(null)\n"],
    ["reset_method", ""],
  ]);
  if (device.group !== undefined) {
    attributes.set("iommu_group", `../../../kernel/iommu_groups/${device.group}`);
  }
  if (device.buses !== undefined) {
    attributes.set("secondary_bus_number", `${device.buses[0]}\n`);
    attributes.set("subordinate_bus_number", `${device.buses[1]}\n`);
  }
  for (const [name, value] of Object.entries(device.attributes ?? {})) attributes.set(name, value);
  return { bdf: bdf(device.bdf), attributes };
}
