import type { HostTruths } from "../diagnosis/remedies.ts";
import { textOf } from "../facts/fact-value.ts";
import { isSameBiosVersion } from "../knowledge/bios-version.ts";
import { refusesDirectRegions } from "../knowledge/direct-regions.ts";
import type { CauseClass, Knob } from "../model/catalogue.ts";
import type { Change } from "../model/fact.ts";
import { formatDay } from "../time-words.ts";
import type { ChangeLine } from "./change-lines.ts";

/** A state that worked, to which one can go back. */
export interface GoBack {
  readonly knob: Knob;
  /** The version or value that worked, e.g. `E7E49AMSI.1A63`; undefined for what is no version. */
  readonly to: string | undefined;
  readonly sentence: string;
}

export interface GoBackOptions {
  readonly lines: readonly ChangeLine[];
  readonly causeClass: CauseClass;
  /** What can have brought a failure of the class. */
  readonly allowed: readonly Knob[];
  readonly truths: HostTruths;
  /** When it last worked; undefined where it never did on record. */
  readonly workedAt: number | undefined;
  /** Whether the firmware demanded a region of the group already when it last worked; undefined: not known. */
  readonly demandedThen: boolean | undefined;
  /** A BIOS on record under which the group had no region, the newest of them. */
  readonly biosWithout: string | undefined;
  readonly biosNow: string | undefined;
  /** Whether it has failed since it last worked although this fact had its old value again. */
  readonly failedWith: (change: Change) => boolean;
}

/** Less than this is no reason to go back. */
const LEAST_SHARE = 0.1;
const MOST = 2;

/** What to go back to, the likeliest first. Nothing that was tried already, and nothing that did not change. */
export function goBacks(options: GoBackOptions): readonly GoBack[] {
  const { lines, causeClass, workedAt, biosWithout, biosNow } = options;
  const candidates = workedAt === undefined ? [] : lines.filter((line) => isCandidate(line, options));
  const rated = candidates.some(({ probability }) => probability !== undefined);
  const found = candidates
    .filter(({ probability }) => !rated || (probability ?? 0) >= LEAST_SHARE || causeClass === DIRECT)
    .flatMap((line) => goBackOf(line, workedAt ?? 0))
    .slice(0, MOST);
  if (causeClass !== DIRECT || found.some(({ knob }) => knob === "BIOS")) return found;
  if (biosWithout === undefined) return found;
  if (biosNow !== undefined && isSameBiosVersion(biosWithout, biosNow))
    return [
      ...found,
      {
        knob: "BIOS setting",
        to: undefined,
        sentence: `Set back what was changed in the firmware's set-up: the same BIOS ${biosNow} was without the demand before.`,
      },
    ];
  const sentence = `Go back to BIOS ${biosWithout}, the last one on record without the demand.`;
  return [...found, { knob: "BIOS", to: biosWithout, sentence }];
}

const DIRECT: CauseClass = "iommu-direct-mapping-required";

function isCandidate({ knob, changes: [change] }: ChangeLine, options: GoBackOptions): boolean {
  if (knob === undefined || change === undefined || !options.allowed.includes(knob)) return false;
  if (options.failedWith(change)) return false;
  if (options.causeClass !== DIRECT) return true;
  // Law 12: the refusal needs the firmware's demand and a kernel that minds it; either one back heals.
  if (knob === "kernel") return beganToRefuse(change, options.truths);
  return knob !== "BIOS" || options.demandedThen !== true;
}

/** The kernel that worked gave the device away whatever the firmware demanded, and this one does not. */
function beganToRefuse({ before, after }: Change, { cpu }: HostTruths): boolean {
  const [then, now] = [before, after].map((value) => refusesDirectRegions(textOf(value) ?? "", cpu ?? "amd"));
  return then === false && now === true;
}

function goBackOf({ knob, sentence, changes: [change] }: ChangeLine, workedAt: number): readonly GoBack[] {
  if (knob === undefined || change === undefined) return [];
  const to = textOf(change.before);
  const worked = `it last worked on ${formatDay(workedAt)}`;
  const told = (text: string): readonly GoBack[] => [{ knob, to, sentence: text }];
  switch (knob) {
    case "BIOS":
      if (to === undefined) return [];
      return told(
        `Go back to ${change.key.endsWith(".date") ? "the BIOS of" : "BIOS"} ${to}, with which ${worked}.`,
      );
    case "kernel":
      return to === undefined ? [] : told(`Boot kernel ${to} again, with which ${worked}.`);
    case "QEMU":
    case "libvirt":
      return to === undefined ? [] : told(`Go back to ${knob} ${to}, with which ${worked}.`);
    case "operating system":
      return to === undefined
        ? []
        : told(`Go back to version ${to} of the operating system, with which ${worked}.`);
    case "kernel parameter":
    case "module option": {
      const name = change.key.split(".").slice(2).join(".").replaceAll("%2e", ".").replaceAll("%25", "%");
      return told(
        to === undefined
          ? `Take the ${knob} ${name} out again; without it ${worked}.`
          : `Set the ${knob} ${name} back to ${to}, with which ${worked}.`,
      );
    }
    case "definition of VM":
      return told(`Undo the change of the VM's definition (${sentence}); without it ${worked}.`);
    case "card in its slot":
      return told(`Put the cards back as they were (${sentence}); so ${worked}.`);
    case "device binding":
      return told(`Undo the change of the binding (${sentence}); without it ${worked}.`);
    default:
      return told(`Undo this change (${sentence}); without it ${worked}.`);
  }
}
