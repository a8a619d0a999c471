import type { Clock } from "../../clock.ts";
import type { BootIdentity } from "../../host/boot-identity.ts";
import type { HostPaths } from "../../host-paths.ts";
import type { BootId } from "../../model/identifiers.ts";
import type { Gap, KernelRecord } from "../../model/observation.ts";
import type { KernelLogPosition } from "./position.ts";
import type { KmsgRecord } from "./record-parser.ts";
import type { OrdinaryFilter, TextFilter } from "./record-teller.ts";

/** What every way needs, and whom it tells. */
export interface WayOptions {
  readonly paths: HostPaths;
  readonly clock: Clock;
  readonly bootId: BootId;
  readonly bootIdentity: () => BootIdentity;
  /** Where the log was left, whichever way it was read then. */
  readonly position: KernelLogPosition | undefined;
  readonly tell: (observation: KernelRecord | Gap) => void;
  /** So many records or lines could not be read. */
  readonly skipped: (count: number) => void;
  /** It works; `detail` says how, in a line. */
  readonly live: (detail: string) => void;
  /** It worked and does not work any more; it is over until it is started anew. */
  readonly broken: (why: string) => void;
  readonly worthTelling?: TextFilter | undefined;
  readonly isOrdinary?: OrdinaryFilter | undefined;
  readonly seen?: ((record: KmsgRecord) => void) | undefined;
}

/** One way to read the kernel log: the device, the journal, or a log file. */
export interface KernelLogWay {
  /** Reads what is there and goes on following. Never rejects. */
  start(): Promise<WayStart>;
  /** Ends; nothing is told after the call. */
  stop(): Promise<void>;
  /** How far it has come. */
  position(): KernelLogPosition | undefined;
}

/** Whether a way can be gone, and what it would take. */
export type WayStart =
  | { readonly works: true }
  | { readonly works: false; readonly why: string; readonly remedy: string };
