import type { Fact, FactGroup, FactValue, Snapshot } from "../model/fact.ts";
import type { BootRecord, Origin, SnapshotLookup } from "../model/history.ts";
import type { BootId } from "../model/identifiers.ts";

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
  /** Where in that order a boot stands; undefined for one that is not known. */
  ordinalOf(id: BootId): number | undefined;
}

/** A moment at which the facts were taken. */
export interface SnapshotMoment {
  readonly bootId: BootId;
  readonly at: number;
  /** The same by a clock that nobody sets, in milliseconds of the boot. */
  readonly steady?: number;
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
  readonly indexes: ArrayLike<number>;
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
  /** Compares snapshots; with `isWanted` only the facts with such keys, which is quicker. */
  series(ids: readonly string[], isWanted?: (key: string) => boolean): SnapshotSeries;
  /** One fact in one snapshot, without loading the others. */
  fact(id: string, key: string): Fact | undefined;
}
