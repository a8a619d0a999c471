import { DMI_FIELDS } from "../host/firmware.ts";
import { type HostReading, unknownHost } from "../host/host-reading.ts";
import { type KernelParameter, parseKernelParameters } from "../host/kernel-parameters.ts";
import type { PciFunction } from "../host/pci-devices.ts";
import { vfioSetupOf } from "../host/vfio-setup.ts";
import type { Fact, FactValue } from "../model/fact.ts";
import type {
  FirmwareDemand,
  IommuGroup,
  ReservedRegion,
  ReservedRegionKind,
  VmStatus,
} from "../model/host-state.ts";
import { type Bdf, parseBdf, vmName } from "../model/identifiers.ts";
import { type Reading, read, unreadable } from "../model/reading.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { listOf, textOf } from "./fact-value.ts";
import { nameOfKeyPart } from "./key-parts.ts";

const WHY_NOT_KEPT = "not in the history";
const NOT_KEPT = unreadable(WHY_NOT_KEPT);
const PARAMETER = "kernel.parameter.";
const REGION_KINDS: readonly ReservedRegionKind[] = ["direct", "direct-relaxable", "reserved", "msi"];

/**
 * The host that facts were taken of, as far as they tell of it: the way back from `factsOf`. What no fact holds is
 * unreadable, never absent (law 7). `vms` are better known than facts know them, where somebody has them.
 */
export function hostOfFacts(facts: readonly Fact[], vms?: readonly VmDefinition[]): HostReading {
  const index = new Map(facts.map(({ key, value }) => [key, value]));
  const text = (key: string): Reading<string> => known(textOf(index.get(key)));
  const dmi = DMI_FIELDS.map((field) => [field, text(`firmware.${field}`)]);
  const remapping = textOf(index.get("iommu.interrupt-remapping"));
  const definitions = vms ?? definitionsInFacts(facts);
  const commandLine = known(commandLineOf(facts, index));
  return {
    ...unknownHost(WHY_NOT_KEPT),
    dmi: Object.fromEntries(dmi) as HostReading["dmi"],
    agesa: text("firmware.agesa"),
    kernelRelease: text("kernel.release"),
    commandLine,
    interruptRemapping: known(remapping === undefined ? undefined : remapping === "on"),
    ...devicesOf(facts, index),
    bootLoaders: read({
      running: { possible: new Set(), name: undefined, evidence: [] },
      claims: [],
      unreadable: [],
    }),
    vfioSetup: read(
      vfioSetupOf({
        ...{ config: NOT_KEPT, atBoot: NOT_KEPT, vfs: NOT_KEPT, vfSettings: NOT_KEPT, errors: NOT_KEPT },
        ...{ modprobe: NOT_KEPT, devices: NOT_KEPT, commandLine },
      }),
    ),
    definitions: read(definitions),
    vms: read(definitions.map((definition): VmStatus => ({ definition, state: NOT_ASKED }))),
  };
}

const NOT_ASKED = { state: "nostate", reason: "libvirt was not asked" } as const;

function known<T>(value: T | undefined): Reading<T> {
  return value === undefined ? NOT_KEPT : read(value);
}

/** Words of the command line, as far as facts hold them; they have a word for one without a value, and for an empty one. */
export function parametersInFacts(facts: readonly Fact[]): readonly string[] {
  return facts.flatMap(({ key, value }) => {
    if (!key.startsWith(PARAMETER)) return [];
    const name = nameOfKeyPart(key.slice(PARAMETER.length));
    return listOf(value).map((one) => (one === "set" ? name : `${name}=${one === "(empty)" ? "" : one}`));
  });
}

function commandLineOf(
  facts: readonly Fact[],
  index: ReadonlyMap<string, FactValue>,
): readonly KernelParameter[] | undefined {
  const words = parametersInFacts(facts);
  if (words.length === 0 && index.get("kernel.parameter")?.state !== "value") return undefined;
  return parseKernelParameters(words.map((word) => (/\s/.test(word) ? `"${word}"` : word)).join(" "));
}

/** The devices by address, and the groups that they are in. */
function devicesOf(
  facts: readonly Fact[],
  index: ReadonlyMap<string, FactValue>,
): Pick<HostReading, "devices" | "groups"> {
  const devices = new Map<Bdf, PciFunction>();
  const addresses = new Map<string, Bdf>();
  for (const { key, value } of facts) {
    const identity = /^pci\.([^.]+)\.address$/.exec(key)?.[1];
    const bdf = parseBdf(textOf(value) ?? "");
    if (identity === undefined || bdf === undefined) continue;
    addresses.set(identity, bdf);
    const device = deviceOf(identity, bdf, index);
    if (device !== undefined) devices.set(bdf, device);
  }
  if (devices.size === 0) return { devices: NOT_KEPT, groups: NOT_KEPT };
  return { devices: read(devices), groups: groupsOf(devices, addresses, index) };
}

function deviceOf(
  identity: string,
  bdf: Bdf,
  index: ReadonlyMap<string, FactValue>,
): PciFunction | undefined {
  const [, vendorId, deviceId, subsystemVendorId, subsystemDeviceId] =
    /^([0-9a-f]{4}):([0-9a-f]{4})\/([0-9a-f]{4}):([0-9a-f]{4})(?:#\d+)?$/.exec(identity) ?? [];
  if (vendorId === undefined || deviceId === undefined) return undefined;
  const value = (name: string) => index.get(`pci.${identity}.${name}`);
  const [group, name] = [textOf(value("group")), textOf(value("name"))];
  const classCode = /^[0-9a-f]{6}/.exec(textOf(value("class")) ?? "")?.[0];
  const driver = driverOf(value("driver"), classCode);
  return {
    ...{ bdf, vendorId, deviceId, classCode: classCode ?? "000000" },
    ...(subsystemVendorId !== undefined && { subsystemVendorId }),
    ...(subsystemDeviceId !== undefined && { subsystemDeviceId }),
    ...(group !== undefined && { iommuGroup: Number(group) }),
    ...(name !== undefined && { name }),
    ...(driver !== undefined && { driver }),
  };
}

/**
 * Of a device that is bound and unbound with each start of its VM the driver is no fact, and stands in no VM's way. Nor
 * is anything said against one of which the class is not known: it may be a bridge.
 */
function driverOf(value: FactValue | undefined, classCode: string | undefined): string | undefined {
  return classCode === undefined || value === undefined || value.state === "unknown"
    ? "vfio-pci"
    : textOf(value);
}

function groupsOf(
  devices: ReadonlyMap<Bdf, PciFunction>,
  addresses: ReadonlyMap<string, Bdf>,
  index: ReadonlyMap<string, FactValue>,
): HostReading["groups"] {
  const state = index.get("iommu.group")?.state;
  if (state === "unknown") return NOT_KEPT;
  if (state === "absent") return read(new Map());
  const byNumber = Map.groupBy(devices.values(), ({ iommuGroup }) => iommuGroup ?? -1);
  byNumber.delete(-1);
  const keys = new Map([...addresses].map(([identity, bdf]) => [bdf, `iommu.group.${identity}`]));
  const groups = [...byNumber].map(([id, own]): readonly [number, IommuGroup] => {
    const members = own.map(({ bdf }) => bdf).sort();
    // A group's facts stand under one of its members.
    const key = members.map((bdf) => keys.get(bdf) ?? "").find((one) => index.has(`${one}.members`));
    const type = textOf(index.get(`${key}.type`));
    return [
      id,
      { id, members, ...(type !== undefined && { type }), reservedRegions: regionsOf(`${key}`, index) },
    ];
  });
  return groups.length === 0 ? NOT_KEPT : read(new Map(groups));
}

/** That a group has no direct region is said of every group of which the regions were read. */
function regionsOf(key: string, index: ReadonlyMap<string, FactValue>): IommuGroup["reservedRegions"] {
  const direct = index.get(`${key}.direct`);
  if (direct === undefined || direct.state === "unknown") return NOT_KEPT;
  return read(
    REGION_KINDS.flatMap((kind) =>
      listOf(index.get(`${key}.${kind}`)).flatMap((text): readonly ReservedRegion[] => {
        const [, start, end] = /^(0x[0-9a-f]{1,16})-(0x[0-9a-f]{1,16})$/.exec(text) ?? [];
        return start === undefined || end === undefined
          ? []
          : [{ start: BigInt(start), end: BigInt(end), kind }];
      }),
    ),
  );
}

/** Demands of the firmware's tables, of which facts do not say whom they cover. */
export function demandsInFacts(facts: readonly Fact[]): readonly FirmwareDemand[] {
  return facts.flatMap(({ key, value }): readonly FirmwareDemand[] => {
    const table = /^firmware-tables\.(IVRS|DMAR)\.(?:ivmd|rmrr)\.\d+$/.exec(key)?.[1];
    const description = textOf(value);
    return (table !== "IVRS" && table !== "DMAR") || description === undefined
      ? []
      : [{ table, description, strength: "hard", devices: [] }];
  });
}

const ADDRESS = /[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/g;

/** The VMs with passed-through devices, as far as facts have them: names and devices. */
export function definitionsInFacts(facts: readonly Fact[]): readonly VmDefinition[] {
  const index = new Map(facts.map(({ key, value }) => [key, value]));
  return facts.flatMap(({ key, value }) => {
    const name = /^vm\.([^.]+)\.devices$/.exec(key)?.[1];
    if (name === undefined || index.get(`vm.${name}.moved-to`)?.state === "value") return [];
    const addresses = listOf(value).flatMap((text) => text.match(ADDRESS) ?? []);
    const hostDevices = addresses.flatMap((address) => {
      const bdf = parseBdf(address);
      const said = textOf(index.get(`vm.${name}.device.${bdf}`)) ?? "";
      return bdf === undefined ? [] : [{ bdf, managed: !said.includes("not managed") }];
    });
    if (hostDevices.length === 0) return [];
    const machine = textOf(index.get(`vm.${name}.machine`)) ?? "";
    const unknown = { uuid: "", firmware: "bios", memoryKiB: 0, hugepages: false } as const;
    return [{ ...unknown, machine, name: vmName(nameOfKeyPart(name)), hostDevices }];
  });
}
