import type { CauseClass, SignatureMatch } from "../../model/catalogue.ts";
import type { Cause, Certainty } from "../../model/diagnosis.ts";
import type { Bdf, SignatureId, VmName } from "../../model/identifiers.ts";
import type { Catalogue } from "../catalogue.ts";
import { createMatcher, type Matcher } from "../matcher.ts";
import { isAboutHostDevice, isDeviceClass, noEffectAdvice, type RankableLine, rankCauses } from "../rank.ts";
import { devicesIn, groupsIn, vmsIn } from "./names.ts";
import { type Block, blocksOf } from "./records.ts";
import { isForm, isVmStartFailure } from "./start-failure.ts";
import { unwrapTransport } from "./unwrap-transport.ts";

/** One cause, as `explain` tells it. */
export interface ExplainedCause {
  /** `unknown`: a start failed, and nothing in the text says why. */
  readonly class: CauseClass | "unknown";
  readonly certainty: Certainty;
  readonly signature: SignatureId;
  readonly sentence: string;
  readonly remedies: readonly string[];
  /** Lines of the text that say so, without what was around them. */
  readonly evidence: readonly string[];
}

/** What a pasted text says. */
export interface Explanation {
  /** A VM was to be started and was not. */
  readonly vmStartFailure: boolean;
  /** A passed-through device, VFIO or the IOMMU under it is what is in trouble. */
  readonly deviceRelated: boolean;
  /** Best first; empty where nothing is wrong. */
  readonly causes: readonly ExplainedCause[];
  readonly devices: readonly Bdf[];
  readonly groups: readonly number[];
  readonly vms: readonly VmName[];
  /** The answer in one sentence. */
  readonly summary: string;
  readonly noEffect: readonly string[];
}

const LONGEST_EVIDENCE = 500;

/**
 * Makes a function that explains pasted texts with this catalogue, which it compiles once. Pure; never throws,
 * whatever the text.
 */
export function createExplainer(catalogue: Catalogue): (text: string) => Explanation {
  // People retype what they see, so case does not count here.
  const matcher = createMatcher(catalogue, { ignoreCase: true });
  return (text) => {
    const blocks = blocksOf(text);
    const clean = blocks.map((block) => block.lines.join("\n")).join("\n");
    const known = blocks.flatMap((block) => linesOf(block, matcher));
    const lines = ABOUT_VMS.test(clean) ? known : known.map(withoutCommonplace);
    const vmStartFailure = isVmStartFailure(lines, clean);
    const ranked = rankCauses(lines);
    const causes =
      vmStartFailure && isUnexplained(ranked, lines)
        ? [...unknown(lines), ...ranked.map(explained)]
        : ranked.map(explained);
    const devices = new Set([...ranked.flatMap((cause) => cause.devices), ...devicesIn(clean)]);
    const groups = new Set([...ranked.flatMap((cause) => cause.groups), ...groupsIn(clean)]);
    const [first] = causes;
    return {
      vmStartFailure,
      deviceRelated: first !== undefined && isDeviceRelated(first, lines, clean),
      causes,
      devices: [...devices],
      groups: [...groups],
      vms: vmsIn(unwrapTransport(clean)),
      summary: first?.sentence ?? "Nothing in this text says that anything is wrong.",
      noEffect: first === undefined || first.class === "unknown" ? [] : noEffectAdvice(first.class),
    };
  };
}

/**
 * The lines of a block with what they say. A message that was wrapped fits no signature on any single line, so
 * the pieces are also tried together, with a blank between them and without: wrapping breaks words, too.
 */
function linesOf(block: Block, matcher: Matcher): readonly RankableLine[] {
  const single = block.lines.map((line) => lineWith(line, matcher.match("any", asCSays(line))));
  if (block.lines.length === 1) return single;
  const known = new Set(single.flatMap((line) => line.matches).map((match) => match.signature.id));
  const joined: RankableLine[] = [];
  for (const separator of [" ", ""]) {
    const text = block.lines.join(separator);
    const added = matcher.match("any", text).filter(({ signature }) => !known.has(signature.id));
    for (const { signature } of added) known.add(signature.id);
    if (added.length > 0) joined.push(lineWith(text, added));
  }
  // What only the whole shows is more than what a piece shows: the beginning of a known message is no unknown one.
  const shown = joined.some(({ matches }) => matches.some((match) => !isForm(match)));
  return shown ? [...joined, ...single].map(withoutForms) : [...joined, ...single];
}

/** Python puts the number in front of an error's text. */
function asCSays(line: string): string {
  return line.replaceAll(/\[Errno \d{1,3}\] /g, "");
}

/** Words that stand in nearly every text about virtual machines. */
const ABOUT_VMS =
  /vfio|hostdev|hostpci|pass-?\s?through|qemu|\bkvm\b|libvirt|virsh|\bvir[A-Z]\w+\(|error: [^\n]*\bdomain\b|error starting domain|\bdomain ['"]|\bVMs?\b|\bguest\b|virtual machine|hypervisor|TASK ERROR|\bOVMF\b|pflash|PC BIOS/i;

/**
 * Leaves out what other programs say in the same words and what kernels say on any host: in a text that does not
 * speak of virtual machines it means nothing for one.
 */
function withoutCommonplace(line: RankableLine): RankableLine {
  const kept = line.matches.filter((match) => !isCommonplace(match));
  return kept.length === line.matches.length ? line : lineWith(line.text, kept);
}

function isCommonplace(match: SignatureMatch): boolean {
  const { id, class: ownClass, role, severity } = match.signature;
  const isOfAnyProgram =
    ownClass === "host-resource-missing" || ownClass === "vm-config-invalid" || id === "libvirt.start-failed";
  return isOfAnyProgram || isForm(match) || (role === "symptom" && severity === "info");
}

function withoutForms(line: RankableLine): RankableLine {
  return line.matches.some(isForm)
    ? lineWith(
        line.text,
        line.matches.filter((match) => !isForm(match)),
      )
    : line;
}

function lineWith(text: string, matches: readonly SignatureMatch[]): RankableLine {
  return { layer: matches[0]?.signature.layer ?? "libvirt", text: text.slice(0, LONGEST_EVIDENCE), matches };
}

function explained(cause: Cause): ExplainedCause {
  const { class: causeClass, certainty, signature, sentence, remedies, evidence } = cause;
  return { class: causeClass, certainty, signature, sentence, remedies, evidence };
}

/**
 * True where nothing that is known can have stopped the start: nothing at all, or only what QEMU complains about and
 * then goes on, beside an option of another device that it refused in words that are not known.
 */
function isUnexplained(ranked: readonly Cause[], lines: readonly RankableLine[]): boolean {
  const [first] = ranked;
  if (first === undefined) return true;
  const goesOn = lines
    .flatMap((line) => line.matches)
    .some(
      ({ signature: { id, layer, role, severity } }) =>
        id === first.signature && layer === "qemu" && role === "symptom" && severity !== "fatal",
    );
  return goesOn && lines.some(isUnknownRefusal);
}

function isUnknownRefusal({ matches, text }: RankableLine): boolean {
  return matches.length === 1 && matches.every(isForm) && / -(?!device \S*vfio)[a-z]+ \S+: /i.test(text);
}

/** A start failed and no known message says why: all that is known about it, and no guess. */
function unknown(lines: readonly RankableLine[]): readonly ExplainedCause[] {
  const wrappers = lines.filter((line) => line.matches.some(isWrapper));
  const match = wrappers.flatMap((line) => line.matches).find(isWrapper);
  if (match === undefined) return [];
  return [
    {
      class: "unknown",
      certainty: "possible",
      signature: match.signature.id,
      sentence: "The VM did not start, and nothing in this text says why.",
      remedies: match.signature.remedies,
      evidence: [...new Set(wrappers.map((line) => line.text))].slice(0, 8),
    },
  ];
}

function isWrapper({ signature }: SignatureMatch): boolean {
  return signature.class === "start-failure-wrapper" && signature.role === "symptom";
}

/** Words that occur only where devices are given away. */
const PASSTHROUGH =
  /vfio|fio-pci|hostdev|hostpci|pass-?\s?through|passed through|(?<!adding to )iommu[_ ]group|\bVMs?\b|virtual machine|PCI device '?[0-9a-f]{2,4}[:.]|host=[0-9a-f]|\/sys\/bus\/pci\/devices|\bEAL: /i;
const XEN = /\bxen\b|\bdom0\b|libxl|pciback/i;

function isDeviceRelated(first: ExplainedCause, lines: readonly RankableLine[], text: string): boolean {
  const talksOfVfio = /vfio/i.test(text);
  if (XEN.test(text) && !talksOfVfio) return false;
  // A VM that has such a device and dies of itself mostly dies over it.
  if (first.class === "vm-killed") return talksOfVfio;
  if (first.class === "unknown") return first.evidence.some((line) => /vfio/i.test(line)) || talksOfVfio;
  // QEMU repeats the option that it could not carry out, or names the device: then it was about that, whatever was
  // wrong with it.
  if (first.evidence.some((line) => /-device [^\n]*vfio-pci[^\n]*: |\bvfio [0-9a-f:.]{7,16}: /.test(line)))
    return true;
  if (!isDeviceClass(first.class)) return false;
  const supporting = lines
    .flatMap((line) => line.matches)
    .filter((match) => match.signature.id === first.signature);
  if (supporting.length > 0 && supporting.every(isAboutHostDevice)) return false;
  // The kernel speaks of any device; QEMU and libvirt only of those that they hand on.
  const byVirtualisation = supporting.some((match) => match.signature.layer !== "kernel");
  return (
    PASSTHROUGH.test(text) ||
    (byVirtualisation && !WITHOUT_DEVICE.has(first.class)) ||
    UNMISTAKABLE.has(first.class)
  );
}

/** Happens to VMs with passed-through devices and to others. */
const WITHOUT_DEVICE: ReadonlySet<CauseClass> = new Set([
  "guest-address-space",
  "access-denied",
  "memlock-limit",
]);
/** Only giving devices away makes the kernel say these, wherever the line was found. */
const UNMISTAKABLE: ReadonlySet<CauseClass> = new Set(["iommu-direct-mapping-required", "memlock-limit"]);
