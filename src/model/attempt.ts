import type { SignatureMatch } from "./catalogue.ts";
import type { Diagnosis } from "./diagnosis.ts";
import type { Bdf, BootId, VmName } from "./identifiers.ts";
import type { Observation } from "./observation.ts";

/** `refused`: the platform's own policy forbade the start (law 10). `crashed-early`: it ran, and died within minutes. */
export type Outcome = "started" | "failed" | "crashed-early" | "refused";

/** One thing that was said about a start attempt. */
export interface Evidence {
  readonly observation: Observation;
  /** What the catalogue knows about it; empty for plain context. */
  readonly matches: readonly SignatureMatch[];
  /** How often the same was said in a row; the observation is the first. */
  readonly count: number;
  /** UTC epoch milliseconds of the last repetition. */
  readonly lastAt: number;
}

/** One try to start one VM. */
export interface StartAttempt {
  /** Deterministic: VM, boot and first sign. The same attempt read twice has the same id. */
  readonly id: string;
  readonly vm: VmName;
  readonly bootId: BootId | undefined;
  /** UTC epoch milliseconds of its first sign. */
  readonly openedAt: number;
  /** When that was by a clock that nobody sets, in milliseconds of the boot: the order of starts within it. */
  readonly steady?: number;
  /** UTC epoch milliseconds of its last sign; undefined while it is open. */
  readonly closedAt: number | undefined;
  /** The same by the clock that nobody sets; not stored. */
  readonly closedSteady?: number;
  /** Undefined while it is open. */
  readonly outcome: Outcome | undefined;
  /** Passed-through devices as the definition or the command line names them. */
  readonly devices: readonly Bdf[];
  /** IOMMU groups of those devices. */
  readonly groups: readonly number[];
  /** In order of time. */
  readonly evidence: readonly Evidence[];
  /** Present once a failed attempt has settled. */
  readonly diagnosis?: Diagnosis;
}
