import type { CauseClass } from "../../model/catalogue.ts";
import type { ErrnoName } from "../errno.ts";

/** One rule by which a message has a class; the first that holds decides. */
export interface ClassRule {
  /** The program and the file, as `qemu hw/vfio/pci.c`. */
  readonly from: RegExp;
  /** What the format says, in small letters; any where absent. */
  readonly says?: RegExp;
  /** What the message names where the format leaves it open; a rule that has some never holds without a message. */
  readonly names?: RegExp;
  /** The error number that the message ended with; a rule that has some never holds without one. */
  readonly errno?: readonly ErrnoName[];
  /** `none`: says that something failed and not what, or is about no start of a VM. */
  readonly class: CauseClass | "none";
}

/** Whatever runs VMs, and what it starts for them. */
export const ANY_MONITOR =
  /^(?:qemu|libvirt|xen|proxmox|cloud-hypervisor|rust-vmm|swtpm|virtiofsd|incus|kubevirt) /;
