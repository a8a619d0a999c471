import type { Catalogue } from "../diagnosis/catalogue.ts";
import { chooseRemedies, type HostTruths, remediesFor } from "../diagnosis/remedies.ts";
import type { DemandOrigin } from "../history/demand-origin.ts";
import type { Outcome } from "../model/attempt.ts";
import type { Knob, Remedy } from "../model/catalogue.ts";
import type { Cause } from "../model/diagnosis.ts";
import type { Change } from "../model/fact.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import { type ChangeLine, changeLines, NEVER_BY_BIOS, type SuspectShare } from "./change-lines.ts";
import { type GoBack, goBacks } from "./go-back.ts";
import { adviceForUnraid } from "./unraid-pages.ts";

/** A start, or a boot, as it is spoken of. */
export interface Moment {
  /** UTC epoch milliseconds. */
  readonly at: number;
  /** Number of the start; undefined for a boot. */
  readonly number?: number;
  /** Number of the boot: `b4`. */
  readonly boot?: number;
  readonly bios?: string;
  readonly kernel?: string;
  /** The devices in question that it did not have, where no good start had them. */
  readonly without?: readonly Bdf[];
}

/** Everything from which the answer is made; plain values, read before. */
export interface AnswerInput {
  readonly vm: VmName;
  /** Best first; none where nobody knows why. */
  readonly causes: readonly Cause[];
  /** What is said where there is no cause. */
  readonly unexplained: string;
  /** How it ended; undefined for a start that has not been tried. */
  readonly outcome: Outcome | undefined;
  /** What the host is (or was at that start). */
  readonly here: Moment;
  readonly lastGood: Moment | undefined;
  /** The first failed start after it, and how many there were. */
  readonly failing: { readonly since: Moment; readonly starts: number } | undefined;
  /** Since the last good start, or without one since the boot before; undefined where one side is not on record. */
  readonly changes: readonly Change[] | undefined;
  readonly comparedWith: "good start" | "boot before" | undefined;
  /** Keys of what changed since it failed the time before; undefined where it had not failed since it worked. */
  readonly newKeys: ReadonlySet<string> | undefined;
  readonly matters: (key: string) => boolean;
  readonly suspects: readonly SuspectShare[];
  readonly truths: HostTruths;
  readonly demand: DemandOrigin | undefined;
  readonly demandedThen: boolean | undefined;
  readonly failedWith: (change: Change) => boolean;
}

/** What a person is told about a VM: why, since when, what changed, what to do. Rendered everywhere, made here alone. */
export interface Answer {
  readonly vm: VmName;
  readonly cause: Cause | undefined;
  /** Why, in one or two sentences. */
  readonly why: string;
  readonly here: Moment;
  readonly lastGood: Moment | undefined;
  readonly failing: AnswerInput["failing"];
  readonly comparedWith: AnswerInput["comparedWith"];
  /** The likeliest culprit first; undefined where nothing can be compared. */
  readonly changes: readonly ChangeLine[] | undefined;
  /** Changes that have nothing to do with it. */
  readonly otherChanges: number;
  readonly demand: DemandOrigin | undefined;
  /** What worked, to which one can go back. */
  readonly goBack: readonly GoBack[];
  /** Best first, going back among them. */
  readonly remedies: readonly string[];
  /** For each further cause. */
  readonly others: readonly { readonly cause: Cause; readonly remedies: readonly string[] }[];
}

/** Makes the answer. Pure. `adviceFor` may remember what is advised for a cause, whatever the host. */
export function makeAnswer(
  input: AnswerInput,
  catalogue: Catalogue,
  adviceFor: (cause: Cause) => readonly Remedy[] = (cause) => remediesFor(catalogue, cause),
): Answer {
  const { causes, lastGood, here } = input;
  const [cause] = causes;
  const ofClass = cause === undefined ? undefined : catalogue.advice.get(cause.class);
  const allowed = (ofClass?.goBack ?? []).filter(
    (knob) => knob !== "BIOS" || cause === undefined || !NEVER_BY_BIOS.has(cause.class),
  );
  const told =
    input.changes &&
    changeLines({ ...input, changes: input.changes, plausible: allowed, suspects: input.suspects });
  const lines = told?.lines;
  const truths = withChanges(input.truths, input.comparedWith === "good start" ? lines : undefined);
  const isWithout = (lastGood?.without ?? []).length > 0;
  const goBack =
    cause === undefined
      ? []
      : goBacks({
          ...{ lines: lines ?? [], causeClass: cause.class, truths },
          // A start without the device proves nothing of it, but that the VM has it now is why it is asked for.
          allowed: isWithout ? allowed.filter((knob) => knob === "definition of VM") : allowed,
          workedAt: lastGood?.at,
          demandedThen: input.demandedThen,
          biosWithout: input.demand?.biosWithout,
          biosNow: here.bios,
          failedWith: input.failedWith,
        });
  const remedies = cause === undefined ? unexplainedRemedies(input) : chosen(cause, truths, adviceFor(cause));
  return {
    vm: input.vm,
    cause,
    why: cause?.sentence ?? input.unexplained,
    here,
    lastGood,
    failing: input.failing,
    comparedWith: input.comparedWith,
    changes: lines,
    otherChanges: told?.bystanders ?? 0,
    demand: input.demand,
    goBack,
    remedies: [
      ...remedies.filter(({ first }) => first).map(({ text }) => text),
      ...goBack.map(({ sentence }) => sentence),
      ...remedies.filter(({ first }) => !first).map(({ text }) => text),
    ].map((text) => adviceForUnraid(text, truths)),
    others: causes.slice(1).map((other) => ({
      cause: other,
      remedies: chosen(other, truths, adviceFor(other)).map(({ text }) => adviceForUnraid(text, truths)),
    })),
  };
}

function chosen(
  cause: Cause,
  truths: HostTruths,
  advice: readonly Remedy[],
): ReturnType<typeof chooseRemedies> {
  const { devices, groups, names = {}, remedies = [] } = cause;
  return [
    ...remedies.map((text) => ({ text, first: false })),
    ...chooseRemedies(advice, truths, { devices, groups, names }),
  ];
}

function withChanges(truths: HostTruths, lines: readonly ChangeLine[] | undefined): HostTruths {
  if (lines === undefined) return truths;
  const changed = new Set<Knob>(lines.flatMap(({ knob }) => knob ?? []));
  return { ...truths, changed };
}

function unexplainedRemedies({ vm, outcome, truths }: AnswerInput): ReturnType<typeof chooseRemedies> {
  if (outcome === "started") return [];
  // Of a VM that Proxmox does not start libvirt has no log.
  const vmid = truths.system === "proxmox" ? /^(\d{1,9})(?: \(|$)/.exec(vm)?.[1] : undefined;
  const texts = [
    vmid === undefined
      ? `Read the end of the VM's log: /var/log/libvirt/qemu/${vm}.log.`
      : `Read the start task's log in the VM's Task History, or with 'pvenode task list --vmid ${vmid}' and 'pvenode task log'.`,
    ...(outcome === "crashed-early"
      ? [
          "Look at the kernel log of that minute: a crash of QEMU (segfault), memory that ran out and a device that was lost stand there.",
          "A core dump tells more, where one is kept: coredumpctl info qemu-system-x86_64.",
        ]
      : [
          vmid === undefined
            ? "Start it once more with 'virsh start', which shows libvirt's own message: some reasons stand in no log."
            : `Run what 'qm showcmd ${vmid} --pretty' prints in a shell: QEMU then says everything to you.`,
        ]),
  ];
  return texts.map((text) => ({ text, first: false }));
}
