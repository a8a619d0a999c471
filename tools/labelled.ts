import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeviceClass } from "../src/diagnosis/rank.ts";
import { CAUSE_CLASSES } from "../src/model/catalogue.ts";

/** Log text that real users posted; it stays outside of the project. */
export const SHARED_CORPUS = join(import.meta.dirname, "../../shared/corpus");

/** A labelled case; `accept` holds the answers that are right: cause classes, `none`, `unknown`, `*`. */
export interface LabelledCase {
  readonly id: string;
  readonly log: string;
  readonly class: string;
  readonly accept: readonly string[];
  readonly vm_start_failure: boolean | null;
  readonly vfio_related: boolean;
  /** What the text names; the reader wrote down one VM and one group at most. */
  readonly bdf: readonly string[];
  readonly group: number | null;
  readonly vm: string | null;
}

/**
 * The cases of a file, one JSON object a line. Its label for a start that failed without VFIO takes any of ten answers;
 * where somebody has read what the text shows, only that is right.
 */
export function readCases(path: string): readonly LabelledCase[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line): LabelledCase => JSON.parse(line))
    .map((labelled) => {
      const shown = labelled.class === WITHOUT_VFIO ? SHOWN[labelled.id] : undefined;
      return shown === undefined ? labelled : { ...labelled, accept: shown };
    });
}

/** The label of starts that failed over something else than a device. */
export const WITHOUT_VFIO = "start-failed-other";

const DEFINITION = ["vm-config-invalid"];
const RESOURCE = ["host-resource-missing"];
const KVM = ["kvm-unavailable"];
const NOTHING = ["unknown"];
/** What a reader finds in the text of a case: which option, file, network or processor is at fault, or none. */
const SHOWN: Readonly<Record<string, readonly string[]>> = {
  c009: DEFINITION,
  c016: RESOURCE,
  c035: DEFINITION,
  c051: DEFINITION,
  c062: DEFINITION,
  c129: DEFINITION,
  // A disk image of a size that QEMU does not open.
  c145: [...RESOURCE, ...NOTHING],
  c158: ["vm-killed"],
  c177: DEFINITION,
  c178: KVM,
  c207: RESOURCE,
  c237: RESOURCE,
  c254: ["guest-address-space", "memory-alloc-failed"],
  c275: RESOURCE,
  c335: [...DEFINITION, ...KVM],
  c336: [...RESOURCE, ...DEFINITION],
  c356: ["access-denied", ...NOTHING],
  c398: KVM,
  c403: [...DEFINITION, ...RESOURCE],
  c409: NOTHING,
  c436: RESOURCE,
  c467: KVM,
  c479: RESOURCE,
  c500: RESOURCE,
  c504: DEFINITION,
  c513: NOTHING,
  // Xen names the IOMMU.
  c535: ["iommu-not-enabled", ...NOTHING],
  c548: RESOURCE,
};

/** `*` stands for every cause that is about a device, and for an honest "unknown". */
export function isRight(accept: readonly string[], answer: string): boolean {
  return accept.includes(answer) || (accept.includes("*") && (answer === "unknown" || isAboutDevice(answer)));
}

/** Whether an answer says that a passed-through device is in trouble. */
export function isAboutDevice(answer: string): boolean {
  const causeClass = CAUSE_CLASSES.find((candidate) => candidate === answer);
  return causeClass !== undefined && isDeviceClass(causeClass);
}
