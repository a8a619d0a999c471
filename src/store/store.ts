import type { AlertStore } from "../model/alert.ts";
import type { Outcome, StartAttempt } from "../model/attempt.ts";
import type { CauseClass, Signature } from "../model/catalogue.ts";
import type { Fact, FactGroup, FactValue, Snapshot } from "../model/fact.ts";
import type { AttemptRecord, BootRecord, Origin, SnapshotLookup } from "../model/history.ts";
import type { Bdf, BootId, SignatureId, VmName } from "../model/identifiers.ts";
import type { Gap, ResumePoint, SourceName } from "../model/observation.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";

/**
 * The store as the rest of the program sees it. All times are UTC epoch milliseconds; all lists are plain
 * values. What the disk refuses throws `StoreRefusal`: a write leaves everything that was stored as it was, a read is
 * refused by a damaged file or a failing disk alone. Callers that must go on use `durable` or `batched`, which turn the
 * refusal into a value.
 */
export interface Store {
  /** The database file. */
  readonly path: string;
  readonly readOnly: boolean;
  readonly attempts: AttemptStore;
  readonly sightings: SightingStore;
  readonly gaps: GapStore;
  readonly resumePoints: ResumePointStore;
  readonly boots: BootStore;
  readonly snapshots: SnapshotStore;
  readonly vms: VmStore;
  readonly alerts: AlertStore;
  readonly meta: MetaStore;
  /**
   * Runs `work` in one transaction that is on the disk when this returns (`synchronous=FULL`); nests. An error
   * of `work` itself rolls back and is thrown on.
   */
  durable<T>(work: () => T): Written<T>;
  /**
   * Runs `work` in one transaction that survives a crash of the program but may miss the last moments before a
   * power cut. A write inside that has to be durable (an attempt, an alert) makes the whole batch durable.
   */
  batched<T>(work: () => T): Written<T>;
  /**
   * One bounded step of retention; call again until `done`. Keeps for every VM the attempts on both sides of
   * every change of outcome and the newest ones, as long as the size cap allows.
   */
  prune(limits: RetentionLimits): PruneStep;
  /** What the store could not do, the newest first; those with no `until` still last. */
  troubles(): readonly StoreTrouble[];
  /** Whether somebody removed or replaced the file while it is open here: what is written is lost then. */
  isDisplaced(): boolean;
  /** Size of database and write-ahead log together (bytes); cheap enough to be asked all the time. */
  bytes(): number;
  /** Counts rows, which takes a while in a long history. */
  stats(): StoreStats;
  /** Ends every use of the file. The store must not be used afterwards. */
  close(): void;
}

export interface OpenStoreOptions {
  /** The database file; its directory is made where it is missing. */
  readonly path: string;
  readonly clock: { now(): number };
  /** For commands beside a running service: takes no lock, writes nothing. */
  readonly readOnly?: boolean;
}

/** What came of opening. `why` and `remedy` are sentences for a person. */
export type OpenedStore =
  | { readonly state: "open"; readonly store: Store }
  | {
      readonly state: "refused";
      readonly reason: RefusalReason;
      readonly why: string;
      readonly remedy: string;
    };

export type RefusalReason =
  /** Read-only: nothing has been stored yet. */
  | "missing"
  /** Another process writes; `why` names its pid. */
  | "locked"
  /** Written by a newer version of this program; `why` names both versions. */
  | "newer"
  /** Read-only: the service has not yet brought the database up to this version. */
  | "older"
  /** Read-only: damaged; the service moves it aside at its next start. */
  | "damaged"
  /** The directory or the file cannot be read or written, or the disk is full. */
  | "inaccessible";

/** What came of a write. */
export type Written<T> =
  | { readonly state: "written"; readonly value: T }
  | { readonly state: "refused"; readonly trouble: StoreTrouble };

export type StoreTroubleKind =
  | "quarantined"
  | "disk-full"
  | "read-only"
  | "input-output"
  | "damaged"
  | "busy"
  | "no-write-ahead-log";

export interface StoreTrouble {
  readonly kind: StoreTroubleKind;
  readonly since: number;
  /** Undefined while it lasts. */
  readonly until: number | undefined;
  /** What and where, one sentence. */
  readonly why: string;
  readonly remedy: string;
  /** How many writes it refused. */
  readonly times: number;
}

/** Thrown by a write that the disk refuses; the transaction has been rolled back. */
export class StoreRefusal extends Error {
  readonly trouble: StoreTrouble;
  constructor(trouble: StoreTrouble) {
    super(trouble.why);
    this.name = "StoreRefusal";
    this.trouble = trouble;
  }
}

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
  readonly vm?: VmName;
  /** Only attempts that passed this device through. */
  readonly device?: Bdf;
  /** Only attempts that passed one of these through. */
  readonly devices?: readonly Bdf[];
  readonly bootId?: BootId;
  /** Every outcome but `started`. */
  readonly failedOnly?: boolean;
  /** Only the outcome `started`. */
  readonly startedOnly?: boolean;
  /** Bounds of `openedAt`, both inclusive. */
  readonly since?: number;
  readonly until?: number;
  readonly limit?: number;
  /** By boot, then time. Default `newest`. */
  readonly first?: "newest" | "oldest";
}

/** Attempts of one VM in one boot that went the same way: what `blame` counts, without loading each of them. */
export interface AttemptTally {
  readonly vm: VmName;
  readonly bootId: BootId | undefined;
  readonly bootOrdinal: number | undefined;
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
  /** Settled attempts, counted; oldest first by boot and time of the first. `limit` and `first` are ignored. */
  tallies(filter?: AttemptFilter): readonly AttemptTally[];
  full(numberOrId: number | string, signatures: SignatureLookup): StoredAttempt | undefined;
}

/** A known line that belongs to no attempt, repeats collapsed. */
export interface Sighting {
  readonly bootId: BootId | undefined;
  readonly source: SourceName;
  readonly signature: SignatureId;
  readonly device: Bdf | undefined;
  /** Bounded; empty for the row that collects what came after too many different texts. */
  readonly text: string;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** Microseconds since boot of the first, where known. */
  readonly firstMonotonicUs: number | undefined;
}

/** One or more equal lines to be counted. */
export interface SightingInput {
  readonly bootId?: BootId;
  readonly source: SourceName;
  readonly signature: SignatureId;
  readonly device?: Bdf;
  readonly text: string;
  readonly at: number;
  readonly monotonicUs?: number;
  /** Default 1. */
  readonly count?: number;
}

export interface TimeFilter {
  readonly bootId?: BootId;
  readonly since?: number;
  readonly until?: number;
  readonly limit?: number;
}

export interface SightingStore {
  /**
   * Counts lines, batched. Not idempotent by itself: save the source's resume point in the same `batched` call
   * and a crash neither loses nor doubles a count.
   */
  record(lines: readonly SightingInput[]): void;
  /** By last time, newest first. */
  list(filter?: TimeFilter & { readonly signature?: SignatureId }): readonly Sighting[];
}

export interface StoredGap {
  readonly bootId: BootId | undefined;
  readonly source: SourceName;
  readonly at: number;
  readonly lost: number | undefined;
  readonly detail: string;
}

export interface GapStore {
  /** Idempotent by source and identity; durable. */
  record(gap: Gap): void;
  /** Newest first. */
  list(filter?: TimeFilter): readonly StoredGap[];
}

export interface ResumePointStore {
  /** By key. */
  load(): ReadonlyMap<string, string>;
  /** Batched; unchanged ones are not written. */
  save(points: readonly ResumePoint[]): void;
  forget(keys: readonly string[]): void;
}

export interface BootStore {
  /**
   * Makes a boot known. A live boot comes after every boot known so far, whatever its wall clock says; an
   * imported one is put where its start time belongs. For a known boot it only adds what was not known.
   */
  begin(boot: {
    readonly id: BootId;
    readonly startedAt: number;
    readonly origin: Origin;
    readonly lastSeenAt?: number;
    readonly end?: BootRecord["end"];
  }): void;
  /** The boot still ran at this time. Batched; call it seldom. */
  touch(id: BootId, at: number): void;
  end(id: BootId, end: "clean" | "unclean"): void;
  /** In order, first boot first; ordinals count from 1. */
  list(): readonly BootRecord[];
  get(id: BootId): BootRecord | undefined;
}

/** A moment at which the facts were taken. */
export interface SnapshotMoment {
  readonly bootId: BootId;
  readonly at: number;
  readonly snapshotId: string;
  /** e.g. `service start`, `start attempt`, `config file`, `schedule`. */
  readonly reason: string;
}

/** A fact and its value in each of several snapshots, for facts that are not the same in all of them. */
export interface VaryingFact {
  readonly group: FactGroup;
  readonly key: string;
  /** The distinct values. */
  readonly values: readonly FactValue[];
  /** For each asked snapshot, in the asked order, the index into `values`; -1 where the snapshot lacks the key. */
  readonly indexes: Int32Array;
}

/** Several snapshots side by side. */
export interface SnapshotSeries {
  /** Facts that are not the same in all that are stored, ordered by group and key. */
  readonly varying: readonly VaryingFact[];
  /** Facts that are the same in all that are stored. */
  readonly constants: readonly Fact[];
  /** For each asked snapshot, in the asked order, whether it is stored; one that is not lacks every key. */
  readonly stored: readonly boolean[];
}

export interface SnapshotStore {
  /** Stores the facts unless a snapshot with this id is there; returns whether it was new. Batched. */
  save(snapshot: Snapshot): boolean;
  /** Facts ordered by group and key. */
  get: SnapshotLookup;
  /** Those of the snapshots that are stored, by id: quicker than one by one, since most of their facts are the same. */
  several(ids: readonly string[]): ReadonlyMap<string, Snapshot>;
  has(id: string): boolean;
  /**
   * Notes that the machine was so at this moment. The same snapshot in a row in one boot is noted once, so an
   * unchanged machine adds nothing; returns whether a row was added. Batched.
   */
  link(moment: SnapshotMoment): boolean;
  /** Moments in order of boot and time. */
  timeline(bootId?: BootId): readonly SnapshotMoment[];
  /** Ids of all snapshots that a moment speaks of, each once, in the order in which they were last taken. */
  inOrder(): readonly string[];
  /**
   * Keys of the facts that are not the same within one of these pairs, without loading the snapshots. A pair of which
   * one is not stored gives none.
   */
  changedKeys(pairs: readonly (readonly [before: string, after: string])[]): ReadonlySet<string>;
  /** Compares snapshots; with `isWanted` only the facts with such keys, which is quicker. */
  series(ids: readonly string[], isWanted?: (key: string) => boolean): SnapshotSeries;
  /** One fact in one snapshot, without loading the others. */
  fact(id: string, key: string): Fact | undefined;
}

export interface KnownVm {
  readonly definition: VmDefinition;
  /** When this definition was first seen in this form. */
  readonly since: number;
  /** Undefined while libvirt lists it. */
  readonly goneAt: number | undefined;
}

export interface VmStore {
  /** The VMs that libvirt lists now; others are marked as gone. Batched; writes only what changed. */
  remember(definitions: readonly VmDefinition[], at: number): void;
  /** One VM, e.g. from a `defined` event. */
  rememberOne(definition: VmDefinition, at: number): void;
  list(): readonly KnownVm[];
  get(vm: VmName): KnownVm | undefined;
  /** Which device is in which IOMMU group now; devices that are missing keep their last known group (law 3). */
  rememberGroups(groups: ReadonlyMap<Bdf, number>, bootId: BootId, at: number): void;
  /** Last known groups; with `bootId` only what was seen in that boot. */
  groups(bootId?: BootId): ReadonlyMap<Bdf, number>;
  /** Last known groups of these devices, each once, ascending. */
  groupsOf(devices: readonly Bdf[]): readonly number[];
}

export interface MetaStore {
  get(key: string): string | undefined;
  /** Batched; an equal value is not written. */
  set(key: string, value: string): void;
  delete(key: string): void;
}

export interface RetentionLimits {
  readonly now: number;
  readonly maxAgeMs: number;
  /** Size of database and write-ahead log together, bytes. */
  readonly maxBytes: number;
  /** Newest attempts of each VM that stay whatever their age; default 20. */
  readonly keepNewest?: number;
}

export interface PruneStep {
  /** Nothing is left to do. */
  readonly done: boolean;
  readonly dropped: DroppedCounts;
  /** Size of database and write-ahead log after the step, bytes. */
  readonly bytes: number;
  /** Why the disk did not let the step happen; `done` is then true, so that nobody tries at once again. */
  readonly trouble?: StoreTrouble;
}

export interface DroppedCounts {
  readonly attempts: number;
  readonly evidence: number;
  readonly sightings: number;
  readonly gaps: number;
  readonly boots: number;
  readonly snapshots: number;
  readonly incidents: number;
}

export interface StoreStats {
  readonly schemaVersion: number;
  /** Bytes of the database file and of its write-ahead log. */
  readonly bytes: number;
  readonly walBytes: number;
  readonly rows: {
    readonly attempts: number;
    readonly openAttempts: number;
    readonly evidence: number;
    readonly sightings: number;
    readonly gaps: number;
    readonly boots: number;
    readonly snapshots: number;
    readonly facts: number;
    readonly incidents: number;
    readonly pendingDeliveries: number;
  };
  /** Newest commit of this process; undefined before the first. */
  readonly lastCommitAt: number | undefined;
  /** Everything that retention ever dropped. */
  readonly dropped: DroppedCounts;
}
