import type { StartAttempt } from "../model/attempt.ts";
import type { CauseClass } from "../model/catalogue.ts";
import type { Cause, Diagnosis } from "../model/diagnosis.ts";
import type { HostState } from "../model/host-state.ts";
import { type SignatureId, signatureId } from "../model/identifiers.ts";
import type { SpeakerKind } from "../model/speaker.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { Catalogue } from "./catalogue.ts";
import { type MessageFinder, unknownCauses } from "./generated/unknown-causes.ts";
import { definitionOf } from "./host-lookups.ts";
import { isDeviceClass, noEffectAdvice, type RankableLine, rankCauses } from "./rank.ts";
import { layerOf, speakerOf } from "./speakers.ts";
import { checkHostState } from "./state-checks.ts";

/** Text of these classes says that it failed but not why; what the host's state leaves no doubt of comes first. */
const VAGUE_CLASSES: ReadonlySet<CauseClass> = new Set(["container-setup-failed", "driver-binding"]);
const MORE_PRECISE: ReadonlySet<SignatureId> = new Set(
  ["state.direct-region", "state.no-iommu-groups"].map(signatureId),
);
/** libvirt says the same whether the IOMMU is off or VFIO is not there; only the state tells which. */
const IN_USE: SignatureId = signatureId("state.in-use-by-vm");
const NO_CONTAINER: SignatureId = signatureId("state.no-vfio-container");

/**
 * Says why a start failed: first by what kernel, QEMU and libvirt said, then, where no log has the reason
 * (law 2), by the host's state at the time, and where that has none, by what is known of the programs' sources. No
 * guess: with none of these the answer is "unknown". `stateIsLate` says that the state was read long after the failure,
 * so that it proves less.
 */
export function diagnose(
  attempt: StartAttempt,
  host: HostState | undefined,
  options: {
    readonly stateIsLate?: boolean;
    readonly catalogue?: Pick<Catalogue, "advice">;
    readonly findMessages?: MessageFinder;
  } = {},
): Diagnosis {
  const spoken = rankCauses(linesOf(attempt), { catalogue: options.catalogue });
  const definition = host === undefined ? undefined : definitionFor(attempt, host);
  const found = host === undefined || definition === undefined ? [] : checkHostState(definition, host);
  const seen = options.stateIsLate === true ? found.map(lessCertain) : found;
  const links = options.stateIsLate === true ? undefined : host?.linksNow;
  const known = withLinks(combine(spoken, seen), attempt, links);
  const causes =
    known.length > 0 || options.findMessages === undefined
      ? known
      : saidUnknown(attempt, options.findMessages);
  const [first] = causes;
  return {
    causes,
    summary: first?.sentence ?? unexplained(attempt),
    deviceRelated: first !== undefined && isDeviceClass(first.class),
    noEffect: first === undefined ? [] : noEffectAdvice(first.class),
  };
}

/** Failures of which a card that sits badly, or a slot that is too fast for it, is a cause. */
const LINK_CLASSES: ReadonlySet<CauseClass> = new Set([
  "device-lost",
  "power-state-stuck",
  "reset-failed",
  "pcie-error",
]);

/** How the link is at a failure is evidence that nobody has later. */
function withLinks(
  causes: readonly Cause[],
  { devices }: StartAttempt,
  linksNow: HostState["linksNow"],
): readonly Cause[] {
  const [first, ...rest] = causes;
  if (first === undefined || linksNow === undefined || !LINK_CLASSES.has(first.class)) return causes;
  const meant = first.devices.length > 0 ? first.devices : devices;
  // The functions of one card have one link.
  const cards = Map.groupBy(meant, (bdf) => bdf.replace(/\.\d$/, ""));
  const links = new Set([...cards.values()].flatMap(([bdf]) => (bdf === undefined ? [] : linksNow(bdf))));
  return links.size === 0 ? causes : [{ ...first, evidence: [...first.evidence, ...links] }, ...rest];
}

/** What QEMU and libvirt said in words that no signature knows. */
function saidUnknown(attempt: StartAttempt, findMessages: MessageFinder): readonly Cause[] {
  const lines = attempt.evidence.flatMap(({ observation }) => {
    const speaker = speakerOf(observation);
    return speaker === undefined || speaker.kind === "kernel" || !("text" in observation)
      ? []
      : [{ speaker, text: observation.text }];
  });
  return unknownCauses(lines.slice(-MOST_UNKNOWN), findMessages);
}

/** The last words tell why a program ended. */
const MOST_UNKNOWN = 60;
const LONGEST_QUOTE = 200;
const LAST_WORDS: Readonly<Partial<Record<SpeakerKind, string>>> = {
  qemu: "in its log",
  proxmox: "in its task",
  libvirt: "from libvirt",
};

/** Words that no signature knows may still tell a person all; QEMU's last are its reason to end. */
function unexplained(attempt: StartAttempt): string {
  const crashed = attempt.evidence.some(
    ({ observation }) => observation.kind === "domain-log-end" && observation.reason === "crashed",
  );
  // libvirt writes it where QEMU went away by itself: a crash, or a signal (processMonitorEOFEvent).
  const how = crashed ? "QEMU ended by itself (libvirt: reason=crashed), and " : "";
  const unknown = attempt.evidence.flatMap(({ observation, matches }) => {
    const where = LAST_WORDS[speakerOf(observation)?.kind ?? "unknown"];
    return where === undefined || matches.length > 0 || !("text" in observation)
      ? []
      : [{ where, text: observation.text }];
  });
  const last = unknown.findLast(({ where }) => where !== LAST_WORDS.libvirt) ?? unknown.at(-1);
  const [words = ""] = (last?.text.trim() ?? "").split(/[\r\n]/, 1);
  const quote = words.length > LONGEST_QUOTE ? `${words.slice(0, LONGEST_QUOTE - 1)}…` : words;
  const why =
    last === undefined || words === ""
      ? "nothing that could be read says why."
      : `no known message says why. The last words ${last.where}: ${quote}`;
  return how === "" ? `${why.charAt(0).toUpperCase()}${why.slice(1)}` : `${how}${why}`;
}

/** What the firmware demands does not change while a boot lasts; who holds a device does. */
function lessCertain(cause: Cause): Cause {
  const lasting = cause.class === "iommu-direct-mapping-required" || cause.signature === IN_USE;
  return lasting || cause.certainty !== "certain" ? cause : { ...cause, certainty: "likely" };
}

/** What was said of the attempt, as the ranking wants it. */
export function linesOf(attempt: StartAttempt): readonly RankableLine[] {
  const lines: RankableLine[] = [];
  for (const { observation, matches } of attempt.evidence) {
    const speaker = speakerOf(observation);
    const layer = speaker && layerOf(speaker);
    if (layer === undefined || !("text" in observation)) continue;
    const device = observation.kind === "kernel-record" ? observation.device : undefined;
    lines.push({ layer, text: observation.text, at: observation.at, matches, ...(device && { device }) });
  }
  return lines;
}

/** The definition that the start had: by now the VM may have another, or be unknown to libvirt. */
function definitionFor(attempt: StartAttempt, host: HostState): VmDefinition | undefined {
  const known = definitionOf(attempt.vm, host);
  if (attempt.devices.length === 0) return known;
  if (known !== undefined) {
    const hostDevices = attempt.devices.map(
      (bdf) => known.hostDevices.find((device) => device.bdf === bdf) ?? { bdf, managed: true },
    );
    return { ...known, hostDevices };
  }
  return {
    name: attempt.vm,
    uuid: "",
    machine: "",
    firmware: "",
    memoryKiB: 0,
    hugepages: false,
    // Whether libvirt manages them is not known, so nothing is concluded from the bound driver.
    hostDevices: attempt.devices.map((bdf) => ({ bdf, managed: true })),
  };
}

/** Text outranks state, except where the text is vague and the state leaves no other way. */
function combine(spoken: readonly Cause[], seen: readonly Cause[]): readonly Cause[] {
  const [first, ...rest] = spoken;
  if (first === undefined) return seen;
  const supporting = seen.filter((candidate) => candidate.class === first.class);
  const others = seen.filter((candidate) => candidate.class !== first.class);
  const evidence = [...first.evidence, ...supporting.flatMap((candidate) => candidate.evidence)];
  // The state knows which BIOS, which device by name, and which of two things that libvirt calls by one word.
  const precise = supporting.find(
    (candidate) => candidate.certainty === "certain" && MORE_PRECISE.has(candidate.signature),
  );
  const merged: Cause = { ...first, evidence, ...(precise !== undefined && { sentence: precise.sentence }) };
  if (first.class === "iommu-not-enabled" && supporting.length === 0) {
    const [noContainer] = others.filter((candidate) => candidate.signature === NO_CONTAINER);
    if (noContainer !== undefined) return [noContainer, merged, ...rest];
  }
  const decisive = others.filter((candidate) => candidate.certainty === "certain");
  if (VAGUE_CLASSES.has(first.class)) return [...decisive, merged, ...rest];
  return isDeviceClass(first.class) && first.certainty !== "certain"
    ? [merged, ...rest, ...decisive]
    : [merged, ...rest];
}
