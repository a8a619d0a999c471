import { parseDomainXml } from "../libvirt/domain-xml.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { KnownHost } from "./known-host.ts";
import { parseGroupLinks, parseLspci } from "./lspci.ts";
import type { FileBundle } from "./zip-bundle.ts";

/** A file of the archive as text, with plain line ends. */
export type ReadText = (path: string) => Promise<string | undefined>;

const VMS_LIMIT = 500;
const PLUGINS_LIMIT = 300;

/** What the files of the archive that are no logs tell of the host. Adds to `notes` what cannot be understood. */
export async function readHostFiles(text: ReadText, bundle: FileBundle, notes: string[]): Promise<KnownHost> {
  const groups = await readGroups(text, bundle);
  return {
    ...board((await text("system/motherboard.txt")) ?? ""),
    ...devicesAndGroups((await text("system/lspci.txt")) ?? "", groups),
    ...commandLine(await text("system/cmdline.txt")),
    ...binding(await text("config/vfio-pci.cfg"), bundle),
    ...(await system(text, bundle)),
    ...vms(await readVms(bundle, notes)),
  };
}

async function readGroups(text: ReadText, bundle: FileBundle): Promise<KnownHost["groups"]> {
  const links = await text("system/iommu_groups.txt");
  if (links === undefined) return undefined;
  const groups = parseGroupLinks(links);
  // Empty says that the IOMMU is off, but only if nothing of the file is missing.
  return groups.size > 0 || (links.trim() === "" && bundle.whole) ? groups : undefined;
}

function devicesAndGroups(lspci: string, groups: KnownHost["groups"]): KnownHost {
  const groupOf = new Map<Bdf, number>();
  for (const [id, members] of groups ?? []) for (const member of members) groupOf.set(member, id);
  const devices = parseLspci(lspci, groupOf);
  return {
    ...(groups === undefined ? {} : { groups }),
    ...(devices.size === 0 ? {} : { devices }),
  };
}

/** `Manufacturer - Product`, then what dmidecode says of the BIOS. */
function board(text: string): KnownHost {
  const field = (name: string) => new RegExp(`^\\s*${name}: (.{1,128})$`, "m").exec(text)?.[1]?.trim();
  const version = field("Version");
  const [date, vendor, release] = [field("Release Date"), field("Vendor"), field("BIOS Revision")];
  const [first = ""] = text.split("\n", 1);
  const dash = first.indexOf(" - ");
  const [maker, product] = [first.slice(0, Math.max(0, dash)).trim(), first.slice(dash + 3).trim()];
  return {
    ...(version === undefined
      ? {}
      : {
          bios: {
            version,
            ...(date === undefined ? {} : { date }),
            ...(vendor === undefined ? {} : { vendor }),
            ...(release === undefined ? {} : { release }),
          },
        }),
    ...(dash < 0 || first.includes(":") ? {} : { board: { vendor: maker, name: product } }),
  };
}

function commandLine(text: string | undefined): KnownHost {
  const line = text?.trim();
  return line === undefined || line === "" ? {} : { commandLine: line };
}

/** Without damage, a copy of the flash's configuration that lacks the file says that there is none. */
function binding(text: string | undefined, bundle: FileBundle): KnownHost {
  if (text !== undefined) return { vfioConfig: text };
  const hasConfig = bundle.paths.includes("config/domain.cfg") || bundle.paths.includes("config/ident.cfg");
  return bundle.whole && hasConfig && !bundle.paths.includes("config/vfio-pci.cfg")
    ? { vfioConfig: "absent" }
    : {};
}

async function system(text: ReadText, bundle: FileBundle): Promise<KnownHost> {
  const named = bundle.paths.map((path) => /^unraid-([^/]{1,40})\.txt$/.exec(path)?.[1]).find((name) => name);
  const list = await text("system/plugins.txt");
  const plugins = new Map<string, string>();
  for (const line of (list ?? "").split("\n").slice(0, PLUGINS_LIMIT)) {
    const plugin = /^(\S{1,120})\.plg - (\S{1,64})/.exec(line);
    if (plugin !== null) plugins.set(plugin[1] ?? "", plugin[2] ?? "");
  }
  return {
    ...(named === undefined ? {} : { system: { name: "Unraid", version: named } }),
    ...(plugins.size === 0 ? {} : { plugins }),
  };
}

async function readVms(bundle: FileBundle, notes: string[]): Promise<readonly VmDefinition[] | undefined> {
  const definitions: VmDefinition[] = [];
  const files = bundle.paths.filter((path) => /^xml\/[^/]+\.xml$/.test(path)).slice(0, VMS_LIMIT);
  let isWhole = bundle.whole;
  for (const path of files) {
    const xml = await bundle.read(path);
    const definition = xml === undefined ? undefined : parseDomainXml(xml.toString("utf8"));
    if (definition?.state === "read") definitions.push(definition.value);
    else {
      isWhole = false;
      notes.push(`${path}: ${definition?.state === "unreadable" ? definition.why : "cannot be read"}.`);
    }
  }
  // Without any the VM service may just have been stopped; with one missing the list would look shorter than it was.
  return definitions.length > 0 && isWhole ? definitions : undefined;
}

function vms(definitions: readonly VmDefinition[] | undefined): KnownHost {
  return definitions === undefined ? {} : { vms: definitions };
}
