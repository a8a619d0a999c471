import type { Answer } from "../answer/answer.ts";
import type { RuntimeState } from "../daemon/runtime-state.ts";
import type { Reading } from "../model/reading.ts";
import type { VmDefinition, VmState } from "../model/virtual-machine.ts";
import type { PreflightFinding } from "../preflight/finding.ts";
import type { AttemptRow } from "../store/attempt-store.ts";
import type { StoredGap } from "../store/record-stores.ts";
import type { StoreTrouble } from "../store/refusal.ts";
import type { StoreStats } from "../store/store.ts";
import type { ReportContent } from "./document.ts";

/** Everything that the page of a web interface shows: plain values, read before. */
export interface PageInput {
  /** UTC epoch milliseconds. */
  readonly now: number;
  readonly service: ServiceView;
  /** Undefined where nothing is on record or it cannot be read; `historyProblem` then says why. */
  readonly history: HistoryView | undefined;
  readonly historyProblem: string | undefined;
  readonly preflight: PreflightView;
  /** Failed starts, newest first. */
  readonly failures: readonly AttemptRow[];
  /** What lasts and people were told of, newest first. */
  readonly alerts: readonly PageAlert[];
  /** The start that is shown in full. */
  readonly chosen: ChosenStart | undefined;
  /** Logs from before the installation that can be taken in, by name; empty where there are none. */
  readonly olderLogs: readonly string[];
}

/** An incident that lasts, for whoever knows about it already. */
export interface PageAlert {
  readonly id: string;
  readonly subject: string;
  readonly state: "open" | "acknowledged" | "silenced";
  readonly count: number;
  readonly lastAt: number;
  readonly silencedUntil: number | undefined;
}

export type ServiceView =
  | { readonly state: "running"; readonly runtime: RuntimeState }
  /** `left` is what a service that ended without a word has left behind. */
  | { readonly state: "stopped"; readonly left: RuntimeState | undefined };

export interface HistoryView {
  readonly path: string;
  readonly stats: StoreStats;
  readonly troubles: readonly StoreTrouble[];
  readonly gaps: readonly StoredGap[];
  readonly channels: readonly {
    readonly channel: string;
    readonly pending: number;
    readonly givenUp: number;
    readonly lastError: string | undefined;
    readonly lastDeliveredAt: number | undefined;
  }[];
}

export interface PreflightView {
  readonly vms: readonly PreflightVm[];
  /** Where the VMs come from when libvirt does not answer, and what is missing then. */
  readonly notes: readonly string[];
  /** What other owners' records say of this board with this BIOS; it proves nothing of this host. */
  readonly elsewhere: readonly string[];
}

/** What would happen if somebody started this VM now. */
export interface PreflightVm {
  readonly definition: VmDefinition;
  /** What libvirt says of it; unreadable where it does not answer. */
  readonly state: Reading<VmState>;
  /** What stands in its way, or will, most decisive first. */
  readonly findings: readonly PreflightFinding[];
  /** The answer for the first of them. */
  readonly answer?: Answer | undefined;
  /** What could not be looked at, a sentence each. */
  readonly unknown: readonly string[];
  /** Its newest failed start, and the newest good one after it. */
  readonly failed?: {
    readonly number: number;
    readonly at: number;
    readonly why: string | undefined;
    /** What helps against it, first things first; empty where it is over, or a finding says it. */
    readonly remedies: readonly string[];
    readonly startedSince: { readonly number: number; readonly at: number } | undefined;
  };
}

export interface ChosenStart {
  /** Somebody asked for this very one. */
  readonly asked: boolean;
  /** The start's number; undefined where none has failed, and the VM started last is shown. */
  readonly number: number | undefined;
  readonly content: ReportContent;
}
