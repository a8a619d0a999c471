import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createHostPaths, type HostPaths } from "../host-paths.ts";
import type { RecordedSnapshot } from "./recorded-snapshot.ts";

/** What a tree is built from; parts that are left out are not in the tree. */
export type HostTree = Partial<RecordedSnapshot> & {
  /** Other files by their absolute path on the host. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
};

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
  if (tree.smbios !== undefined) file("/sys/firmware/dmi/tables/DMI", tree.smbios);
  if (tree.ioMemory !== undefined) file("/proc/iomem", tree.ioMemory);
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
  if (tree.vfioNodes === "absent") folder("/dev");
  else if (tree.vfioNodes !== undefined) {
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
