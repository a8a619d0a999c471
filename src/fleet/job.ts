import type { FleetServer } from "./server.ts";
import type { FleetVerdict } from "./verdicts.ts";

/** What the child is to do; it goes through its standard input, for it holds a password. */
export interface FleetJob {
  readonly server: FleetServer;
  /** The history's file, and where the verdicts are kept beside it. */
  readonly database: string;
  readonly verdictsFile: string;
  /** The board whose verdicts are wanted; undefined where it has no name. */
  readonly board: string | undefined;
  /** `verdicts`: those alone, for a command that waits. */
  readonly what: "export" | "verdicts";
  readonly share: "facts" | "facts+evidence";
  readonly label: string;
  readonly cluster: string;
  readonly machine: string;
  readonly version: string;
  /** A start that went well may yet crash early: it leaves when it is so old (ms). */
  readonly goodAfterMs: number;
  readonly limitMs: number;
}

/** What came of it. */
export type FleetResult =
  | {
      readonly state: "done";
      /** Starts that went into the server now. */
      readonly exported: number;
      /** All starts up to this number are there. */
      readonly position: number;
      /** Settled starts that are not there yet. */
      readonly waiting: number;
      /** When the next of them may leave (ms from now); undefined where none waits. */
      readonly nextMs: number | undefined;
      /** Of the board, where they were asked for alone. */
      readonly verdicts?: readonly FleetVerdict[];
    }
  | { readonly state: "failed"; readonly error: string; readonly needsPerson: boolean };

/** A failed start may yet be explained better within moments (ms). */
export const FAILED_AFTER_MS = 10_000;

/** How the export fares, for `status`. Times are UTC epoch milliseconds. */
export interface FleetState {
  /** Without user and password. */
  readonly server: string;
  /** All starts up to this number are there; undefined before the first export of this run. */
  readonly position: number | undefined;
  /** Settled starts that are not there yet, as of the last export. */
  readonly waiting: number | undefined;
  readonly exportedAt: number | undefined;
  /** Why the last try failed; undefined when it did not. */
  readonly lastError: string | undefined;
  /** When it is tried again after that. */
  readonly retryAt: number | undefined;
}
