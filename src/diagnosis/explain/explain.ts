import type { Remedy, SignatureMatch } from "../../model/catalogue.ts";
import type { Cause } from "../../model/diagnosis.ts";
import type { Bdf } from "../../model/identifiers.ts";
import type { Catalogue } from "../catalogue.ts";
import type { MessageFinder } from "../generated/unknown-causes.ts";
import { createMatcher, type Matcher } from "../matcher.ts";
import { noEffectAdvice, rankCauses } from "../rank.ts";
import { chooseRemedies, type HostTruths, remediesFor } from "../remedies.ts";
import { runsVms } from "../speakers.ts";
import { isDeviceRelated } from "./device-related.ts";
import type { ExplainedCause, Explanation, OtherStart } from "./explanation.ts";
import { type Incident, incidentsOf } from "./incidents.ts";
import { condense, type Progress } from "./long-text.ts";
import { hostIn, truthsIn } from "./named-host.ts";
import { devicesIn, fullAddressesIn, groupsIn, particularDevicesIn, vmsIn } from "./names.ts";
import { type Block, blocksOf } from "./records.ts";
import { classOfRefusal, refusalIn } from "./refusal.ts";
import { scopeOf } from "./scope.ts";
import {
  isAboutVms,
  isNote,
  isWarning,
  type SpokenBlock,
  type SpokenLine,
  spokenBlocks,
  vmTalkIn,
} from "./spoken.ts";
import { isForm, startRole } from "./start-failure.ts";
import {
  describeLookedAt,
  isWholeLog,
  type LookedAt,
  lookedAt,
  type Understanding,
  understand,
} from "./understanding.ts";
import { causesInUnknownLines } from "./unknown-lines.ts";
import { unwrapTransport } from "./unwrap-transport.ts";
import { createBlockReader, without } from "./wrapped.ts";

const LONGEST_EVIDENCE = 500;

/**
 * Makes a function that explains pasted texts with this catalogue, which it compiles once. Pure; never throws,
 * whatever the text. `findMessages` is asked where no signature knows what is wrong.
 */
export function createExplainer(
  catalogue: Catalogue,
  findMessages?: MessageFinder,
): (text: string, progress?: Progress) => Explanation {
  // People retype what they see, so case does not count here.
  const matcher = createMatcher(catalogue, { ignoreCase: true });
  const orderOf = new Map(catalogue.signatures.map(({ id }, index) => [id, index]));
  let tellingMatcher: Matcher | undefined;
  const read = createBlockReader(matcher, orderOf);
  const tellingMatcherOnce = () => {
    tellingMatcher ??= createTellingMatcher(catalogue);
    return tellingMatcher;
  };
  return (text, progress) => {
    const short = condense(withoutGaps(text), tellingMatcherOnce, progress);
    const { blocks: pieces, unread } = blocksOf(short.text);
    const blocks = spokenBlocks(pieces);
    const talk = vmTalkIn(blocks);
    const known = blocks
      .flatMap(read)
      .map((line) => (isNote(line.text) ? without(line, isFinding) : line))
      .map((line) => (isWarning(line.text) ? without(line, isDecisive) : line))
      .map((line) =>
        runsVms(line.speaker) || talk.near(line.block) || isAboutVms(line.text)
          ? line
          : without(line, isCommonplace),
      );
    const { answer, others } = incidentsOf(known, (lines) => lines.some(({ block }) => talk.nearVms(block)));
    const lines = answer.lines;
    const host = hostIn(blocks.map((block) => block.text).join("\n"));
    const truths = truthsIn(host);
    const explained = (cause: Cause) => explainedWith(remediesFor(catalogue, cause), truths, cause);
    const ranked = rankCauses(
      [...lines, ...answer.background.map((line) => ({ ...line, isBackground: true }))],
      { catalogue },
    );
    const told =
      (answer.isStartFailure || lines.some(saysEnded) || lines.some(saysCallFailed)) &&
      isUnexplained(rankCauses(lines, { catalogue }), lines)
        ? [
            ...unknown(lines, answer.isStartFailure, scopeOf(blocks, answer, others)),
            ...ranked.map(explained),
          ]
        : ranked.map(explained);
    const scope = told.length > 0 ? scopeOf(blocks, answer, others) : blocks;
    const isSilent = told.length === 0 || told[0]?.class === "unknown";
    const unknownLines =
      isSilent && findMessages !== undefined
        ? causesInUnknownLines(scope, known, told.length > 0, findMessages)
        : [];
    const causes = unknownLines.length > 0 ? unknownLines.map(explained) : told;
    // A whole log in which nothing is wrong names every device of the host, and so none.
    const words =
      isWholeLog(scope) && causes.length === 0 ? "" : scope.map(({ text: own }) => own).join("\n");
    const devices = new Set([
      ...ranked.slice(0, 1).flatMap((cause) => cause.devices),
      ...(ranked.length > 0 ? particularDevicesIn(words) : devicesIn(words)),
      ...(words === "" ? [] : brokenUp(scope)),
    ]);
    const groups = new Set([...ranked.slice(0, 1).flatMap((cause) => cause.groups), ...groupsIn(words)]);
    const [first] = causes;
    const looked = lookedAt(blocks);
    // Somebody tells that a VM does not start, and shows what QEMU said in words that only its sources know.
    const isStartFailure =
      answer.isStartFailure ||
      (unknownLines[0]?.signature === "generated.qemu" && known.some((line) => line.matches.some(isTold)));
    return {
      vmStartFailure: isStartFailure,
      deviceRelated: first !== undefined && isDeviceRelated(first, lines, words),
      causes,
      devices: [...devices],
      groups: [...groups],
      vms: vmsIn(unwrapTransport(words)),
      others: others.map(otherStart),
      host,
      understanding: first === undefined && !isStartFailure ? understand(blocks, known) : "trouble",
      lookedAt: looked,
      summary: first?.sentence ?? withoutTrouble(understand(blocks, known), looked),
      unread: short.unread + unread,
      noEffect: first === undefined || first.class === "unknown" ? [] : noEffectAdvice(first.class),
    };
  };
}

/** The answer where nothing is known to be wrong. */
function withoutTrouble(understanding: Understanding, looked: LookedAt): string {
  switch (understanding) {
    case "empty":
      return "There is nothing in this text to look at.";
    case "healthy":
      return `Nothing in this text says that anything is wrong. Looked at: ${describeLookedAt(looked)}.`;
    default:
      return `Nothing that I know is wrong in this text, which is no all-clear. Looked at: ${describeLookedAt(looked)}.`;
  }
}

function otherStart({ lines, background }: Incident): OtherStart {
  const [first] = rankCauses([...lines, ...background.map((line) => ({ ...line, isBackground: true }))]);
  return {
    when: lines.find(({ when }) => when !== undefined)?.when?.written,
    vms: vmsIn(lines.map(({ text }) => text).join("\n")),
    class: first?.class ?? "unknown",
    sentence: first?.sentence ?? "A VM did not start.",
  };
}

/** Of a long log, the many lines that say that all is well are not worth keeping. */
/** Knows what a long log is condensed to; people retype what they see, so case does not count. */
export function createTellingMatcher(catalogue: Catalogue): Matcher {
  const signatures = catalogue.signatures.filter(({ role }) => role === "cause" || role === "symptom");
  return createMatcher({ ...catalogue, signatures }, { ignoreCase: true });
}

/** A log file that was open when the host lost its power has a hole of NULs in it. */
function withoutGaps(text: string): string {
  return text.includes("\0") ? text.replaceAll(/\0+/g, "\n") : text;
}

/** Devices whose address was broken where a line was. */
function brokenUp(blocks: readonly Block[]): readonly Bdf[] {
  return blocks.flatMap(({ lines }) => (lines.length > 1 ? fullAddressesIn(lines.join("")) : []));
}

function isFinding({ signature: { role } }: SignatureMatch): boolean {
  return role === "cause" || role === "symptom";
}

function isTold(match: SignatureMatch): boolean {
  return startRole(match) === "words";
}

/** Stops a start, or says that something else was tried. */
function isDecisive(match: SignatureMatch): boolean {
  return match.signature.severity === "fatal" || startRole(match) === "other-call";
}

/**
 * What other programs say in the same words and what kernels say on any host: where nobody speaks of virtual machines
 * it means nothing for one.
 */
function isCommonplace(match: SignatureMatch): boolean {
  const { id, class: ownClass, role, severity } = match.signature;
  const isOfAnyProgram =
    ownClass === "host-resource-missing" || ownClass === "vm-config-invalid" || id === "libvirt.start-failed";
  return (
    isOfAnyProgram ||
    isForm(match) ||
    startRole(match) === "reply" ||
    (role === "symptom" && severity === "info")
  );
}

function explainedWith(remedies: readonly Remedy[], truths: HostTruths, cause: Cause): ExplainedCause {
  const { class: causeClass, certainty, signature, sentence, devices, groups, names = {}, evidence } = cause;
  return {
    ...{ class: causeClass, certainty, signature, sentence },
    remedies: [
      ...(cause.remedies ?? []),
      ...chooseRemedies(remedies, truths, { devices, groups, names }).map(({ text }) => text),
    ],
    evidence: evidence.map(shortened),
  };
}

function shortened(evidence: string): string {
  return evidence.slice(0, LONGEST_EVIDENCE);
}

/**
 * True where nothing that is known can have stopped the start: nothing at all, or only what QEMU complains about and
 * then goes on, beside an option of another device that it refused in words that are not known.
 */
function isUnexplained(ranked: readonly Cause[], lines: readonly SpokenLine[]): boolean {
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

function isUnknownRefusal({ matches, text }: SpokenLine): boolean {
  return matches.length === 1 && matches.every(isForm) && / -(?!device \S*vfio)[a-z]+ \S+: /i.test(text);
}

/** QEMU is gone, though not while a VM was to be started. */
function saysEnded({ matches }: SpokenLine): boolean {
  return matches.some((match) => startRole(match) === "ended");
}

/** Something else than a start was asked for, and refused in words that are not known. */
function saysCallFailed({ matches }: SpokenLine): boolean {
  const told = matches.filter(({ signature }) => signature.role !== "context");
  return told.length > 0 && told.every((match) => isForm(match) && match.signature.id !== OF_OTHER_TASKS);
}

/** Proxmox says it of all that it does; backups and copies are no matter of VMs that do not run. */
const OF_OTHER_TASKS = "proxmox.task-failed";

/** A start failed and no known message says why: the refusing words themselves, or what is missing, and no guess. */
function unknown(
  lines: readonly SpokenLine[],
  vmStartFailure: boolean,
  scope: readonly SpokenBlock[],
): readonly ExplainedCause[] {
  const wrappers = lines.filter((line) => line.matches.some(isWrapper));
  const match = wrappers.flatMap((line) => line.matches).find(isWrapper);
  if (match === undefined) return [];
  const refusal = refusalIn(lines, scope);
  const byError = refusal === undefined ? undefined : classOfRefusal(refusal);
  const what = vmStartFailure
    ? "The VM did not start"
    : lines.some(saysEnded)
      ? "QEMU ended"
      : "libvirt or QEMU refused something";
  return [
    {
      class: byError ?? "unknown",
      certainty: "possible",
      signature: match.signature.id,
      sentence:
        refusal === undefined
          ? `${what}, and nothing in this text says why.`
          : `${what}; no known message says more. ${refusal.who} refused: ${refusal.words}`,
      remedies: match.signature.remedies.map(({ text }) => text),
      evidence: [...new Set(wrappers.map((line) => shortened(line.text)))].slice(0, 8),
    },
  ];
}

function isWrapper({ signature }: SignatureMatch): boolean {
  return signature.class === "start-failure-wrapper" && signature.role === "symptom";
}
