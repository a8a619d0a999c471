import type { Plugin } from "../host/software.ts";
import { bindingInLog, vfsIn } from "../host/unraid-boot-binding.ts";
import { parseDomainXml } from "../libvirt/domain-xml.ts";
import type { IommuGroup } from "../model/host-state.ts";
import type { Bdf } from "../model/identifiers.ts";
import { absent, mapReading, read } from "../model/reading.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { decodeText } from "./decode-text.ts";
import { type KnownHost, NOT_SHOWN } from "./known-host.ts";
import type { Notes } from "./limits.ts";
import { parseGroupLinks, parseLspci } from "./lspci.ts";
import type { FileBundle } from "./zip-bundle.ts";

/** A file of the archive as text, with plain line ends. */
export type ReadText = (path: string) => Promise<string | undefined>;

const VMS_LIMIT = 500;
const PLUGINS_LIMIT = 300;
/** Definitions of VMs have some kilobytes; what is beyond would be cut, and is then said to be no XML. */
const DEFINITION_LIMIT = 256 * 1024;

/** What the files of the archive that are no logs tell of the host. Adds to `notes` what cannot be understood. */
export async function readHostFiles(text: ReadText, bundle: FileBundle, notes: Notes): Promise<KnownHost> {
  const members = await readGroups(text, bundle);
  const devices = parseLspci((await text("system/lspci.txt")) ?? "", members ?? new Map());
  const commandLine = (await text("system/cmdline.txt"))?.trim() ?? "";
  const definitions = await readVms(bundle, notes);
  return {
    ...boardAndBios((await text("system/motherboard.txt")) ?? ""),
    ...(members !== undefined && { groups: read(groupsOf(members)) }),
    ...(devices.size > 0 && { devices: read(devices) }),
    ...(commandLine !== "" && { commandLine }),
    ...(await binding(text, bundle)),
    ...(await system(text, bundle)),
    ...(definitions !== undefined && { definitions: read(definitions) }),
  };
}

/** Which group each device is in. */
async function readGroups(text: ReadText, bundle: FileBundle): Promise<ReadonlyMap<Bdf, number> | undefined> {
  const links = await text("system/iommu_groups.txt");
  if (links === undefined) return undefined;
  const groups = parseGroupLinks(links);
  // Empty says that the IOMMU is off, but only if nothing of the file is missing.
  return groups.size > 0 || (links.trim() === "" && bundle.whole) ? groups : undefined;
}

/** The members are known; type and reserved regions are not. */
function groupsOf(groupOf: ReadonlyMap<Bdf, number>): ReadonlyMap<number, IommuGroup> {
  const groups = Map.groupBy(groupOf.keys(), (member) => groupOf.get(member) ?? 0);
  const reservedRegions = NOT_SHOWN;
  return new Map([...groups].map(([id, members]) => [id, { id, members: members.sort(), reservedRegions }]));
}

/** `Manufacturer - Product`, then what dmidecode says of the BIOS. */
function boardAndBios(text: string): KnownHost {
  const field = (name: string) => new RegExp(`^\\s*${name}: (.{1,128})$`, "m").exec(text)?.[1]?.trim() ?? "";
  const version = field("Version");
  const [first = ""] = text.split("\n", 1);
  const dash = first.includes(":") ? -1 : first.indexOf(" - ");
  if (version === "" && dash < 0) return {};
  return {
    dmi: {
      ...(version !== "" && {
        "bios.version": version,
        "bios.date": field("Release Date"),
        "bios.vendor": field("Vendor"),
        "bios.release": field("BIOS Revision"),
      }),
      ...(dash >= 0 && {
        "board.vendor": first.slice(0, dash).trim(),
        "board.name": first.slice(dash + 3).trim(),
      }),
    },
  };
}

/** What Unraid binds and makes at boot: its files on the flash stick, and what its scripts said of them in this boot. */
async function binding(text: ReadText, bundle: FileBundle): Promise<KnownHost> {
  const config = await text("config/vfio-pci.cfg");
  // Without damage, a copy of the flash's configuration that lacks it says that there is none.
  const hasConfig = bundle.paths.includes("config/domain.cfg") || bundle.paths.includes("config/ident.cfg");
  const isMissing = bundle.whole && hasConfig && !bundle.paths.includes("config/vfio-pci.cfg");
  const log = await text("logs/vfio-pci.txt");
  // A file that no archive has switches both off.
  const isOff = (await text("logs/sriov.txt"))?.includes("SRIOV Processing disabled") === true;
  const sriov = async (name: string) => {
    const own = await text(`config/${name}`);
    return own === undefined ? undefined : read(isOff ? "" : own);
  };
  const [vfs, vfSettings] = [await sriov("sriov.cfg"), await sriov("sriovvfs.cfg")];
  return {
    ...(config !== undefined ? { vfioConfig: read(config) } : isMissing && { vfioConfig: absent }),
    ...(log !== undefined && isWholeLog(log) && { vfioAtBoot: read(bindingInLog(log)) }),
    ...(vfs !== undefined && { vfs: mapReading(vfs, vfsIn) }),
    ...(vfSettings !== undefined && { vfSettings }),
  };
}

/** The script repeats the file first of all; where there is none it says nothing. */
function isWholeLog(log: string): boolean {
  return log.trim() === "" || /^\s*BIND=/m.test(log);
}

async function system(text: ReadText, bundle: FileBundle): Promise<KnownHost> {
  const version = bundle.paths
    .map((path) => /^unraid-([^/]{1,40})\.txt$/.exec(path)?.[1])
    .find((name) => name);
  const plugins: Plugin[] = [];
  for (const line of ((await text("system/plugins.txt")) ?? "").split("\n").slice(0, PLUGINS_LIMIT)) {
    const [, name, number] = /^(\S{1,120})\.plg - (\S{1,64})/.exec(line) ?? [];
    if (name !== undefined) plugins.push({ name, version: read(number ?? "") });
  }
  return {
    ...(version !== undefined && { osName: read("Unraid"), osVersion: read(version) }),
    ...(plugins.length > 0 && { plugins: read(plugins) }),
  };
}

async function readVms(bundle: FileBundle, notes: Notes): Promise<readonly VmDefinition[] | undefined> {
  const definitions: VmDefinition[] = [];
  const files = bundle.paths.filter((path) => /^xml\/[^/]+\.xml$/.test(path)).slice(0, VMS_LIMIT);
  let isWhole = bundle.whole;
  for (const path of files) {
    const xml = await bundle.read(path, DEFINITION_LIMIT);
    const definition = xml === undefined ? undefined : parseDomainXml(decodeText(xml));
    if (definition?.state === "read") definitions.push(definition.value);
    else {
      isWhole = false;
      notes.add(`${path}: ${definition?.state === "unreadable" ? definition.why : "cannot be read"}.`);
    }
  }
  // Without any the VM service may just have been stopped; with one missing the list would look shorter than it was.
  return definitions.length > 0 && isWhole ? definitions : undefined;
}
