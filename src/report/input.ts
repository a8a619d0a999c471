import type { Answer } from "../answer/answer.ts";
import type { Outcome } from "../model/attempt.ts";
import type { Fact } from "../model/fact.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { StoredAttempt } from "../store/attempt-store.ts";
import type { Sighting } from "../store/record-stores.ts";
import type { TimeLine } from "./document.ts";

/** Everything that a report is made from: plain values, read before. */
export interface ReportInput {
  /** UTC epoch milliseconds. */
  readonly madeAt: number;
  readonly madeBy: string;
  /** The start in question; undefined for a report of the host alone. */
  readonly attempt: StoredAttempt | undefined;
  /** The VM that is asked about, also without a failed start. */
  readonly vm: VmName | undefined;
  readonly devices: readonly Bdf[];
  readonly facts: readonly Fact[];
  /** When the facts were so, in words, e.g. `as they were at that start`. */
  readonly factsFrom: string;
  /** The one answer for the start; undefined for a report of the host alone. */
  readonly answer: Answer | undefined;
  /** What the kernel said in the start's boot beside its starts. */
  readonly hostSaid: readonly Sighting[];
  /** Oldest first; starts in a row that went the same way on the same machine are one. */
  readonly tried: readonly TriedStart[];
  /** Starts before the first of `tried`. */
  readonly triedEarlier: number;
  readonly blame: BlameFindings | undefined;
  readonly timeLine: TimeLine | undefined;
  /** What could not be read for this report, a sentence each. */
  readonly missing: readonly string[];
}

export interface TriedStart {
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly at: number;
  readonly outcome: Outcome;
  readonly summary: string | undefined;
  readonly bios: string | undefined;
  readonly imported: boolean;
  /** What differed from the one before; undefined where that is not known. */
  readonly differences: "first" | readonly string[] | undefined;
}

/** The verdict of the history, in words. */
export interface BlameFindings {
  /** The answer in one sentence, with its certainty. */
  readonly headline: string;
  /** What the certainty means; empty where there is none. */
  readonly certainty: string;
  /** BIOS version by outcome, the header first; empty where nothing is on record. */
  readonly biosTable: readonly (readonly string[])[];
  /** What speaks for and against each suspect, and what would tell them apart. */
  readonly sections: readonly { readonly title: string; readonly lines: readonly string[] }[];
  /** The BIOS is the answer, or among what cannot be told apart from it. */
  readonly biosBlamed: boolean;
}
