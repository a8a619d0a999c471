import type { StartAttempt } from "../model/attempt.ts";
import type { HotPlug } from "../model/hot-plug.ts";
import type { Observation } from "../model/observation.ts";

/** The times by which starts are judged. */
export interface TrackerSettings {
  /** A start counts as good when this long nothing fatal was said after libvirt called it started (ms). */
  readonly settlingMs: number;
  /** A VM that crashes within this time of its start crashed early (ms). */
  readonly crashedEarlyMs: number;
  /** A failed attempt is announced when nothing new was said about it for this long (ms). */
  readonly quietMs: number;
}

/** What a tracker tells. */
export interface TrackerEvents {
  /** The attempt has new evidence; store it. */
  changed(attempt: StartAttempt): void;
  /** The outcome is known. Comes again for the same attempt when late evidence arrives. */
  settled(attempt: StartAttempt): void;
  /** A device could not be plugged into or out of a VM that runs. Comes again when more is said of it. */
  hotPlug?(hotPlug: HotPlug): void;
  /** libvirt met an error that nothing else tells of: the states of the VMs may. */
  unexplainedError?(): void;
}

/** An observation that is no evidence of an attempt and yet has to be known. */
export interface Unfinished {
  readonly observation: Observation;
  /** When it was observed first (UTC epoch milliseconds). */
  readonly arrivedAt: number;
}
