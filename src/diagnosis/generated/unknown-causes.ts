import { indexMessages, type MessageIndex } from "../../knowledge/message-data.ts";
import { parseFormat } from "../../knowledge/message-format.ts";
import type { Cause } from "../../model/diagnosis.ts";
import type { Speaker } from "../../model/speaker.ts";
import { devicesIn, groupsIn } from "../explain/names.ts";
import { classFor } from "../rank.ts";
import { isNobodyKnown, saysOfVms } from "../speakers.ts";
import { type FoundMessage, findMessages, type SaidLine } from "./find-messages.ts";
import { messageAnswer } from "./message-answer.ts";

/** Looks lines up among the messages that programs' sources can print: for each line what was found. */
export type MessageFinder = (lines: readonly SaidLine[]) => readonly (FoundMessage | undefined)[];

/** Makes a finder that has the data loaded when it is first asked, and keeps it: for a command, not for a service. */
export function createLazyFinder(load: () => Uint8Array): MessageFinder {
  let data: Uint8Array | undefined;
  let index: MessageIndex | undefined;
  return (lines) => {
    data ??= load();
    index ??= indexMessages(data);
    return findMessages(data, lines, index);
  };
}

/** QEMU's words come from where it failed; libvirt and Proxmox tell of it; the kernel speaks of the whole host. */
const ORDER: Readonly<Record<string, number>> = {
  qemu: 0,
  "cloud-hypervisor": 0,
  "rust-vmm": 0,
  swtpm: 1,
  virtiofsd: 1,
};
const OF_OTHERS = 2;
const OF_KERNEL = 3;
const OF_MANAGERS: ReadonlySet<string> = new Set(["incus", "kubevirt"]);
/** They tell of what libvirt and QEMU said. */
const OF_TELLERS = 4;

/**
 * The causes that lines speak for which no signature knows, best first: by rule and so only possible ones. To be asked
 * where nothing better is known, with the lines around a failure and no others, for a driver of the host may say
 * anything. Where nothing failed, anybody may have said what QEMU and libvirt say in a few common words.
 */
export function unknownCauses(
  lines: readonly SaidLine[],
  find: MessageFinder,
  isFailure = true,
): readonly Cause[] {
  const candidates = lines.flatMap(({ speaker, text }) =>
    text.split("\n").map((line) => ({ speaker, text: line })),
  );
  const found = find(candidates).flatMap((message, index) => {
    const text = candidates[index]?.text ?? "";
    const isMeant =
      message !== undefined && (isFailure || isTelling(message, candidates[index]?.speaker, text));
    const answer = isMeant ? messageAnswer(message, text) : undefined;
    const causeClass = classFor(answer?.class, text);
    return answer === undefined || causeClass === undefined ? [] : [{ ...answer, class: causeClass, text }];
  });
  const ranked = found.sort(
    (a, b) =>
      rankOf(a.known.program) - rankOf(b.known.program) ||
      Number(a.known.severity !== "error") - Number(b.known.severity !== "error"),
  );
  const byClass = Map.groupBy(ranked, (answer) => answer.class);
  return [...byClass].map(([causeClass, same]): Cause => {
    const [first] = same;
    if (first === undefined) throw new Error("a group without members");
    return {
      class: causeClass,
      certainty: "possible",
      signature: first.signature,
      sentence: first.sentence,
      remedies: first.remedies,
      evidence: [...new Set(same.map(({ text }) => text.trim()))].slice(0, MOST_EVIDENCE),
      devices: [...new Set(same.flatMap(({ text }) => devicesIn(text)))],
      groups: [...new Set(same.flatMap(({ text }) => groupsIn(text)))],
    };
  });
}

const MOST_EVIDENCE = 4;
/** Characters that only such a message has together. */
const TELLING = 32;

/** Only the kernel's messages name a device or its units so. */
const SAYS_OF_DEVICES =
  /\b[0-9a-f]{2}:[01][0-9a-f]\.[0-7]\b|vfio|iommu|\b(?:DMAR|AMD-Vi|NVRM|amdgpu|PCIe?|AER|BAR)\b|pciback/i;

function isTelling({ known }: FoundMessage, speaker: Speaker | undefined, text: string): boolean {
  // Their daemons log as errors what they then do without.
  if (OF_MANAGERS.has(known.program)) return false;
  if (speaker !== undefined && !isNobodyKnown(speaker)) return true;
  if (rankOf(known.program) === OF_KERNEL && SAYS_OF_DEVICES.test(text)) return true;
  return saysOfVms(text) || parseFormat(known.format).weight >= TELLING;
}

function rankOf(program: string): number {
  if (program === "kernel" || program === "nvidia" || program === "vendor-reset") return OF_KERNEL;
  return ORDER[program] ?? (OF_MANAGERS.has(program) ? OF_TELLERS : OF_OTHERS);
}
