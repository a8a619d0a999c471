import type { CauseClass, Layer, SignatureClass, SignatureMatch } from "../model/catalogue.ts";
import type { Cause, Certainty } from "../model/diagnosis.ts";
import { type Bdf, parseBdf, signatureId } from "../model/identifiers.ts";
import type { Catalogue } from "./catalogue.ts";
import { nameIn } from "./sentence.ts";
import { type KernelTestimony, readSymptom } from "./symptoms.ts";

/** A line of a log and what the catalogue knows about it. Lines are given in the order in which they were said. */
export interface RankableLine {
  readonly layer: Layer;
  readonly text: string;
  /** UTC epoch milliseconds. */
  readonly at?: number;
  /** The device of a kernel record's dictionary; beats an address in the text. */
  readonly device?: Bdf;
  readonly matches: readonly SignatureMatch[];
  /** Said of something else, so that it comes behind everything that is not. */
  readonly isBackground?: boolean;
  /** Nothing says whose words these are, or a person tells it: it may be so, and is not certain. */
  readonly isHearsay?: boolean;
}

export interface RankContext {
  /** The kernel's log of the time is known without a gap, so its silence is evidence too. Default false. */
  readonly kernelLogComplete?: boolean;
  /** The words for classes; of a class without any the signature's own are taken. */
  readonly catalogue?: Pick<Catalogue, "advice"> | undefined;
}

const MOST_EVIDENCE = 8;
const LONGEST_EVIDENCE = 1_000;

/**
 * Names the causes that the lines speak for, best first; empty where none does. The kernel's word beats
 * QEMU's, QEMU's beats libvirt's, a cause beats a symptom, and within one of these the first line wins: later
 * ones follow from it. Lines that merely wrap others, and harmless ones, never are a cause.
 */
export function rankCauses(lines: readonly RankableLine[], context: RankContext = {}): readonly Cause[] {
  const kernel = kernelTestimony(lines, context.kernelLogComplete === true);
  const findings: Finding[] = [];
  const isAnswered = lines.some((line) =>
    line.matches.some((match) => TABLE_ANSWERED.has(match.signature.id)),
  );
  for (const [position, line] of lines.entries()) {
    for (const match of line.matches) {
      if (isAnswered && match.signature.id === TABLE_OFFERED) continue;
      const finding = findingOf(match, line, position, kernel);
      if (finding !== undefined) findings.push(finding);
    }
  }
  findings.sort((a, b) => a.rank - b.rank || a.doubt - b.doubt || a.position - b.position);
  const byClass = new Map<CauseClass, Finding[]>();
  for (const finding of findings) {
    const same = byClass.get(finding.class);
    if (same === undefined) byClass.set(finding.class, [finding]);
    else same.push(finding);
  }
  return [...byClass.values()].map((all) => causeFrom(all, context.catalogue));
}

/** A table of the initial RAM disk is trouble where the kernel does not go on to take it, or to say why it does not. */
const TABLE_OFFERED = signatureId("kernel.acpi-table-in-initrd");
const TABLE_ANSWERED: ReadonlySet<string> = new Set([
  "kernel.acpi-table-overridden",
  "kernel.acpi-override-refused",
]);

/** True where a passed-through device, VFIO or the IOMMU is what a cause of this class is about. */
export function isDeviceClass(causeClass: CauseClass): boolean {
  return !NOT_ABOUT_DEVICES.has(causeClass);
}

/**
 * True where the kernel speaks of a device that a driver of the host has. Such a line says nothing about
 * VMs, however much it looks like one that would.
 */
export function isAboutHostDevice(match: SignatureMatch): boolean {
  const { driver } = match.captures;
  return (
    driver !== undefined &&
    !/^(?:vfio|pci$|pcieport$|pci-stub$|pciback$|xen-pciback$)|vfio[-_]pci$/i.test(driver)
  );
}

const NOT_ABOUT_DEVICES: ReadonlySet<CauseClass> = new Set([
  "memory-alloc-failed",
  "kvm-unavailable",
  "vm-config-invalid",
  "host-resource-missing",
  "vm-killed",
  "vm-hung",
]);

interface Finding {
  readonly class: CauseClass;
  readonly certainty: Certainty;
  /** Smaller is better. */
  readonly rank: number;
  readonly doubt: number;
  readonly position: number;
  readonly match: SignatureMatch;
  readonly line: RankableLine;
}

const DOUBT: Readonly<Record<Certainty, number>> = { certain: 0, likely: 1, possible: 2 };
const LAYER_RANK: Readonly<Record<Layer, number>> = { kernel: 0, qemu: 1, libvirt: 2 };
const SYMPTOM_RANK = 3;
const DEGRADED_CAUSE_RANK = 4;
const DEGRADED_SYMPTOM_RANK = 7;
/** The host's own trouble comes behind everything that is about a VM. */
const HOST_DEVICE_RANK = 10;
const BACKGROUND_RANK = 20;
/** libvirt gives devices back to the host after a start that failed; what goes wrong then was not why. */
const CLEANING_UP = /\bre-?attach(?:ing)?\b/i;

function findingOf(
  match: SignatureMatch,
  line: RankableLine,
  position: number,
  kernel: KernelTestimony,
): Finding | undefined {
  const { role, severity, layer } = match.signature;
  const ownClass = classFor(causeClassOf(match.signature.class), line.text);
  if (ownClass === undefined || (role !== "cause" && role !== "symptom")) return undefined;
  const fatal = severity === "fatal";
  const verdict =
    role === "symptom"
      ? readSymptom(match, ownClass, kernel)
      : ({ class: ownClass, certainty: fatal ? "certain" : "likely" } as const);
  const usual =
    role === "cause"
      ? LAYER_RANK[layer] + (fatal ? 0 : DEGRADED_CAUSE_RANK)
      : fatal
        ? SYMPTOM_RANK
        : DEGRADED_SYMPTOM_RANK;
  const isDoubted = line.isHearsay === true && verdict.certainty === "certain";
  return {
    class: verdict.class,
    certainty: isDoubted ? "likely" : verdict.certainty,
    rank:
      usual +
      (isAboutHostDevice(match) || CLEANING_UP.test(line.text) ? HOST_DEVICE_RANK : 0) +
      (line.isBackground === true ? BACKGROUND_RANK : 0),
    doubt: DOUBT[verdict.certainty],
    position,
    match,
    line,
  };
}

/** QEMU repeats the option that it could not carry out; this one gives a device of the host to the VM. */
const REFUSED_VFIO_OPTION = /-device (?:\{"driver":"|driver=)?vfio-[a-z]+\b\S*: (?![^\n]* -[a-z]+ \S+: )/i;

/** True where QEMU refuses the option that gives a device of the host to the VM. */
export function refusesDevice(text: string): boolean {
  return REFUSED_VFIO_OPTION.test(text);
}

/** What is wrong with a VM's definition is wrong with its passed-through device where that is what QEMU refused. */
export function classFor(causeClass: CauseClass | undefined, text: string): CauseClass | undefined {
  return causeClass === "vm-config-invalid" && refusesDevice(text) ? "device-config-invalid" : causeClass;
}

function causeClassOf(signatureClass: SignatureClass): CauseClass | undefined {
  return signatureClass === "start-failure-wrapper" || signatureClass === "benign-noise"
    ? undefined
    : signatureClass;
}

function kernelTestimony(lines: readonly RankableLine[], complete: boolean): KernelTestimony {
  const classes = new Set<CauseClass>();
  for (const match of lines.flatMap((line) => (line.isBackground === true ? [] : line.matches))) {
    const causeClass = causeClassOf(match.signature.class);
    const { layer, role } = match.signature;
    if (causeClass !== undefined && layer === "kernel" && role === "cause" && !isAboutHostDevice(match)) {
      classes.add(causeClass);
    }
  }
  return { classes, complete };
}

/** A symptom, or the option that QEMU refused, may mean another class than its signature stands in. */
function sentenceOf(
  { class: causeClass, match: { signature } }: Finding,
  catalogue: RankContext["catalogue"],
): string {
  if (signature.class === causeClass) return signature.sentence;
  if (signature.class === "vm-config-invalid")
    return `The VM cannot have {device} in the way that its definition says. ${signature.sentence}`;
  return catalogue?.advice.get(causeClass)?.sentence ?? signature.sentence;
}

function causeFrom(findings: readonly Finding[], catalogue: RankContext["catalogue"]): Cause {
  const [best] = findings;
  if (best === undefined) throw new Error("a cause without findings");
  const devices = [...new Set(findings.flatMap(devicesOf))];
  const groups = [...new Set(findings.flatMap(groupsOf))];
  const certainties = findings.map((finding) => finding.certainty);
  return {
    class: best.class,
    certainty: certainties.sort((a, b) => DOUBT[a] - DOUBT[b])[0] ?? best.certainty,
    signature: best.match.signature.id,
    // The kernel's line about a limit names no device; QEMU's about the same thing does.
    sentence: nameIn(sentenceOf(best, catalogue), {
      devices: firstGiven(devicesOf(best), devices),
      groups: firstGiven(groupsOf(best), groups),
      names: best.match.captures,
    }),
    names: best.match.captures,
    evidence: [...new Set(findings.map(({ line }) => line.text.slice(0, LONGEST_EVIDENCE)))].slice(
      0,
      MOST_EVIDENCE,
    ),
    devices,
    groups,
  };
}

function firstGiven<T>(own: readonly T[], others: readonly T[]): readonly T[] {
  return own.length > 0 ? own : others;
}

function devicesOf({ match, line }: Finding): readonly Bdf[] {
  const { bdf, source, node } = match.captures;
  // Faults are reported by the IOMMU's own device; the culprit stands in the text.
  const named = [source, node, line.device ?? bdf].map((text) =>
    text === undefined ? undefined : addressIn(text),
  );
  const found = named.filter((device) => device !== undefined);
  if (found.length > 0 || match.signature.layer === "kernel") return [...new Set(found)];
  // Old QEMU names the device only in the option that it repeats in front of the message.
  const option = /(?:\bhost=|"host": ?")([0-9a-fA-F:.]{7,16})/.exec(line.text)?.[1];
  const device = option === undefined ? undefined : parseBdf(option);
  return device === undefined ? [] : [device];
}

/** Also `0x00:0x02.0`, which some kernels print in DMAR faults. */
function addressIn(text: string): Bdf | undefined {
  return parseBdf(text.replaceAll("0x", ""));
}

function groupsOf({ match }: Finding): readonly number[] {
  const { group } = match.captures;
  return group === undefined ? [] : [Number(group)];
}
/**
 * Advice that people repeat for failures of this class and that has no effect, a sentence each. For the 1:1
 * refusal: the check looks at the firmware's regions alone, whatever the default domain, the groups, the
 * interrupts or the way into VFIO are.
 */
export function noEffectAdvice(causeClass: CauseClass): readonly string[] {
  return NO_EFFECT[causeClass] ?? [];
}

const NO_EFFECT: Readonly<Partial<Record<CauseClass, readonly string[]>>> = {
  "iommu-direct-mapping-required": [
    "iommu=pt or iommu.passthrough, on or off: the group's type (`identity` or `DMA`) plays no part in this refusal.",
    "amd_iommu=on: there is no such value; the AMD IOMMU is on by itself. amd_iommu=force_isolation, amd_iommu=pgtbl_v2 and intel_iommu=sm_on do not touch the check either.",
    "pcie_acs_override: it splits groups, and the demand stays with the device.",
    "allow_unsafe_interrupts: it concerns interrupts, not memory.",
    "Resizable BAR, Above 4G Decoding, video=efifb:off, a ROM file or rombar=off.",
    "iommufd instead of the older container: the same check refuses.",
    "Another machine type of the VM (i440fx or q35), or another graphics card in the same slot.",
    "amd_iommu=off or VFIO's no-IOMMU mode: the check is gone, and passthrough with it.",
  ],
  "group-not-viable": [
    "iommu=pt: it does not change which devices form a group.",
    "allow_unsafe_interrupts: it concerns interrupts, not groups.",
  ],
  "iommu-not-enabled": [
    "amd_iommu=on: there is no such value; only the BIOS setting switches the AMD IOMMU on.",
  ],
  "interrupt-remapping-missing": [
    "iommu=pt: it does not concern interrupts.",
    "pcie_acs_override: it concerns groups.",
  ],
  "container-setup-failed": [
    "iommu=pt: the group's type (`identity` or `DMA`) does not keep VFIO from taking it.",
  ],
};
