import type { Evidence } from "./attempt.ts";
import type { Diagnosis } from "./diagnosis.ts";
import type { Bdf, BootId, VmName } from "./identifiers.ts";

/** Somebody wanted to plug a device into a VM that runs, or out of it, and it did not work. It is no start. */
export interface HotPlug {
  /** Deterministic: boot and first sign. The same read twice has the same id. */
  readonly id: string;
  /** Whose it was; several where nothing says which of the VMs that ran, none where nothing says that any did. */
  readonly vms: readonly VmName[];
  readonly bootId: BootId | undefined;
  /** UTC epoch milliseconds. */
  readonly at: number;
  /** The same by a clock that nobody sets, in milliseconds of the boot. */
  readonly steady?: number;
  readonly action: "attach" | "detach";
  /** `hangs`: the host waits for the device, and the VM keeps it. */
  readonly outcome: "refused" | "hangs";
  /** Empty where nothing names it. */
  readonly devices: readonly Bdf[];
  readonly groups: readonly number[];
  /** In order of time. */
  readonly evidence: readonly Evidence[];
  /** Of a device that was not plugged in, once that is known. */
  readonly diagnosis?: Diagnosis;
}
