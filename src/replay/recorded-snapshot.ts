import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Bdf, parseBdf } from "../model/identifiers.ts";

/**
 * What a recording tells of the host at one moment, in the shapes of the host's own files. Undefined: the recording
 * does not hold it.
 */
export interface RecordedSnapshot {
  readonly devices: readonly RecordedDevice[] | undefined;
  readonly groups: readonly RecordedGroup[] | undefined;
  /** Names in `/sys/class/iommu`. */
  readonly units: readonly string[] | undefined;
  /** Files of `/sys/class/dmi/id`. */
  readonly dmi: ReadonlyMap<string, string> | undefined;
  /** The whole SMBIOS table, `/sys/firmware/dmi/tables/DMI`. */
  readonly smbios: Uint8Array | undefined;
  /** `/proc/iomem`. */
  readonly ioMemory: string | undefined;
  readonly commandLine: string | undefined;
  /** `/proc/version`. */
  readonly version: string | undefined;
  /** ACPI tables by name; empty: the machine has neither IVRS nor DMAR. */
  readonly tables: ReadonlyMap<string, Uint8Array> | undefined;
  /** Names below `/dev/vfio`; `"absent"` where there is no such directory. */
  readonly vfioNodes: readonly string[] | "absent" | undefined;
  /** Names in `/sys/module`, and parameters as `module.parameter`. */
  readonly modules: readonly string[] | undefined;
  readonly parameters: ReadonlyMap<string, string>;
  /** Texts of the boot's kernel records. */
  readonly kernelLines: readonly string[] | undefined;
}

/** A PCI function: sysfs files (and where the link `iommu_group` points) by name. */
export interface RecordedDevice {
  readonly bdf: Bdf;
  readonly attributes: ReadonlyMap<string, string>;
}

export interface RecordedGroup {
  readonly id: number;
  readonly type: string;
  readonly members: readonly Bdf[];
  /** Text of the file of this name. */
  readonly reservedRegions: string;
}

/**
 * Reads the text snapshot in `directory` (`snap-before`, `snap-failed`, … of a recording). What holds for the whole
 * boot is recorded once, in `snap-before` beside it, and taken from there; kernel records are in `kmsg.txt` above.
 */
export function readRecordedSnapshot(directory: string): RecordedSnapshot {
  const recording = dirname(directory);
  const boot = join(recording, "snap-before");
  const here = (name: string) => textOf(join(directory, name));
  const ofBoot = (name: string) => here(name) ?? textOf(join(boot, name));
  const kmsg = textOf(join(recording, "kmsg.txt"));
  const kernelLines = kmsg === undefined ? undefined : parseKernelLines(kmsg);
  const groups = here("iommu-groups.txt");
  const devices = here("pci-devices.txt");
  const nodes = here("dev-vfio.txt");
  const modules = here("vfio-modules.txt");
  const dmi = ofBoot("dmi-id.txt");
  return {
    devices: devices === undefined ? undefined : parseRecordedDevices(devices, kernelLines ?? []),
    ...(groups === undefined ? { groups: undefined, units: undefined } : parseRecordedGroups(groups)),
    dmi: dmi === undefined ? undefined : parseAssignments(dmi),
    smbios: bytesOf(join(boot, "smbios")),
    ioMemory: here("iomem.txt"),
    commandLine: ofBoot("cmdline.txt"),
    version: ofBoot("version.txt"),
    tables: readTables(boot),
    vfioNodes: nodes === undefined ? undefined : parseListing(nodes),
    ...parseModules(modules),
    kernelLines,
  };
}

function textOf(path: string): string | undefined {
  return bytesOf(path)?.toString("utf8");
}

function bytesOf(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    // Not part of this recording; the caller says so where it matters.
    return undefined;
  }
}

function readTables(boot: string): ReadonlyMap<string, Uint8Array> | undefined {
  if (textOf(join(boot, "cmdline.txt")) === undefined) return undefined;
  const directory = join(boot, "acpi");
  let names: readonly string[];
  try {
    names = readdirSync(directory);
  } catch {
    // Recorded machines without an IOMMU have neither table, and so no directory.
    return new Map();
  }
  return new Map(names.map((name) => [name, readFileSync(join(directory, name))]));
}

/** Kernel records in the form of /dev/kmsg: `level,sequence,time,flags;text`, then indented dictionaries. */
function parseKernelLines(text: string): readonly string[] {
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    const [, prefix, said] = /^(\d+),[^;]*;(.*)$/.exec(line) ?? [];
    // Facility 0 is the kernel itself.
    if (said !== undefined && Number(prefix) < 8) lines.push(said);
  }
  return lines;
}

function parseAssignments(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const equals = line.indexOf("=");
    if (equals > 0) values.set(line.slice(0, equals), line.slice(equals + 1));
  }
  return values;
}

function parseListing(text: string): readonly string[] | "absent" {
  if (/No such file or directory/.test(text)) return "absent";
  const names: string[] = [];
  for (const line of text.split("\n")) {
    const name = /^[a-z-]{10}\S*\s.*\s(\S+)$/.exec(line)?.[1];
    if (name !== undefined && name !== "." && name !== "..") names.push(name);
  }
  return names;
}

function parseModules(text: string | undefined): Pick<RecordedSnapshot, "modules" | "parameters"> {
  const parameters = new Map<string, string>();
  if (text === undefined) return { modules: undefined, parameters };
  const lines = text.split("\n").filter((line) => line !== "");
  const modules = lines.filter((line) => !line.includes("="));
  const unsafe = parseAssignments(text).get("allow_unsafe_interrupts") ?? "";
  if (unsafe !== "") parameters.set("vfio_iommu_type1.allow_unsafe_interrupts", unsafe);
  return { modules, parameters };
}

function parseRecordedGroups(text: string): Pick<RecordedSnapshot, "groups" | "units"> {
  const groups: { id: number; type: string; members: Bdf[]; reservedRegions: string }[] = [];
  const units: string[] = [];
  for (const line of text.split("\n")) {
    const [, id, type] = /^group (\d+) type=(\S*)/.exec(line) ?? [];
    if (id !== undefined) groups.push({ id: Number(id), type: type ?? "", members: [], reservedRegions: "" });
    const unit = /^iommu: (\S+)/.exec(line)?.[1];
    if (unit !== undefined) units.push(unit);
    const group = groups.at(-1);
    if (group === undefined) continue;
    const members = /^ {2}devices: (.*)$/.exec(line)?.[1];
    for (const member of members?.split(" ") ?? []) {
      const bdf = parseBdf(member);
      if (bdf !== undefined) group.members.push(bdf);
    }
    const region = /^ {4}(0x.*)$/.exec(line)?.[1];
    if (region !== undefined) group.reservedRegions += `${region}\n`;
  }
  return { groups, units };
}

function parseRecordedDevices(text: string, kernelLines: readonly string[]): readonly RecordedDevice[] {
  const buses = bridgeBuses(kernelLines);
  const devices: { bdf: Bdf; attributes: Map<string, string>; resources: string[] }[] = [];
  let anyResource = false;
  for (const line of text.split("\n")) {
    const resource = /^ {4}resource (.*)$/.exec(line)?.[1];
    if (resource !== undefined) {
      anyResource = true;
      devices.at(-1)?.resources.push(resource);
      continue;
    }
    const bdf = parseBdf(line.split(" ", 1)[0] ?? "");
    if (bdf === undefined) continue;
    const values = parseAssignments(line.slice(line.indexOf(" ") + 1).replace(/ (?=[a-z_]+=)/g, "\n"));
    devices.push({ bdf, attributes: attributesOf(values, buses.get(bdf)), resources: [] });
  }
  return devices.map(({ bdf, attributes, resources }) => {
    if (anyResource) attributes.set("resource", placeResources(resources));
    return { bdf, attributes };
  });
}

function attributesOf(
  values: ReadonlyMap<string, string>,
  buses: readonly [number, number] | undefined,
): Map<string, string> {
  const bare = (name: string) => (values.get(name) ?? "").replace(/^0x/, "");
  const driver = bare("driver");
  const uevent = [
    ...(driver === "" ? [] : [`DRIVER=${driver}`]),
    `PCI_CLASS=${bare("class").replace(/^0+/, "").toUpperCase()}`,
    `PCI_ID=${bare("vendor")}:${bare("device")}`.toUpperCase(),
    `PCI_SUBSYS_ID=${bare("subsystem").replace(/0x/g, "")}`.toUpperCase(),
  ];
  const attributes = new Map([["uevent", `${uevent.join("\n")}\n`]]);
  for (const [name, file] of [
    ["override", "driver_override"],
    ["boot_vga", "boot_vga"],
    ["reset_method", "reset_method"],
  ] as const) {
    const value = values.get(name);
    // A file that is not there was recorded like an empty one; only this one is there for every device.
    if (value !== undefined && (value !== "" || name === "reset_method")) attributes.set(file, value);
  }
  const group = bare("group");
  if (group !== "") attributes.set("iommu_group", `../../../kernel/iommu_groups/${group}`);
  if (buses !== undefined) {
    attributes.set("secondary_bus_number", String(buses[0]));
    attributes.set("subordinate_bus_number", String(buses[1]));
  }
  return attributes;
}

/** Which buses lie behind a bridge; the kernel says it at boot, for the last time when all is set up. */
function bridgeBuses(kernelLines: readonly string[]): ReadonlyMap<Bdf, readonly [number, number]> {
  const buses = new Map<Bdf, readonly [number, number]>();
  for (const line of kernelLines) {
    const [, address, first, last] =
      /^pci (\S+): PCI bridge to \[bus ([0-9a-f]{2})(?:-([0-9a-f]{2}))?\]/.exec(line) ?? [];
    const bdf = parseBdf(address ?? "");
    if (bdf === undefined || first === undefined) continue;
    buses.set(bdf, [Number.parseInt(first, 16), Number.parseInt(last ?? first, 16)]);
  }
  return buses;
}

/**
 * Puts resource lines back to where they were in the file. Unused ones were not recorded, so a BAR may end up in the
 * place of the one before it, but stays a BAR; windows of bridges and legacy ROM areas go behind the BARs.
 */
function placeResources(lines: readonly string[]): string {
  const sizeAligned = 0x40000n;
  const readOnly = 0x4000n;
  const isBar = (line: string) => {
    const flags = BigInt(line.split(" ")[2] ?? "0");
    return (flags & sizeAligned) !== 0n && (flags & readOnly) === 0n;
  };
  const unused = "0x0000000000000000 0x0000000000000000 0x0000000000000000";
  const bars = lines.filter(isBar).slice(0, 6);
  const rest = lines.filter((line) => !isBar(line));
  return `${[...bars, ...Array.from({ length: 6 - bars.length }, () => unused), ...rest].join("\n")}\n`;
}
