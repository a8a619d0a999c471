import type { VmName } from "./identifiers.ts";

/**
 * Who says something. A message means what it means only in the mouth of whoever can say it: the kernel's `PCI:
 * Unknown option` is no option that QEMU refuses, and a desktop program's `internal error:` is none of libvirt's.
 */
export type Speaker =
  /** `driver`: what the kernel's message names in front of a device (`vfio-pci`), where it does. */
  | { readonly kind: "kernel"; readonly driver?: string }
  /** QEMU of a VM; which one is seldom in the line itself. */
  | { readonly kind: "qemu"; readonly vm?: VmName }
  /** libvirt's daemons and its clients (virsh, virt-manager). */
  | { readonly kind: "libvirt" }
  /** Proxmox's tasks and tools. */
  | { readonly kind: "proxmox" }
  /** Any other program by its name, as a log or the program itself puts it in front. */
  | { readonly kind: "program"; readonly name: string }
  /** Somebody tells in own words what happened. */
  | { readonly kind: "person" }
  /** A bare quote: nothing says whose words these are. */
  | { readonly kind: "unknown" };

export type SpeakerKind = Speaker["kind"];
