import type { HotPlug } from "../model/hot-plug.ts";
import type { Bdf, BootId, SignatureId, VmName } from "../model/identifiers.ts";
import type { Gap, Observation, ResumePoint, SourceName } from "../model/observation.ts";
import type { VmDefinition, VmManager } from "../model/virtual-machine.ts";

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
  /** The newest that the kernel said in a boot until `until`, but for those of `except`; in order of their first time. */
  ofKernel(bootId: BootId, until: number, except: readonly SignatureId[], limit: number): readonly Sighting[];
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

/** A device that could not be plugged into or out of a VM that ran, with what was said of it. */
export interface StoredHotPlug
  extends Pick<HotPlug, "id" | "bootId" | "at" | "steady" | "action" | "outcome" | "vms" | "devices"> {
  /** Why, in a sentence. */
  readonly summary: string;
  readonly lines: readonly { readonly source: SourceName; readonly at: number; readonly text: string }[];
}

export interface HotPlugStore {
  /** Idempotent by id; durable. */
  save(hotPlug: HotPlug, summary: string): void;
  /** Newest first. */
  list(filter?: {
    readonly since?: number;
    readonly until?: number;
    readonly vm?: VmName;
    readonly device?: Bdf;
    readonly limit?: number;
  }): readonly StoredHotPlug[];
}

export interface ResumePointStore {
  /** By key. */
  load(): ReadonlyMap<string, string>;
  /** Batched; unchanged ones are not written. */
  save(points: readonly ResumePoint[]): void;
  forget(keys: readonly string[]): void;
}

/** An observation that is no evidence yet, and when it was observed first (UTC epoch milliseconds). */
export interface UnfinishedObservation {
  readonly observation: Observation;
  readonly arrivedAt: number;
}

export interface UnfinishedStore {
  /** In the order of their arrival; without `resume`. */
  load(): readonly UnfinishedObservation[];
  /** Batched: adds some and takes others away. */
  change(
    added: readonly UnfinishedObservation[],
    removed: readonly Pick<Observation, "source" | "identity">[],
  ): void;
}

export interface KnownVm {
  readonly definition: VmDefinition;
  /** When this definition was first seen in this form. */
  readonly since: number;
  /** Undefined while libvirt lists it. */
  readonly goneAt: number | undefined;
}

/** What became of a VM: the same one under other names, and the same in all but its UUID. */
export interface VmPast {
  /** What the history calls it: its newest name. */
  readonly name: VmName;
  readonly formerNames: readonly VmName[];
  /** When it was deleted and made anew with the same name and devices (UTC epoch milliseconds). */
  readonly madeAnewAt: readonly number[];
}

export interface VmStore {
  /**
   * The VMs that their manager lists now; others of the same manager are marked as gone. A known UUID under another name
   * is the same VM renamed. Batched; writes only what changed.
   */
  remember(definitions: readonly VmDefinition[], at: number, manager?: VmManager): void;
  /** One VM, e.g. from a `defined` event. */
  rememberOne(definition: VmDefinition, at: number): void;
  /** VMs as older material defines them: who they were, not what they are. Batched. */
  rememberPast(definitions: readonly VmDefinition[], at: number): void;
  list(): readonly KnownVm[];
  /** The definitions of those that were there when the VMs were last listed. */
  present(): readonly VmDefinition[];
  /** By any name that it ever had, unless another VM has that now. */
  get(vm: VmName): KnownVm | undefined;
  past(vm: VmName): VmPast;
  /** What every VM that was ever heard of is called, also of which no definition was seen. */
  everyName(): readonly VmName[];
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
