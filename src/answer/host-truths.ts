import type { DeviceTruth, HostTruths } from "../diagnosis/remedies.ts";
import { listOf, textOf } from "../facts/fact-value.ts";
import { vmFactPrefix } from "../facts/key-parts.ts";
import type { Snapshot } from "../model/fact.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";

/** What advice depends on, from the facts of a moment; what they do not say stays unknown. */
export function truthsOf(snapshot: Snapshot | undefined, vm: VmName, devices: readonly Bdf[]): HostTruths {
  if (snapshot === undefined) return {};
  const facts = new Map(snapshot.facts.map(({ key, value }) => [key, value]));
  const text = (key: string) => textOf(facts.get(key));
  const kernel = text("kernel.release");
  const protection = text("firmware-tables.IVRS.pre-boot-dma-protection");
  const secure = text("firmware.secure-boot");
  const pages = text(`${vmFactPrefix(vm)}hugepages`);
  return {
    kernel,
    cpu: cpuOf(text),
    system: /-pve$/.test(kernel ?? "") ? "proxmox" : systemOf(text("software.os.name")),
    loader: text("boot-loader.running"),
    devices: devicesOf(snapshot, devices),
    parameters: facts.get("kernel.parameter")?.state === "value" ? parametersOf(snapshot) : undefined,
    preBootDmaProtection: protection === "on" || protection === "off" ? protection : undefined,
    secureBoot: secure === undefined ? undefined : /^(?:on|enabled|yes)$/i.test(secure) ? "on" : "off",
    hugepages: pages === "yes" || pages === "no" ? pages : undefined,
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

function devicesOf({ facts }: Snapshot, devices: readonly Bdf[]): readonly DeviceTruth[] {
  const wanted = new Set<string>(devices);
  return facts.flatMap(({ key, value }) => {
    const identity = /^pci\.([^.]+)\.address$/.exec(key)?.[1];
    if (identity === undefined || !wanted.has(textOf(value) ?? "")) return [];
    const driver = facts.find((fact) => fact.key === `pci.${identity}.driver`)?.value;
    return [
      {
        id: identity.split("/")[0] ?? identity,
        driver: driver?.state === "absent" ? "none" : textOf(driver),
      },
    ];
  });
}

function parametersOf({ facts }: Snapshot): readonly string[] {
  return facts.flatMap(({ key, value }) => {
    const name = /^kernel\.parameter\.(.+)$/.exec(key)?.[1]?.replaceAll("%2e", ".").replaceAll("%25", "%");
    if (name === undefined) return [];
    return listOf(value).map((one) => (one === "set" ? name : `${name}=${one}`));
  });
}
