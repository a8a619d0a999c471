import type { Machine } from "../host/machine.ts";
import type { Fact } from "../model/fact.ts";
import type { Bdf, BootId } from "../model/identifiers.ts";
import type { Observation } from "../model/observation.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";

/** Something that was said in the past; `count` where the material says that it was said several times. */
export interface PastObservation {
  readonly observation: Observation;
  readonly count: number;
}

/**
 * How the start of a boot is known: `journal` to a second, by the kernel's own id; `log` by the stamp of the kernel's
 * first line, which a syslog daemon writes up to minutes late, but which is the same in every copy; `uptime` to a
 * minute.
 */
export type StartPrecision = "journal" | "log" | "uptime";

/** One boot as one piece of material shows it. */
export interface PastBoot {
  /** The kernel's own id, where the material has it. */
  readonly id: BootId | undefined;
  /** UTC epoch milliseconds; undefined where the material begins in the middle of the boot. */
  readonly startedAt: number | undefined;
  readonly precision: StartPrecision | undefined;
  /** UTC epoch milliseconds of the first and the last sign. */
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
  readonly end: "clean" | "unclean" | "unknown";
  readonly bios: string | undefined;
  readonly kernelRelease: string | undefined;
  /** Of which machine it is, as far as the material says; see `Machine`. */
  readonly machine?: Pick<Machine, "board" | "cards">;
  /**
   * What is known of the host in this boot, with unknown facts for everything that is not. Made when it is asked for:
   * of thousands of boots they take more memory than all that was said in them.
   */
  readonly facts: () => readonly Fact[];
  readonly observations: readonly PastObservation[];
  readonly groups: ReadonlyMap<Bdf, number>;
  readonly definitions: readonly VmDefinition[];
  /** What the kernel said last, where it left that in the firmware's memory. */
  readonly lastWords?: readonly string[];
}

/** Whether the catalogue knows a text. */
export type KnownText = (layer: "kernel" | "libvirt", text: string) => boolean;

/** What a source holds. */
export interface Material {
  readonly boots: readonly PastBoot[];
  /** What was said at times that may belong to any boot, e.g. in a VM's log on disk. */
  readonly loose: readonly PastObservation[];
  /** VMs as they are defined now, where the material itself does not show what they were. */
  readonly definitions?: readonly VmDefinition[];
  /** What could not be read and what was inferred, in sentences. */
  readonly notes: readonly string[];
}

/** Texts longer than this come from no kernel and no libvirt. */
export const TEXT_LIMIT = 16 * 1024;
