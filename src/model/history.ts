import type { Outcome } from "./attempt.ts";
import type { CauseClass } from "./catalogue.ts";
import type { Snapshot } from "./fact.ts";
import type { Bdf, BootId, VmName } from "./identifiers.ts";

/** Where a row of the history comes from: seen live by this service, or taken in later from older material. */
export type Origin = "live" | "imported";

/** One boot of the host. Boots are told apart by id and ordered by `ordinal`, never by wall time alone. */
export interface BootRecord {
  readonly id: BootId;
  /** Position in the host's sequence of boots; larger is later. */
  readonly ordinal: number;
  /** UTC epoch milliseconds, as the host believed at the time. */
  readonly startedAt: number;
  readonly lastSeenAt: number;
  /** `unknown` while it runs and where nobody was there to see. */
  readonly end: "clean" | "unclean" | "unknown";
  readonly origin: Origin;
  /** The newest snapshot of this boot. */
  readonly snapshotId: string | undefined;
}

/** One start attempt as the history needs it, without its evidence. */
export interface AttemptRecord {
  readonly id: string;
  readonly vm: VmName;
  readonly bootId: BootId | undefined;
  /** Ordinal of its boot; undefined where the boot is not known. */
  readonly bootOrdinal: number | undefined;
  readonly openedAt: number;
  /** The same by a clock that nobody sets, in milliseconds of the boot: the order of starts within it. */
  readonly steady?: number;
  readonly closedAt: number | undefined;
  readonly outcome: Outcome;
  readonly devices: readonly Bdf[];
  readonly groups: readonly number[];
  /** Best cause of a failed one; undefined where unknown or not failed. */
  readonly cause: CauseClass | undefined;
  readonly summary: string | undefined;
  /** The host's facts at the time of the attempt. */
  readonly snapshotId: string | undefined;
  readonly origin: Origin;
}

/** Resolves snapshot ids; history functions get it as an argument so that they stay pure. */
export type SnapshotLookup = (id: string) => Snapshot | undefined;
