import type { CauseClass } from "./catalogue.ts";
import type { Bdf, SignatureId } from "./identifiers.ts";

/** `certain`: the kernel or QEMU said so, or the host's state leaves no other way. `possible`: fits, unproven. */
export type Certainty = "certain" | "likely" | "possible";

/** One reason why a start failed. */
export interface Cause {
  readonly class: CauseClass;
  readonly certainty: Certainty;
  /** The signature or state check that speaks for it. */
  readonly signature: SignatureId;
  /** One sentence for a person. */
  readonly sentence: string;
  /** What to do that the catalogue does not know: where to look up a message that it does not have. */
  readonly remedies?: readonly string[];
  /** What the catalogue's advice may name: what the pattern caught, or the check of the host's state saw. */
  readonly names?: Readonly<Record<string, string>>;
  /** Lines or facts, word for word. */
  readonly evidence: readonly string[];
  readonly devices: readonly Bdf[];
  readonly groups: readonly number[];
}

/** Why a start failed: best cause first; empty means that nobody knows, and the answer is "unknown". */
export interface Diagnosis {
  readonly causes: readonly Cause[];
  /** The answer in one sentence. */
  readonly summary: string;
  /** Whether a passed-through device, VFIO or the IOMMU is what is in trouble. */
  readonly deviceRelated: boolean;
  /** Advice that people repeat for this failure and that has no effect. */
  readonly noEffect: readonly string[];
}
