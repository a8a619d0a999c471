import type { CauseClass } from "../../model/catalogue.ts";
import type { Certainty } from "../../model/diagnosis.ts";
import type { Bdf, SignatureId, VmName } from "../../model/identifiers.ts";
import type { NamedHost } from "./named-host.ts";
import type { LookedAt, Understanding } from "./understanding.ts";

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

/** A start that failed before the one that the answer is about. */
export interface OtherStart {
  /** As the text has it; undefined where it names none. */
  readonly when: string | undefined;
  readonly vms: readonly VmName[];
  readonly class: CauseClass | "unknown";
  readonly sentence: string;
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
  /** Other starts that failed, which the text tells of before; oldest first. */
  readonly others: readonly OtherStart[];
  /** The host as the text describes it. */
  readonly host: NamedHost;
  /** `trouble`: something is wrong. What nobody understands is not healthy. */
  readonly understanding: Understanding | "trouble";
  readonly lookedAt: LookedAt;
  /** Characters of the text that were not looked at; 0 for all but logs of many megabytes and endless lines. */
  readonly unread: number;
}
