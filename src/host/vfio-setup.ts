import type { HostPaths } from "../host-paths.ts";
import type { Fact } from "../model/fact.ts";
import type { PciDevice } from "../model/host-state.ts";
import { type Bdf, parseBdf } from "../model/identifiers.ts";
import { absent, mapReading, type Reading, read, unreadable } from "../model/reading.ts";
import { type KernelParameter, parameterValues, parseKernelParameters } from "./kernel-parameters.ts";
import { absentFact, factOfReading, unknownFact, valueFact } from "./make-fact.ts";
import type { PlacedModprobeSetting } from "./modprobe.ts";
import { readText } from "./read-file.ts";

/** Places in which a person asks for a device to be held by vfio-pci at boot. */
export type BindingPlace = "vfio-pci.cfg" | "vfio-pci.ids" | "modprobe.d" | "driver_override";

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
  readonly requests: Reading<readonly BindingRequest[]>;
  /** Devices that are asked for or held by vfio-pci, in order of address. */
  readonly bindings: Reading<readonly DeviceBinding[]>;
  /** Requests that fit no device of the host: absent, renumbered or misspelt. */
  readonly unmatched: readonly BindingRequest[];
  /** Lines of `/var/log/vfio-pci-errors`; if there is one, Unraid starts no VM by itself. */
  readonly errors: Reading<readonly string[]>;
}

const CONFIG = "/boot/config/vfio-pci.cfg";
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
        where: CONFIG,
        text: entry.slice(0, 64),
      };
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

/** Puts together who asks for which device and what holds it. */
export function readVfioSetup(
  paths: HostPaths,
  known: {
    readonly commandLine: Reading<readonly KernelParameter[]>;
    readonly modprobe: Reading<readonly PlacedModprobeSetting[]>;
    readonly devices: Reading<ReadonlyMap<Bdf, PciDevice>>;
  },
): VfioSetup {
  const requests = readRequests(paths, known);
  const errors = mapReading(readText(paths.at("/var/log/vfio-pci-errors")), (text) =>
    text
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== "")
      .slice(0, 50),
  );
  if (requests.state !== "read") return { requests, bindings: requests, unmatched: [], errors };
  if (known.devices.state !== "read") return { requests, bindings: known.devices, unmatched: [], errors };
  const devices = known.devices.value;
  const bindings: DeviceBinding[] = [];
  const matched = new Set<BindingRequest>();
  for (const device of devices.values()) {
    const mine = requests.value.filter((request) => asksFor(request, device));
    for (const request of mine) matched.add(request);
    if (mine.length > 0 || device.driver === "vfio-pci") {
      bindings.push({ bdf: device.bdf, driver: device.driver, requests: mine });
    }
  }
  bindings.sort((a, b) => (a.bdf < b.bdf ? -1 : 1));
  return {
    requests,
    bindings: read(bindings),
    unmatched: requests.value.filter((request) => !matched.has(request)),
    errors,
  };
}

function readRequests(
  paths: HostPaths,
  known: Parameters<typeof readVfioSetup>[1],
): Reading<readonly BindingRequest[]> {
  const config = readText(paths.at(CONFIG));
  for (const [what, reading] of [
    [CONFIG, config],
    ["/proc/cmdline", known.commandLine],
    ["modprobe.d", known.modprobe],
  ] as const) {
    if (reading.state === "unreadable") return unreadable(`${what}: ${reading.why}`);
  }
  const requests: BindingRequest[] = [];
  if (config.state === "read") requests.push(...parseVfioPciConfig(config.value));
  if (known.commandLine.state === "read") {
    // The kernel's own parameter parser takes the last one when a module parameter is repeated.
    const last = parameterValues(known.commandLine.value, "vfio-pci.ids").at(-1) ?? "";
    requests.push(...parseVfioIds(last, "vfio-pci.ids", "kernel parameter vfio-pci.ids"));
  }
  for (const setting of known.modprobe.state === "read" ? known.modprobe.value : []) {
    if (setting.kind !== "options" || setting.module !== "vfio_pci") continue;
    for (const value of parameterValues(parseKernelParameters(setting.rest), "ids")) {
      requests.push(...parseVfioIds(value, "modprobe.d", setting.file));
    }
  }
  if (known.devices.state === "read") {
    for (const { bdf, driverOverride } of known.devices.value.values()) {
      if (driverOverride !== "vfio-pci") continue;
      requests.push({
        place: "driver_override",
        bdf,
        where: `driver_override of ${bdf}`,
        text: driverOverride,
      });
    }
  }
  return read(requests);
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

/** Who is to hold which device, and what Unraid's own script had to say about it. */
export function vfioSetupFacts({ requests, bindings, unmatched, errors }: VfioSetup): readonly Fact[] {
  const facts: Fact[] = [
    requestFact("vfio-setup.config", requests, "vfio-pci.cfg"),
    requestFact("vfio-setup.ids", requests, "vfio-pci.ids"),
    requestFact("vfio-setup.modprobe-ids", requests, "modprobe.d"),
    factOfReading(
      "vfio-setup",
      "vfio-setup.errors",
      mapReading(errors, (lines) => lines.join("; ")),
    ),
  ];
  if (bindings.state === "unreadable") {
    facts.push(unknownFact("vfio-setup", "vfio-setup.device", bindings.why));
    return facts;
  }
  facts.push(valueFact("vfio-setup", "vfio-setup.device", "listed"));
  for (const { bdf, requests: wishes } of bindings.state === "read" ? bindings.value : []) {
    const places = [...new Set(wishes.map(({ place }) => place))].filter(
      (place) => place !== "driver_override",
    );
    if (places.length === 0) continue;
    facts.push(valueFact("vfio-setup", `vfio-setup.device.${bdf}`, `bound by ${places.join(" and by ")}`));
  }
  const lost = unmatched.map(({ text }) => text).toSorted();
  facts.push(
    lost.length === 0
      ? absentFact("vfio-setup", "vfio-setup.unmatched")
      : valueFact("vfio-setup", "vfio-setup.unmatched", lost.join(" ")),
  );
  return facts;
}

function requestFact(key: string, requests: Reading<readonly BindingRequest[]>, place: BindingPlace): Fact {
  const texts = mapReading(requests, (all) =>
    all
      .filter((request) => request.place === place)
      .map(({ text }) => text)
      .toSorted()
      .join(" "),
  );
  return factOfReading("vfio-setup", key, texts.state === "read" && texts.value === "" ? absent : texts);
}
