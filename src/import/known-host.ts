import { factsOf } from "../facts/facts-of-host.ts";
import type { DmiField } from "../host/firmware.ts";
import { type HostReading, unknownHost } from "../host/host-reading.ts";
import { remappingInKernelLog } from "../host/interrupt-remapping.ts";
import { parseKernelParameters } from "../host/kernel-parameters.ts";
import { CARD_LINE, cardsInKernelLines } from "../host/machine.ts";
import { vfioSetupOf } from "../host/vfio-setup.ts";
import type { Fact } from "../model/fact.ts";
import type { Bdf } from "../model/identifiers.ts";
import { type Reading, read, unreadable, valueOr } from "../model/reading.ts";
import type { PastBoot } from "./past-boot.ts";

/** What a piece of material shows of a host of the past; whatever is undefined is not known, and never absent. */
export interface KnownHost
  extends Partial<
    Pick<
      HostReading,
      | "kernelRelease"
      | "kernelBuild"
      | "groups"
      | "devices"
      | "definitions"
      | "osName"
      | "osVersion"
      | "libvirt"
      | "qemu"
      | "plugins"
    >
  > {
  readonly dmi?: Partial<Record<DmiField, string>>;
  readonly commandLine?: string;
  /** Kernel texts of the boot's beginning, in order. */
  readonly kernelLines?: readonly string[];
  /** Text of Unraid's `vfio-pci.cfg`. */
  readonly vfioConfig?: Reading<string>;
  /** The same as the boot found it. */
  readonly vfioAtBoot?: Reading<string>;
  /** Entries of Unraid's `sriov.cfg`. */
  readonly vfs?: Reading<readonly string[]>;
  /** Text of Unraid's `sriovvfs.cfg`. */
  readonly vfSettings?: Reading<string>;
}

/** One wording for all, so that equal knowledge makes equal snapshots. */
export const WHY_NOT_KNOWN = "not in the imported material";
export const NOT_SHOWN = unreadable(WHY_NOT_KNOWN);

/** The host of the past, with everything unreadable that the material does not show (law 7). */
export function hostOf(known: KnownHost): HostReading {
  const { dmi, commandLine, kernelLines, vfioConfig = NOT_SHOWN, ...others } = known;
  const { vfioAtBoot = NOT_SHOWN, vfs = NOT_SHOWN, vfSettings = NOT_SHOWN, ...shown } = others;
  const nothing = unknownHost(WHY_NOT_KNOWN);
  const parameters = commandLine === undefined ? NOT_SHOWN : read(parseKernelParameters(commandLine));
  const remapped = kernelLines === undefined ? undefined : remappingInKernelLog(kernelLines);
  const fields = Object.entries(dmi ?? {}).filter(([, value]) => value !== "");
  return {
    ...nothing,
    ...shown,
    dmi: { ...nothing.dmi, ...Object.fromEntries(fields.map(([field, value]) => [field, read(value)])) },
    commandLine: parameters,
    kernelLines: kernelLines === undefined ? NOT_SHOWN : read(kernelLines),
    interruptRemapping: remapped === undefined ? NOT_SHOWN : read(remapped),
    vfioSetup: read(
      vfioSetupOf({
        config: vfioConfig,
        atBoot: vfioAtBoot,
        ...{ vfs, vfSettings },
        commandLine: parameters,
        errors: NOT_SHOWN,
        modprobe: NOT_SHOWN,
        devices: NOT_SHOWN,
      }),
    ),
  };
}

/** What a boot of the past takes from what is known of its host. */
export function pastHost(
  known: KnownHost,
): Pick<PastBoot, "bios" | "kernelRelease" | "machine" | "facts" | "groups" | "definitions"> {
  const host = hostOf(known);
  const groups = [...valueOr(host.groups, new Map()).values()];
  return {
    bios: known.dmi?.["bios.version"],
    machine: {
      board: known.dmi?.["board.name"] ?? boardInKernelLines(known.kernelLines ?? []),
      cards: cardsInKernelLines(known.kernelLines ?? []),
    },
    kernelRelease: valueOr<string | undefined>(host.kernelRelease, undefined),
    facts: () => factsOf(hostOf(known)),
    groups: new Map(groups.flatMap(({ id, members }) => members.map((member: Bdf) => [member, id] as const))),
    definitions: valueOr(host.definitions, []),
  };
}

const DMI = /^DMI: .*, BIOS (.{1,128}) (\d\d\/\d\d\/\d{4})\s*$/;
const VERSION = /^Linux version (\S{1,128})(?: .*?(#\d+ .*))?/s;

/** Kernel texts from which something is known of the host. */
export const TELLING_LINE = new RegExp(
  `^(?:Linux version |(?:Kernel c|C)ommand line: |DMI: |iommu: |Run \\S+ as init process|AMD-Vi: |DMAR-IR: |.{0,40}No interrupt remapping)|${CARD_LINE.source}`,
);

/** The board of `DMI: VENDOR PRODUCT/BOARD, BIOS …` (dmi_format_ids); no fact, as neither name may hold the other's sign. */
function boardInKernelLines(lines: readonly string[]): string | undefined {
  return lines.flatMap((line) => /^DMI: [^/]{1,200}\/(.{1,128}), BIOS /.exec(line)?.[1] ?? [])[0];
}

/** What the kernel's own first lines tell of the host. */
export function hostInKernelLines(lines: readonly string[]): KnownHost {
  const first = (pattern: RegExp) => lines.map((line) => pattern.exec(line)).find((found) => found !== null);
  const [, bios, date] = first(DMI) ?? [];
  const [, release, build] = first(VERSION) ?? [];
  const commandLine = first(/^(?:Kernel c|C)ommand line: (.*)$/s)?.[1];
  return {
    ...(bios !== undefined && date !== undefined && { dmi: { "bios.version": bios, "bios.date": date } }),
    ...(release !== undefined && { kernelRelease: read(release) }),
    ...(build !== undefined && { kernelBuild: read(build.trim()) }),
    ...(commandLine !== undefined && { commandLine }),
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
