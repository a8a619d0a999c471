import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createHostPaths, type HostPaths } from "../../src/host-paths.ts";
import type { Bdf } from "../../src/model/identifiers.ts";
import { parseBdf } from "../../src/model/identifiers.ts";
import {
  type RecordedDevice,
  type RecordedSnapshot,
  readRecordedSnapshot,
} from "../../src/replay/recorded-snapshot.ts";

/** What a tree is built from; parts that are left out are not in the tree. */
export type HostTree = Partial<RecordedSnapshot> & {
  /** Other files by their absolute path on the host. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
};

/** Directory of a recording's snapshot, e.g. `recordingPath("ivmd-amd", "snap-before")`. */
export function recordingPath(...parts: readonly string[]): string {
  return join(dirname(fileURLToPath(import.meta.url)), "..", "fixtures", "recordings", ...parts);
}

/** Builds a directory tree that looks like the host of `tree`, and gives the paths below it. */
export function buildHostTree(directory: string, tree: HostTree): HostPaths {
  const paths = createHostPaths(directory);
  const folder = (path: string) => mkdirSync(paths.at(path), { recursive: true });
  const file = (path: string, content: string | Uint8Array) => {
    folder(dirname(path));
    writeFileSync(paths.at(path), content);
  };
  if (tree.devices !== undefined) {
    folder("/sys/bus/pci/devices");
    for (const { bdf, attributes } of tree.devices) {
      const place = `/sys/bus/pci/devices/${bdf}`;
      folder(place);
      for (const [name, value] of attributes) {
        if (name === "iommu_group") symlinkSync(value, paths.at(`${place}/${name}`));
        else writeFileSync(paths.at(`${place}/${name}`), value);
      }
    }
  }
  if (tree.groups !== undefined) {
    folder("/sys/kernel/iommu_groups");
    for (const { id, type, members, reservedRegions } of tree.groups) {
      const place = `/sys/kernel/iommu_groups/${id}`;
      folder(`${place}/devices`);
      for (const member of members) folder(`${place}/devices/${member}`);
      file(`${place}/type`, `${type}\n`);
      file(`${place}/reserved_regions`, reservedRegions);
    }
  }
  if (tree.units !== undefined) {
    folder("/sys/class/iommu");
    for (const unit of tree.units) folder(`/sys/class/iommu/${unit}`);
  }
  for (const [name, value] of tree.dmi ?? []) file(`/sys/class/dmi/id/${name}`, `${value}\n`);
  if (tree.commandLine !== undefined) file("/proc/cmdline", tree.commandLine);
  if (tree.version !== undefined) {
    const [, release = "", build = ""] = /^Linux version (\S+).*? (#\d+ .*)$/m.exec(tree.version) ?? [];
    file("/proc/version", tree.version);
    file("/proc/sys/kernel/osrelease", `${release}\n`);
    file("/proc/sys/kernel/version", `${build}\n`);
  }
  if (tree.tables !== undefined) {
    folder("/sys/firmware/acpi/tables");
    for (const [name, bytes] of tree.tables) file(`/sys/firmware/acpi/tables/${name}`, bytes);
  }
  if (tree.vfioNodes !== undefined && tree.vfioNodes !== "absent") {
    folder("/dev/vfio");
    for (const node of tree.vfioNodes) file(`/dev/vfio/${node}`, "");
  }
  if (tree.modules !== undefined) {
    folder("/sys/module");
    for (const module of tree.modules) folder(`/sys/module/${module}`);
  }
  for (const [name, value] of tree.parameters ?? []) {
    const [module = "", parameter = ""] = name.split(".");
    file(`/sys/module/${module}/parameters/${parameter}`, `${value}\n`);
  }
  for (const [path, content] of Object.entries(tree.files ?? {})) file(path, content);
  return paths;
}

/** The tree of a recording's snapshot. */
export function buildRecordedTree(directory: string, ...recording: readonly string[]): HostPaths {
  return buildHostTree(directory, readRecordedSnapshot(recordingPath(...recording)));
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
