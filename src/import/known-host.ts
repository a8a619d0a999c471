import { remappingInKernelLog } from "../host/interrupt-remapping.ts";
import { iommuFacts } from "../host/iommu-facts.ts";
import { parameterFacts } from "../host/kernel.ts";
import { parameterValues, parseKernelParameters } from "../host/kernel-parameters.ts";
import { absentFact, keyPart, unknownFact, valueFact } from "../host/make-fact.ts";
import type { PciFunctions } from "../host/pci-devices.ts";
import { identifyPciDevices, pciFacts } from "../host/pci-facts.ts";
import { parseVfioIds, parseVfioPciConfig } from "../host/vfio-setup.ts";
import { vmFacts } from "../host/virtual-machines.ts";
import type { Fact, FactGroup } from "../model/fact.ts";
import type { IommuGroup } from "../model/host-state.ts";
import type { Bdf } from "../model/identifiers.ts";
import { type Reading, read, unreadable } from "../model/reading.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";

/** What is known of a host of the past; whatever is undefined is not known, and never absent. */
export interface KnownHost {
  readonly bios?: {
    readonly version: string;
    readonly date?: string;
    readonly vendor?: string;
    readonly release?: string;
  };
  readonly board?: { readonly vendor?: string; readonly name?: string };
  readonly kernelRelease?: string;
  readonly kernelBuild?: string;
  readonly commandLine?: string;
  /** Kernel texts of the boot's beginning, in order. */
  readonly kernelLines?: readonly string[];
  readonly groups?: ReadonlyMap<number, readonly Bdf[]>;
  readonly devices?: PciFunctions;
  /** Text of Unraid's `vfio-pci.cfg`; `"absent"` where it is known that there is none. */
  readonly vfioConfig?: string;
  readonly vms?: readonly VmDefinition[];
  readonly system?: { readonly name: string; readonly version: string };
  readonly libvirt?: string;
  readonly qemu?: string;
  readonly plugins?: ReadonlyMap<string, string>;
}

/** One wording for all, so that equal knowledge makes equal snapshots. */
const WHY = "not in the imported material";
/** A diagnostics archive shows no more of a device; what else `pciFacts` would call absent is not known here. */
const SHOWN_OF_A_DEVICE = /^pci\.[^.]+\.(?:address|name|driver|group)$/;

/**
 * Facts of a host of the past, with an unknown fact in front of everything that the material does not show, so that
 * nothing counts as absent or changed only because nobody wrote it down (law 7).
 */
export function factsOfKnownHost(host: KnownHost): readonly Fact[] {
  return [
    ...firmware(host),
    unknown("firmware-tables"),
    ...iommu(host),
    ...kernel(host),
    unknown("boot-loader"),
    ...vfioSetup(host),
    ...pci(host),
    ...vmFacts(known(host.vms)),
    ...software(host),
    unknown("hardware"),
  ];
}

function unknown(group: FactGroup, key: string = group): Fact {
  return unknownFact(group, key, WHY);
}

function known<T>(value: T | undefined): Reading<T> {
  return value === undefined ? unreadable(WHY) : read(value);
}

function firmware({ bios, board }: KnownHost): readonly Fact[] {
  if (bios === undefined && board === undefined) return [unknown("firmware")];
  return [
    ...values("firmware", {
      "firmware.bios.version": bios?.version,
      "firmware.bios.date": bios?.date,
      "firmware.bios.vendor": bios?.vendor,
      "firmware.bios.release": bios?.release,
      "firmware.board.vendor": board?.vendor,
      "firmware.board.name": board?.name,
    }),
    unknown("firmware", "firmware.setting"),
  ];
}

/** A fact for each value, an unknown one where there is none. */
function values(group: FactGroup, byKey: Readonly<Record<string, string | undefined>>): readonly Fact[] {
  return Object.entries(byKey).map(([key, value]) =>
    value === undefined || value === "" ? unknown(group, key) : valueFact(group, key, value),
  );
}

/** Members are known; type and reserved regions are not, so each group has an unknown fact that speaks for them. */
function iommu({ groups, devices, kernelLines }: KnownHost): readonly Fact[] {
  const all = new Map<number, IommuGroup>();
  for (const [id, members] of groups ?? [])
    all.set(id, { id, members: [...members].sort(), reservedRegions: [] });
  const remapped = kernelLines === undefined ? undefined : remappingInKernelLog(kernelLines);
  const facts = iommuFacts({
    groups: known(groups === undefined ? undefined : all),
    devices: known(devices),
    units: unreadable(WHY),
    interruptRemapping: known(remapped),
    ...(kernelLines === undefined ? {} : { kernelLines }),
  });
  return facts.flatMap((fact) => {
    const group = /^(iommu\.group\..+)\.(members|direct)$/.exec(fact.key);
    if (group?.[2] === "direct") return [unknown("iommu", group[1])];
    return fact.value.state === "unknown" ? [unknown("iommu", fact.key)] : [fact];
  });
}

function kernel(host: KnownHost): readonly Fact[] {
  const { kernelRelease, kernelBuild, commandLine } = host;
  const parameters = commandLine === undefined ? undefined : parseKernelParameters(commandLine);
  return [
    ...values("kernel", { "kernel.release": kernelRelease, "kernel.build": kernelBuild }),
    ...parameterFacts(known(parameters)),
    ...["kernel.taint", "kernel.lockdown", "kernel.module", "kernel.modprobe"].map((key) =>
      unknown("kernel", key),
    ),
  ];
}

function vfioSetup({ vfioConfig, commandLine }: KnownHost): readonly Fact[] {
  const group = "vfio-setup";
  const ids =
    commandLine === undefined
      ? undefined
      : parseVfioIds(
          parameterValues(parseKernelParameters(commandLine), "vfio-pci.ids").at(-1) ?? "",
          "vfio-pci.ids",
          "",
        );
  const requests =
    vfioConfig === undefined ? undefined : vfioConfig === "absent" ? [] : parseVfioPciConfig(vfioConfig);
  const fact = (key: string, wishes: readonly { readonly text: string }[] | undefined): Fact => {
    if (wishes === undefined) return unknown(group, key);
    const text = wishes
      .map((wish) => wish.text)
      .toSorted()
      .join(" ");
    return text === "" ? absentFact(group, key) : valueFact(group, key, text);
  };
  return [
    fact("vfio-setup.config", requests),
    fact("vfio-setup.ids", ids),
    ...["modprobe-ids", "errors", "device", "unmatched"].map((name) => unknown(group, `vfio-setup.${name}`)),
  ];
}

function pci({ devices, groups }: KnownHost): readonly Fact[] {
  if (devices === undefined) return [unknown("pci")];
  const identities = [...identifyPciDevices(devices.values()).values()];
  return [
    ...pciFacts(read(devices)).filter(
      ({ key }) => SHOWN_OF_A_DEVICE.test(key) && (groups !== undefined || !key.endsWith(".group")),
    ),
    ...identities.map((identity) => unknown("pci", `pci.${identity}`)),
  ];
}

function software({ system, libvirt, qemu, plugins }: KnownHost): readonly Fact[] {
  return [
    ...values("software", {
      "software.os.name": system?.name,
      "software.os.version": system?.version,
      "software.libvirt": libvirt,
      "software.qemu": qemu,
    }),
    ...(plugins === undefined
      ? [unknown("software", "software.plugin")]
      : [
          valueFact("software", "software.plugin", "listed"),
          ...[...plugins].map(([name, version]) =>
            valueFact("software", `software.plugin.${keyPart(name)}`, version),
          ),
        ]),
  ];
}

const DMI = /^DMI: .*, BIOS (.{1,128}) (\d\d\/\d\d\/\d{4})\s*$/;
const VERSION = /^Linux version (\S{1,128}) .*?(#\d+ .*)$/s;

/** Kernel texts from which something is known of the host. */
export const TELLING_LINE =
  /^(?:Linux version |(?:Kernel c|C)ommand line: |DMI: |iommu: |Run \S+ as init process|AMD-Vi: |DMAR-IR: |.{0,40}No interrupt remapping)/;

/** What the kernel's own first lines tell of the host. */
export function hostInKernelLines(lines: readonly string[]): KnownHost {
  const first = <T>(pick: (line: string) => T | undefined): T | undefined => {
    for (const line of lines) {
      const picked = pick(line);
      if (picked !== undefined) return picked;
    }
    return undefined;
  };
  const bios = first((line) => DMI.exec(line) ?? undefined);
  const version = first((line) => VERSION.exec(line) ?? undefined);
  const release = version?.[1] ?? first((line) => /^Linux version (\S{1,128})/.exec(line)?.[1]);
  const commandLine = first((line) => /^(?:Kernel c|C)ommand line: (.*)$/s.exec(line)?.[1]);
  const build = version?.[2];
  return {
    ...(bios === undefined ? {} : { bios: { version: bios[1] ?? "", date: bios[2] ?? "" } }),
    ...(release === undefined ? {} : { kernelRelease: release }),
    ...(build === undefined ? {} : { kernelBuild: build.trim() }),
    ...(commandLine === undefined ? {} : { commandLine }),
    kernelLines: lines,
  };
}

/**
 * Puts together what two pieces of material tell of one boot. What is known beats what is not; where both know and
 * differ, the first stands. An unknown fact that stands for a whole collection goes where the other lists it.
 */
export function mergeFacts(first: readonly Fact[], second: readonly Fact[]): readonly Fact[] {
  const [ours, theirs] = [indexed(first), indexed(second)];
  const merged = new Map<string, Fact>();
  for (const fact of [...first, ...second]) {
    const earlier = merged.get(fact.key);
    if (earlier !== undefined && (earlier.value.state !== "unknown" || fact.value.state === "unknown"))
      continue;
    const other = ours.get(fact.key) === fact ? theirs : ours;
    if (
      earlier === undefined &&
      fact.value.state === "unknown" &&
      !other.has(fact.key) &&
      listsBelow(other, fact.key)
    )
      continue;
    merged.set(fact.key, fact);
  }
  return [...merged.values()];
}

function indexed(facts: readonly Fact[]): ReadonlyMap<string, Fact> {
  return new Map(facts.map((fact) => [fact.key, fact]));
}

function listsBelow(facts: ReadonlyMap<string, Fact>, key: string): boolean {
  for (const other of facts.keys()) if (other.startsWith(`${key}.`)) return true;
  return false;
}
