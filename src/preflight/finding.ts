import type { Answer } from "../answer/answer.ts";
import type { BootLoaderFindings } from "../host/boot-loader.ts";
import type { PlacedModprobeSetting } from "../host/modprobe.ts";
import type { UnraidPolicy } from "../host/unraid-policy.ts";
import type { VfioSetup } from "../host/vfio-setup.ts";
import type { Cause, Certainty } from "../model/diagnosis.ts";
import type { HostState, VmStatus } from "../model/host-state.ts";
import type { Bdf, VmName } from "../model/identifiers.ts";
import type { Reading } from "../model/reading.ts";

/**
 * - `stops`: while it is so, the VM does not start.
 * - `later`: it does not stop the VM now, and will after an update.
 * - `harmless`: it misleads people who look for the cause, and changes nothing.
 * - `tidy`: it works, and is better set right before it bites.
 */
export type Matter = "stops" | "later" | "harmless" | "tidy";

/** One thing that was found. */
export interface PreflightFinding {
  /** What found it, e.g. `state.direct-region`, `preflight.bound-twice`. */
  readonly check: string;
  readonly matter: Matter;
  readonly certainty: Certainty;
  /** What is so, in one sentence. */
  readonly sentence: string;
  /** Facts, word for word. */
  readonly evidence: readonly string[];
  /** Best first. */
  readonly remedies: readonly string[];
  readonly devices: readonly Bdf[];
  readonly groups: readonly number[];
}

/** What is to be said of one VM with passed-through devices. */
export interface VmPreflight {
  readonly vm: VmName;
  /** Of one that runs the findings are about its next start, for which it was given other devices than it has. */
  readonly verdict: "runs" | "will-not-start" | "may-not-start" | "nothing-stops-it";
  /** Those that stop it first, the most certain first. */
  readonly findings: readonly PreflightFinding[];
  /** Why it does not start, since when, what changed and what to do; undefined where nothing stops it. */
  readonly answer?: Answer;
}

export interface Preflight {
  readonly vms: readonly VmPreflight[];
  /** What concerns the whole host. */
  readonly host: readonly PreflightFinding[];
  /** What is there and has no effect, whatever people say: a sentence each. */
  readonly noEffect: readonly string[];
  /** What could not be looked at, and why. */
  readonly unchecked: readonly string[];
}

/** What the history knows beyond the host of now. */
export interface PreflightHistory {
  /** Who stood at an address when the VM last had it, by VM and address. */
  readonly deviceAt: (vm: VmName, bdf: Bdf) => KnownDevice | undefined;
}

/** A device as it was once seen. */
export interface KnownDevice {
  /** `vendor:device/subvendor:subdevice` with `#2` for the second of a kind. */
  readonly identity: string;
  readonly name: string | undefined;
}

/** Everything that preflight looks at; plain values, read before. */
export interface PreflightInput {
  readonly host: HostState;
  readonly setup: VfioSetup;
  readonly bootLoaders: BootLoaderFindings;
  readonly modprobe: Reading<readonly PlacedModprobeSetting[]>;
  /** Only on Unraid. */
  readonly unraid?: UnraidPolicy;
  readonly history?: PreflightHistory;
  /** The one answer for a VM that these causes stop, best first. */
  readonly answer: (vm: VmStatus, causes: readonly Cause[]) => Answer;
  /** Only this VM. */
  readonly only?: VmName;
}
