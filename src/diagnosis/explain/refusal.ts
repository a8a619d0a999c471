import type { CauseClass } from "../../model/catalogue.ts";
import { ERRNO_TEXTS, type ErrnoName, errnoNamed } from "../errno.ts";
import { runsVms } from "../speakers.ts";
import type { SpokenBlock, SpokenLine } from "./spoken.ts";
import { isForm, startRole } from "./start-failure.ts";

/** What somebody refused, in own words. */
export interface Refusal {
  readonly who: "QEMU" | "libvirt" | "Proxmox";
  readonly words: string;
  /** Said where the failure itself is told, and not only near it. */
  readonly isOfFailure: boolean;
}

const LONGEST_QUOTE = 240;
const OF_QEMU =
  /(?:\bqemu(?:-[\w.]+)*(?:-system-[\w-]+|-kvm)?|\bkvm)(?:\[\d+\])?: (?<said>(?:-[a-zM][\w-]* .*?(?:[^\s:,=]): )?(?<words>[^\n]+))/i;
const ENVELOPE =
  /^(?:.*?(?:process exited while connecting to monitor|unexpectedly closed the monitor(?: \(vm='[^']*'\))?|TASK ERROR|start failed|libvirtError|Error starting domain|error|ERROR|internal error|operation failed|launch failed|Start failed|Failed to start device "[^"]*")\s*: *)+(?=\S)/;
const SAYS_NOTHING =
  /^(?:\S{0,40}: ?)?(?:command '.*' failed: exit code \d+|QEMU exited with code \d+|got timeout|exit status \d+|Failed to start domain .*|warning: .*|info: .*)$/i;

/**
 * The refusing words of a failed start that no known message explains: QEMU's if there are any, for they come from
 * where it failed; then libvirt's and Proxmox's. Undefined where there is only the envelope.
 */
export function refusalIn(lines: readonly SpokenLine[], scope: readonly SpokenBlock[]): Refusal | undefined {
  const told = lines.filter(({ matches }) => matches.some((match) => isForm(match) || isOfStart(match)));
  const texts = told.map(({ text }) => text);
  const spoken = scope.filter(({ said }) => runsVms(said.speaker)).map(({ text }) => text);
  for (const text of [...texts, ...spoken].toReversed()) {
    const words = quoted(OF_QEMU.exec(text)?.groups?.words);
    if (words !== undefined) return { who: "QEMU", words, isOfFailure: texts.includes(text) };
  }
  for (const { text, speaker } of told.toReversed()) {
    const envelope = ENVELOPE.exec(text);
    const words = envelope === null ? undefined : quoted(text.slice(envelope[0].length));
    const isProxmox = speaker.kind === "proxmox" || /TASK ERROR|QEMU exited with/.test(text);
    if (words !== undefined) return { who: isProxmox ? "Proxmox" : "libvirt", words, isOfFailure: true };
  }
  return undefined;
}

/** What is told of an error number alone, where the words in front of it are not known. */
const BY_ERROR: Readonly<Partial<Record<ErrnoName, CauseClass>>> = {
  EACCES: "access-denied",
  EPERM: "access-denied",
  ENOENT: "host-resource-missing",
  ENOSPC: "host-resource-missing",
  EEXIST: "host-resource-missing",
  ENOMEM: "memory-alloc-failed",
};
const ERROR_AT_END = new RegExp(`(?:^|: ?)(${ERRNO_TEXTS.join("|")})[.)'"]*$`, "i");

/** The class of refusing words that end with an error's name, where it says enough; undefined of all others. */
export function classOfRefusal({ words, isOfFailure }: Refusal): CauseClass | undefined {
  if (!isOfFailure) return undefined;
  const errno = errnoNamed(ERROR_AT_END.exec(words)?.[1] ?? "");
  return errno === undefined ? undefined : BY_ERROR[errno];
}

function isOfStart(match: SpokenLine["matches"][number]): boolean {
  const role = startRole(match);
  return role === "failed" || role === "ended";
}

function quoted(words: string | undefined): string | undefined {
  const [line = ""] = (words ?? "").trim().split("\n", 1);
  const bare = line.replace(/[\s'"]+$/, "").trim();
  if (bare.length < 4 || SAYS_NOTHING.test(bare)) return undefined;
  return bare.length > LONGEST_QUOTE ? `${bare.slice(0, LONGEST_QUOTE - 1)}…` : bare;
}
