import type { AlertStore } from "../model/alert.ts";
import type { AttemptStore } from "./attempt-store.ts";
import type { ExportReads } from "./export-reads.ts";
import type {
  GapStore,
  HotPlugStore,
  MetaStore,
  ResumePointStore,
  SightingStore,
  UnfinishedStore,
  VmStore,
} from "./record-stores.ts";
import type { StoreTrouble, Written } from "./refusal.ts";
import type { BootStore, SnapshotStore } from "./snapshot-store.ts";

/**
 * The store as the rest of the program sees it. All times are UTC epoch milliseconds; all lists are plain
 * values. What the disk refuses throws `StoreRefusal`: a write leaves everything that was stored as it was, a read is
 * refused by a damaged file or a failing disk alone. Callers that must go on use `durable` or `batched`, which turn the
 * refusal into a value.
 */
export interface Store {
  /** The database file: that which was asked for, or the one beside it. */
  readonly path: string;
  readonly readOnly: boolean;
  readonly attempts: AttemptStore;
  readonly sightings: SightingStore;
  readonly gaps: GapStore;
  readonly hotPlugs: HotPlugStore;
  readonly resumePoints: ResumePointStore;
  readonly unfinished: UnfinishedStore;
  readonly boots: BootStore;
  readonly snapshots: SnapshotStore;
  readonly vms: VmStore;
  readonly alerts: AlertStore;
  readonly meta: MetaStore;
  /** For a fleet, which takes rows by their numbers. */
  readonly exports: ExportReads;
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
  /** Gives back the memory of pages that are only kept to be read faster. */
  letGo(): void;
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
  /**
   * For whoever the running service, which holds the lock, has let in to take older material in. That is safe because
   * no table keeps rows in memory: transactions of two processes take turns, and each reads what the other wrote.
   */
  readonly besideService?: boolean;
  /** Second copies of the history, the newest first, for when it is damaged. */
  readonly copies?: readonly string[];
  /** Called when the file is found damaged while it is in use: opened anew, it is saved as far as it can be read. */
  readonly onDamage?: () => void;
  /** For the service, which watches in any case: a history that cannot be in its place is kept in a file beside it. */
  readonly orBeside?: boolean;
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
  /** Something else is in its place: another program's database, a directory, a pipe, a link to nowhere. */
  | "occupied"
  /** The directory or the file cannot be read or written, or the disk is full. */
  | "inaccessible";

export interface RetentionLimits {
  /** The time that ages are counted from. */
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
  readonly hotPlugs: number;
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
