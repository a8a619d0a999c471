import type { VmName } from "./identifiers.ts";
import type { Observation, ResumePoint, SourceName } from "./observation.ts";

/** Takes what a source has seen, in the order in which the source saw it. Never throws, never blocks. */
export type ObservationSink = (observation: Observation) => void;

/** How a source is doing, for `status`; every state says what a person needs to know in one line. */
export type SourceState =
  | { readonly state: "starting" }
  | { readonly state: "live"; readonly detail: string }
  | { readonly state: "waiting"; readonly why: string; readonly remedy: string }
  | { readonly state: "stopped" };

export interface SourceHealth {
  readonly name: SourceName;
  readonly state: SourceState;
  /** When the state began, UTC epoch milliseconds. */
  readonly since: number;
  /** Observations made since start. */
  readonly seen: number;
  /** UTC epoch milliseconds of the newest observation; undefined before the first. */
  readonly lastSeenAt: number | undefined;
  /** The same by the clock that nobody sets (`Clock.steady`): how long ago it is does not hang on the wall clock. */
  readonly lastSeenSteady?: number;
  /** Records known to be lost, and records that could not be read and were skipped. */
  readonly lost: number;
  readonly skipped: number;
}

/** Where a source stored its resume points last time, by key. */
export type ResumePoints = ReadonlyMap<string, string>;

/**
 * One place that observations come from. A source knows nothing of attempts; its failures are its own state,
 * never an exception for others.
 */
export interface Source {
  readonly name: SourceName;
  /**
   * Begins to observe. Resolves once what is already there has been read (the backlog) and the source is
   * live or waiting; it never rejects. A source that cannot work now keeps trying by itself.
   */
  start(sink: ObservationSink, resume: ResumePoints): Promise<void>;
  /** Ends; no observation after it resolves. Resolves within a second. */
  stop(): Promise<void>;
  health(): SourceHealth;
  /**
   * How far it has read and told, records included that were not worth an observation. Storing it is never urgent: every
   * observation carries its own resume point, and whatever is read again after an older one is unremarkable or known by
   * its identity. So it is written along with other rows, and at the end.
   */
  position?(): ResumePoint | undefined;
  /**
   * Asks for the state of a VM and observes the answer as `vm-state`. For starts that libvirt refused before it ran
   * QEMU: they emit no event (law 1), only the domain log tells that there is something to ask. Where nobody can be
   * asked nothing happens; the next inventory has the state.
   */
  askState?(vm: VmName): void;
}

export type { ResumePoint };
