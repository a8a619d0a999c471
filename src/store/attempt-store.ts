import type { Outcome, StartAttempt } from "../model/attempt.ts";
import type { CauseClass, Signature } from "../model/catalogue.ts";
import type { AttemptRecord, Origin } from "../model/history.ts";
import type { Bdf, BootId, SignatureId, VmName } from "../model/identifiers.ts";

/** Gives the catalogue's signature for an id that was stored; undefined where it no longer exists. */
export type SignatureLookup = (id: SignatureId) => Signature | undefined;

/** A settled attempt without its evidence, with the short number that people type (`show 12`). */
export interface AttemptRow extends AttemptRecord {
  readonly number: number;
}

/** What is quickly known of an attempt that did not start. */
export type FailedAttempt = Pick<AttemptRow, "number" | "vm" | "openedAt" | "outcome" | "cause">;

/** An attempt with all its evidence. Its observations come back without `resume`. */
export interface StoredAttempt extends StartAttempt {
  readonly number: number;
  readonly origin: Origin;
  readonly snapshotId: string | undefined;
  /** Evidence that went over the size limit of one attempt and was left out. */
  readonly evidenceLeftOut: number;
}

export interface AttemptFilter {
  /** The VM that is or was called so, under all its names, with those of which it is the successor. */
  readonly vm?: VmName;
  /** Only attempts that passed this device through. */
  readonly device?: Bdf;
  /** Only attempts that passed one of these through. */
  readonly devices?: readonly Bdf[];
  readonly bootId?: BootId;
  /** Every outcome but `started`. */
  readonly failedOnly?: boolean;
  /** Also those that the host took with it when it went down; they have no outcome. */
  readonly cutShortToo?: boolean;
  /** Only the outcome `started`. */
  readonly startedOnly?: boolean;
  /** Bounds of `openedAt`, both inclusive. */
  readonly since?: number;
  readonly until?: number;
  /** Only starts that come before, or after, the one of this number: by boot, within it by a clock that nobody sets. */
  readonly before?: number;
  readonly after?: number;
  readonly limit?: number;
  /** By boot, then time. Default `newest`. */
  readonly first?: "newest" | "oldest";
}

/**
 * Attempts of one VM in one boot, without a sleep of the host in between, that went the same way: what `blame` counts,
 * without loading each of them.
 */
export interface AttemptTally {
  readonly vm: VmName;
  readonly bootId: BootId | undefined;
  readonly bootOrdinal: number | undefined;
  /** How often the host had slept in that boot before; absent where it had not. */
  readonly wake?: number;
  readonly outcome: Outcome;
  readonly cause: CauseClass | undefined;
  readonly devices: readonly Bdf[];
  readonly snapshotId: string | undefined;
  readonly origin: Origin;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly firstNumber: number;
  readonly lastNumber: number;
}

export interface AttemptStore {
  /**
   * Makes the stored attempt equal to the given one, with evidence and diagnosis, in one durable transaction;
   * returns its number. Idempotent by id. An omitted `snapshotId` keeps the stored one; what was seen live is
   * never overwritten by an import. Evidence beyond 48 KB is left out, the least telling first, and counted.
   */
  save(attempt: StartAttempt, extra: { readonly snapshotId?: string; readonly origin: Origin }): number;
  /**
   * Attempts that are still open, oldest first, so that a restarted service goes on with them. Those of one boot are
   * found at once; without it every attempt is looked at.
   */
  open(signatures: SignatureLookup, bootId?: BootId): readonly StoredAttempt[];
  /** Whether a start of the VM that came after the one of this number went well. */
  hasStartedAfter(vm: VmName, number: number): boolean;
  /** Numbers of the newest settled attempts of one boot, at most `most` of each VM. */
  newestOfEachVm(bootId: BootId, most: number): readonly number[];
  /** What a number (also as text) or an id means. */
  find(numberOrId: number | string):
    | {
        readonly number: number;
        readonly id: string;
        readonly vm: VmName;
        readonly outcome: Outcome | undefined;
      }
    | undefined;
  /** Settled attempts. */
  list(filter?: AttemptFilter): readonly AttemptRow[];
  /** The newest settled attempts that did not start, newest first, with only what tells whose they are. */
  newestFailures(limit: number): readonly FailedAttempt[];
  /** How many starts the host took with it when it went down; they have no outcome. */
  cutShort(filter: Pick<AttemptFilter, "vm">): number;
  /** Settled attempts, counted; oldest first by boot and time of the first. `limit` and `first` are ignored. */
  tallies(filter?: AttemptFilter): readonly AttemptTally[];
  full(numberOrId: number | string, signatures: SignatureLookup): StoredAttempt | undefined;
}
