import type { HostPaths } from "../host-paths.ts";
import type { PciDevice } from "../model/host-state.ts";
import { type Bdf, parseBdf } from "../model/identifiers.ts";
import { absent, mapReading, type Reading, read, unreadable, valueOr } from "../model/reading.ts";
import { type KernelParameter, parameterValues, parseKernelParameters } from "./kernel-parameters.ts";
import type { PlacedModprobeSetting } from "./modprobe.ts";
import { readText } from "./read-file.ts";
import {
  readAutostartBarred,
  readBindingAtBoot,
  readVfSettings,
  readVfsAtBoot,
  VF_CONFIG,
} from "./unraid-boot-binding.ts";

/** Places in which a person asks for a device to be held by vfio-pci at boot. */
export type BindingPlace =
  | "vfio-pci.cfg"
  | "sriovvfs.cfg"
  | "vfio-pci.ids"
  | "modprobe.d"
  | "driver_override";

/** One wish to bind: by address, by vendor and device, or both (then Unraid's script wants both to fit). */
export interface BindingRequest {
  readonly place: BindingPlace;
  readonly bdf?: Bdf;
  /** `10de:2805` with optional `:subvendor:subdevice`, lower case. */
  readonly id?: string;
  /** Where it stands, in words, e.g. `/boot/config/vfio-pci.cfg` or `kernel parameter vfio-pci.ids`. */
  readonly where: string;
  readonly text: string;
}

/** A device and who asks for it. */
export interface DeviceBinding {
  readonly bdf: Bdf;
  readonly driver: string | undefined;
  readonly requests: readonly BindingRequest[];
}

/** The whole set-up of VFIO on the host, as far as files and the command line tell. */
export interface VfioSetup {
  /** What is asked for in each place. */
  readonly asked: Readonly<Record<BindingPlace, Reading<readonly BindingRequest[]>>>;
  /** In all of them together. */
  readonly requests: Reading<readonly BindingRequest[]>;
  /** Devices that are asked for or held by vfio-pci, in order of address. */
  readonly bindings: Reading<readonly DeviceBinding[]>;
  /** Requests that fit no device of the host: absent, renumbered or misspelt. */
  readonly unmatched: readonly BindingRequest[];
  /** Lines of `/var/log/vfio-pci-errors`; if there is one, Unraid starts no VM by itself. */
  readonly errors: Reading<readonly string[]>;
  /** Whether it has told libvirt so already. */
  readonly autostartBarred: Reading<boolean>;
  /** How `vfio-pci.cfg` differs from what this boot found there; absent on what is no Unraid. */
  readonly changedSinceBoot: Reading<BindingChange>;
  /** Entries of Unraid's `sriov.cfg`. */
  readonly vfs: Reading<readonly string[]>;
}

/** What waits for a reboot. */
export interface BindingChange {
  readonly added: readonly BindingRequest[];
  readonly removed: readonly BindingRequest[];
}

/** What Unraid binds at boot. */
export const VFIO_PCI_CONFIG = "/boot/config/vfio-pci.cfg";
const ENTRIES_LIMIT = 256;
const ID = /^[0-9a-f]{4}:[0-9a-f]{4}$/i;

/**
 * Reads Unraid's `vfio-pci.cfg`: `BIND=` and entries with white space between them, each an address (with or
 * without domain), `vendor:device`, or both in any order with `|`. Quotes and CRLF are tolerated, as by Unraid.
 */
export function parseVfioPciConfig(text: string): readonly BindingRequest[] {
  const line = text
    .split(/\r?\n/)
    .map((candidate) => candidate.trim())
    .findLast((candidate) => candidate.startsWith("BIND="));
  if (line === undefined) return [];
  const entries = line.slice("BIND=".length).replace(/["']/g, "").split(/\s+/);
  return entries
    .filter((entry) => entry !== "")
    .slice(0, ENTRIES_LIMIT)
    .map((entry) => {
      const parts = entry.split("|");
      const bdf = parts.map(parseBdf).find((parsed) => parsed !== undefined);
      const id = parts.find((part) => ID.test(part));
      return {
        place: "vfio-pci.cfg" as const,
        ...(bdf === undefined ? {} : { bdf }),
        ...(id === undefined ? {} : { id: id.toLowerCase() }),
        where: VFIO_PCI_CONFIG,
        text: entry.slice(0, 64),
      };
    });
}

/**
 * Reads Unraid's `sriovvfs.cfg`, `VFSETTINGS=` and entries `address|vendor:device|class|vfio|MAC` with white space between
 * them: the VFs that it binds to vfio-pci. The network address is left out, it is nobody's business.
 */
export function parseVfSettings(text: string): readonly BindingRequest[] {
  const [, entries = ""] = /^VFSETTINGS=(.*)$/m.exec(text) ?? [];
  return entries
    .replace(/["']/g, "")
    .split(/\s+/)
    .slice(0, ENTRIES_LIMIT)
    .flatMap((entry) => {
      const [address = "", id = "", , bound] = entry.split("|");
      const bdf = parseBdf(address);
      if (bdf === undefined || !ID.test(id) || bound !== "1") return [];
      return [
        { place: "sriovvfs.cfg", bdf, id: id.toLowerCase(), where: VF_CONFIG, text: `${bdf}|${id}` } as const,
      ];
    });
}

/** Reads the value of vfio-pci's `ids` option: `vendor:device[:subvendor:subdevice[:class[:mask]]]`, with commas. */
export function parseVfioIds(value: string, place: BindingPlace, where: string): readonly BindingRequest[] {
  return value
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
    .slice(0, ENTRIES_LIMIT)
    .map((entry) => {
      const numbers = entry.toLowerCase().split(":").slice(0, 4);
      const valid = numbers.length >= 2 && numbers.every((number) => /^[0-9a-f]{1,8}$/.test(number));
      const id = numbers.map((number) => number.padStart(4, "0")).join(":");
      return { place, ...(valid ? { id } : {}), where, text: entry.slice(0, 64) };
    });
}

/** What the set-up is put together from; `config`, `atBoot` and `errors` are the texts of Unraid's files. */
interface SetupSources {
  readonly config: Reading<string>;
  /** `config` as this boot found it. */
  readonly atBoot: Reading<string>;
  readonly vfs: Reading<readonly string[]>;
  /** Absent on what is no Unraid. */
  readonly vfSettings?: Reading<string>;
  readonly errors: Reading<string>;
  /** Absent on what is no Unraid. */
  readonly autostartBarred?: Reading<boolean>;
  readonly commandLine: Reading<readonly KernelParameter[]>;
  readonly modprobe: Reading<readonly PlacedModprobeSetting[]>;
  readonly devices: Reading<ReadonlyMap<Bdf, PciDevice>>;
}

/** Reads Unraid's files and puts together who asks for which device and what holds it. */
export function readVfioSetup(
  paths: HostPaths,
  known: Pick<SetupSources, "commandLine" | "modprobe" | "devices">,
): VfioSetup {
  const { commandLine, modprobe, devices } = known;
  const config = readText(paths.at(VFIO_PCI_CONFIG));
  const errors = readText(paths.at("/var/log/vfio-pci-errors"));
  const boot = {
    atBoot: readBindingAtBoot(paths),
    vfs: readVfsAtBoot(paths),
    vfSettings: readVfSettings(paths),
    autostartBarred: readAutostartBarred(paths),
  };
  return vfioSetupOf({ config, ...boot, errors, commandLine, modprobe, devices });
}

/** Puts together who asks for which device and what holds it. */
export function vfioSetupOf(sources: SetupSources): VfioSetup {
  const asked = askedFor(sources);
  const requests = allOf(asked);
  const errors = mapReading(sources.errors, (text) =>
    text
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== "")
      .slice(0, 50),
  );
  const changedSinceBoot = changeOf(asked["vfio-pci.cfg"], mapReading(sources.atBoot, parseVfioPciConfig));
  const { vfs, autostartBarred = absent } = sources;
  const rest = { errors, autostartBarred, changedSinceBoot, vfs };
  if (requests.state !== "read") return { asked, requests, bindings: requests, unmatched: [], ...rest };
  if (sources.devices.state !== "read")
    return { asked, requests, bindings: sources.devices, unmatched: [], ...rest };
  const bindings: DeviceBinding[] = [];
  const matched = new Set<BindingRequest>();
  for (const device of sources.devices.value.values()) {
    const mine = requests.value.filter((request) => asksFor(request, device));
    for (const request of mine) matched.add(request);
    if (mine.length > 0 || device.driver === "vfio-pci") {
      bindings.push({ bdf: device.bdf, driver: device.driver, requests: mine });
    }
  }
  bindings.sort((a, b) => (a.bdf < b.bdf ? -1 : 1));
  return {
    asked,
    requests,
    bindings: read(bindings),
    unmatched: requests.value.filter((request) => !matched.has(request)),
    ...rest,
  };
}

/** Order and spelling of the entries do not count. */
function changeOf(
  config: Reading<readonly BindingRequest[]>,
  atBoot: Reading<readonly BindingRequest[]>,
): Reading<BindingChange> {
  if (atBoot.state !== "read") return atBoot;
  if (config.state === "unreadable") return config;
  const now = config.state === "read" ? config.value : [];
  const key = ({ bdf, id, text }: BindingRequest) =>
    bdf === undefined && id === undefined ? text : `${bdf}|${id}`;
  const without = (some: readonly BindingRequest[], others: readonly BindingRequest[]) => {
    const known = new Set(others.map(key));
    return some.filter((request) => !known.has(key(request)));
  };
  return read({ added: without(now, atBoot.value), removed: without(atBoot.value, now) });
}

function askedFor({
  config,
  vfSettings = absent,
  commandLine,
  modprobe,
  devices,
}: SetupSources): VfioSetup["asked"] {
  return {
    "vfio-pci.cfg": mapReading(config, parseVfioPciConfig),
    "sriovvfs.cfg": mapReading(vfSettings, parseVfSettings),
    "vfio-pci.ids": mapReading(commandLine, (parameters) => {
      // The kernel's own parameter parser takes the last one when a module parameter is repeated.
      const last = parameterValues(parameters, "vfio-pci.ids").at(-1) ?? "";
      return parseVfioIds(last, "vfio-pci.ids", "kernel parameter vfio-pci.ids");
    }),
    "modprobe.d": mapReading(modprobe, (settings) =>
      settings
        .filter(({ kind, module }) => kind === "options" && module === "vfio_pci")
        .flatMap(({ rest, file }) =>
          parameterValues(parseKernelParameters(rest), "ids").flatMap((value) =>
            parseVfioIds(value, "modprobe.d", file),
          ),
        ),
    ),
    driver_override: read(
      [...valueOr(devices, new Map<Bdf, PciDevice>()).values()]
        .filter(({ driverOverride }) => driverOverride === "vfio-pci")
        .map(({ bdf }) => ({
          place: "driver_override",
          bdf,
          where: `driver_override of ${bdf}`,
          text: "vfio-pci",
        })),
    ),
  };
}

const PLACE_FILES: Partial<Record<BindingPlace, string>> = {
  "vfio-pci.cfg": VFIO_PCI_CONFIG,
  "sriovvfs.cfg": VF_CONFIG,
  "vfio-pci.ids": "/proc/cmdline",
};

/** The requests of all places; one place that cannot be read may hold any. */
function allOf(asked: VfioSetup["asked"]): Reading<readonly BindingRequest[]> {
  const all: BindingRequest[] = [];
  for (const [place, requests] of Object.entries(asked) as [BindingPlace, VfioSetup["requests"]][]) {
    if (requests.state === "unreadable") return unreadable(`${PLACE_FILES[place] ?? place}: ${requests.why}`);
    if (requests.state === "read") all.push(...requests.value);
  }
  return read(all);
}

function asksFor(request: BindingRequest, device: PciDevice): boolean {
  if (request.bdf !== undefined && request.bdf !== device.bdf) return false;
  if (request.id === undefined) return request.bdf !== undefined;
  const own = [device.vendorId, device.deviceId, device.subsystemVendorId, device.subsystemDeviceId];
  // ffff stands for any, as PCI_ANY_ID does in the option.
  return request.id.split(":").every((part, index) => /^f{4,8}$/.test(part) || part === own[index]);
}

/**
 * Whether two persons (or one, twice) ask for the device. An override is what Unraid's script itself sets while it
 * works through vfio-pci.cfg, so it is no second request.
 */
export function isBoundTwice(binding: DeviceBinding): boolean {
  const places = new Set(binding.requests.map(({ place }) => place));
  places.delete("driver_override");
  return places.size > 1;
}
