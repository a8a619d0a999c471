import type { DeviceTruth, HostTruths } from "../diagnosis/remedies.ts";
import { listOf, textOf } from "../facts/fact-value.ts";
import { parametersInFacts } from "../facts/host-of-facts.ts";
import { vmFactPrefix } from "../facts/key-parts.ts";
import { addressOwner } from "../history/subject.ts";
import type { Snapshot } from "../model/fact.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";

/** The facts of a moment, indexed once for all that is asked of them. */
export interface FactIndex {
  text(key: string): string | undefined;
  /** How the devices at an address are known; as a rule one. */
  identitiesAt(address: string): readonly string[];
  /** The driver that has the device: `none` where none has. */
  driverOf(identity: string): string | undefined;
  /** Words of `/proc/cmdline`; undefined where it was not read. */
  readonly parameters: readonly string[] | undefined;
  /** By option of the kernel's build whether it has it; those that were not read are missing. */
  readonly kernelOptions: ReadonlyMap<string, boolean>;
  /** What has a part of the device's BARs; undefined where it was not read. */
  windowUsersOf(identity: string): readonly string[] | undefined;
  /** What advice depends on, whatever the VM. */
  readonly truths: HostTruths;
}

const KERNEL_OPTION = "kernel.option.";

/** Goes through all facts, which are many on a host with many VMs: once for each snapshot. */
export function indexFacts({ facts }: Snapshot): FactIndex {
  const values = new Map(facts.map(({ key, value }) => [key, value]));
  const places = new Map<string, string[]>();
  for (const { key, value } of facts) {
    const identity = addressOwner(key);
    const address = identity === undefined ? undefined : textOf(value);
    if (identity === undefined || address === undefined) continue;
    const known = places.get(address);
    if (known === undefined) places.set(address, [identity]);
    else known.push(identity);
  }
  const index: Omit<FactIndex, "truths"> = {
    text: (key) => textOf(values.get(key)),
    identitiesAt: (address) => places.get(address) ?? [],
    driverOf(identity) {
      const driver = values.get(`pci.${identity}.driver`);
      return driver?.state === "absent" ? "none" : textOf(driver);
    },
    windowUsersOf(identity) {
      const users = values.get(`pci.${identity}.window-users`);
      return users === undefined || users.state === "unknown" ? undefined : listOf(users);
    },
    kernelOptions: new Map(
      facts.flatMap(({ key, value }) =>
        key.startsWith(KERNEL_OPTION) && value.state !== "unknown"
          ? [[key.slice(KERNEL_OPTION.length), value.state === "value" && value.value !== "n"] as const]
          : [],
      ),
    ),
    parameters: values.get("kernel.parameter")?.state === "value" ? parametersInFacts(facts) : undefined,
  };
  return { ...index, truths: truthsOfHost(index) };
}

/** What advice depends on, from the facts of a moment; what they do not say stays unknown. */
export function truthsOf(facts: FactIndex | undefined, vm: VmName, devices: readonly Bdf[]): HostTruths {
  if (facts === undefined) return {};
  const pages = facts.text(`${vmFactPrefix(vm)}hugepages`);
  return {
    ...facts.truths,
    devices: devicesOf(facts, devices),
    windowUsers: windowUsersOf(facts, devices),
    hugepages: pages === "yes" || pages === "no" ? pages : undefined,
  };
}

function truthsOfHost(facts: Omit<FactIndex, "truths">): HostTruths {
  const { text } = facts;
  const kernel = text("kernel.release");
  const protection = text("firmware-tables.IVRS.pre-boot-dma-protection");
  const secure = text("firmware.secure-boot");
  return {
    kernel,
    kernelOptions: facts.kernelOptions,
    cpu: cpuOf(text),
    boardVendor: text("firmware.board.vendor") ?? text("firmware.system.vendor"),
    system: /-pve$/.test(kernel ?? "") ? "proxmox" : systemOf(text("software.os.name")),
    systemVersion: text("software.os.version"),
    loader: text("boot-loader.running"),
    parameters: facts.parameters,
    preBootDmaProtection: protection === "on" || protection === "off" ? protection : undefined,
    secureBoot: secure === undefined ? undefined : /^(?:on|enabled|yes)$/i.test(secure) ? "on" : "off",
  };
}

function cpuOf(text: (key: string) => string | undefined): HostTruths["cpu"] {
  const [amd, intel] = ["IVRS", "DMAR"].map((table) => text(`firmware-tables.${table}.sha256`) !== undefined);
  const units = text("iommu.units") ?? "";
  if (amd === true || units.includes("ivhd")) return "amd";
  return intel === true || units.includes("dmar") ? "intel" : undefined;
}

function systemOf(name: string | undefined): HostTruths["system"] {
  if (name === undefined) return undefined;
  return /unraid/i.test(name) ? "unraid" : "other";
}

function devicesOf(facts: FactIndex, devices: readonly Bdf[]): readonly DeviceTruth[] {
  return [...new Set(devices)].flatMap((bdf) =>
    facts.identitiesAt(bdf).map((identity) => ({
      id: identity.split("/")[0] ?? identity,
      driver: facts.driverOf(identity),
    })),
  );
}

function windowUsersOf(facts: FactIndex, devices: readonly Bdf[]): readonly string[] | undefined {
  const known = devices
    .flatMap((bdf) => facts.identitiesAt(bdf))
    .flatMap((identity) => facts.windowUsersOf(identity) ?? []);
  return known.length === 0 && !devices.some((bdf) => isKnown(facts, bdf)) ? undefined : [...new Set(known)];
}

function isKnown(facts: FactIndex, bdf: Bdf): boolean {
  return facts.identitiesAt(bdf).some((identity) => facts.windowUsersOf(identity) !== undefined);
}
