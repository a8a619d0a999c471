import type { TrackerSettings } from "../attempts/tracking.ts";
import type { Clock } from "../clock.ts";
import type { MessageFinder } from "../diagnosis/generated/unknown-causes.ts";
import type { Matcher } from "../diagnosis/matcher.ts";
import type { StartAttempt } from "../model/attempt.ts";
import type { Origin } from "../model/history.ts";
import type { HostState, VmStatus } from "../model/host-state.ts";
import type { HotPlug } from "../model/hot-plug.ts";
import type { BootId, VmName } from "../model/identifiers.ts";
import type { SignatureLookup } from "../store/attempt-store.ts";
import type { StoreTrouble } from "../store/refusal.ts";
import type { Store } from "../store/store.ts";
import type { Unrecorded, WasTold } from "./unstored.ts";

export interface PipelineSettings extends TrackerSettings {
  /** Evidence is on the disk this long after it was said, at the latest (ms). */
  readonly saveWithinMs: number;
  /** Positions after ordinary lines are stored this seldom, to spare flash memory (ms). */
  readonly savePositionsEveryMs: number;
}

/** What suits a live host; the settling times come from the configuration. */
export const PIPELINE_DEFAULTS: PipelineSettings = {
  settlingMs: 120_000,
  crashedEarlyMs: 300_000,
  quietMs: 150,
  saveWithinMs: 20,
  savePositionsEveryMs: 600_000,
};

/** What follows a hot-plug that failed, inside the transaction that stores it. `summary` says why, in a sentence. */
export type HotPlugHandler = (hotPlug: HotPlug, summary: string, told: WasTold) => void;

/**
 * What follows a settled attempt, inside the transaction that stores it: alerts are queued here. `wasSettled`: it is
 * stored as settled already, and more was said of it since.
 */
export type SettledHandler = (
  attempt: StartAttempt,
  number: number,
  snapshotId: string | undefined,
  told: WasTold,
  wasSettled: boolean,
) => void;

/** What the pipeline works with, and whom it tells. */
export interface PipelineOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly matcher: Matcher;
  readonly signatures: SignatureLookup;
  readonly bootId: BootId | undefined;
  readonly settings: PipelineSettings;
  readonly origin: Origin;
  /** Reads the host's state now. */
  readonly readHost: (vms: readonly VmStatus[]) => HostState;
  /** What programs' sources can print, for what no signature knows; without it that stays unexplained. */
  readonly findMessages?: MessageFinder;
  /** Takes the facts now, stores them and gives the snapshot's id; undefined where it failed. */
  readonly takeSnapshot: (reason: string) => string | undefined;
  /** Stores the facts that could not be stored when they were taken. */
  readonly saveFacts?: () => void;
  readonly onSettled: SettledHandler;
  readonly onHotPlug?: HotPlugHandler;
  /** Runs after the transaction of a settled attempt. */
  readonly afterSettled: (attempt: StartAttempt) => void;
  /** Runs after the transaction of a hot-plug. */
  readonly afterHotPlug?: (hotPlug: HotPlug, summary: string) => void;
  /** A VM's log says that a start failed: libvirt may know its state's reason. */
  readonly askState: (vm: VmName) => void;
  readonly onTrouble: (trouble: StoreTrouble) => void;
  /** The disk has refused it for some seconds; it will be stored, and handed to the other handlers, when there is room. */
  readonly onUnrecorded?: (what: Unrecorded, trouble: StoreTrouble) => void;
  /**
   * A part of this program threw: a bug. What can go on goes on without that part, because a service that ends reads
   * the same observation again when it is started again, and ends again. Where this is not given the error is thrown.
   */
  readonly onFault?: (doing: string, error: unknown) => void;
}
