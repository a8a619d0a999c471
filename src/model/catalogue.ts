import type { SignatureId } from "./identifiers.ts";

/** The causes and symptoms of the field; the vocabulary of every diagnosis. */
export const CAUSE_CLASSES = [
  "iommu-direct-mapping-required",
  "container-setup-failed",
  "group-not-viable",
  "iommu-not-enabled",
  "iommu-firmware-bug",
  "interrupt-remapping-missing",
  "iommu-fault",
  "iommu-timeout",
  "dma-map-failed",
  "memlock-limit",
  "bar-reserve-failed",
  "device-busy",
  "device-missing",
  "device-lost",
  "driver-binding",
  "access-denied",
  "reset-failed",
  "power-state-stuck",
  "pcie-error",
  "rom-invalid",
  "irq-setup-failed",
  "device-config-invalid",
  "guest-address-space",
  "memory-alloc-failed",
  "kvm-unavailable",
  "vm-config-invalid",
  "host-resource-missing",
  "vm-killed",
  "vm-hung",
] as const;
export type CauseClass = (typeof CAUSE_CLASSES)[number];

/** Two classes that name no cause: lines that prove a failure without a reason, and lines that mean nothing. */
export type SignatureClass = CauseClass | "start-failure-wrapper" | "benign-noise";

/** Who says it. */
export type Layer = "kernel" | "qemu" | "libvirt";

/** `cause` decides a class, `symptom` supports one, `context` explains, `noise` must not raise anything. */
export type SignatureRole = "cause" | "symptom" | "context" | "noise";

export type Severity = "fatal" | "degraded" | "info";

/**
 * What a message says about the start of a VM, where class, role and severity do not say it: `failed` that it failed;
 * `stops` that no start survives it; `none` that it comes of something else; `ended` that QEMU is gone, whatever it was
 * doing; `option` stops it where QEMU repeats the option in front of it, else QEMU says it of a running VM; `form` fits whatever is said in a certain form; `words` are a person's own. `start-command` and
 * `other-command` are what somebody asked for before, `reply` is an error in whatever words that counts behind such a start; `other-call` is what failed and was no start; `other-user` is said where a program drives a device without any VM, `went-well` at the end of a start that
 * succeeded.
 */
export const START_ROLES = [
  ...["failed", "stops", "none", "ended", "option", "form", "words", "reply"],
  ...["start-command", "other-command", "other-call", "other-user", "went-well"],
] as const;
export type StartRole = (typeof START_ROLES)[number];

/** What a remedy's conditions can ask; see `docs/signatures.md`. */
export const CONDITIONS = [
  "kernel",
  "kernel-option",
  "cpu",
  "board-vendor",
  "system",
  "loader",
  "device",
  "driver",
  "module",
  "parameter",
  "pre-boot-dma-protection",
  "secure-boot",
  "hugepages",
  "window-user",
  "changed",
] as const;
export type Condition = (typeof CONDITIONS)[number];

/** One piece of advice, and where it is true. */
export interface Remedy {
  /** One or two sentences, with places for names like a signature's sentence. */
  readonly text: string;
  /** All have to hold, of each one of its values; what is not known of a host forbids nothing. None: always. */
  readonly when: Readonly<Partial<Record<Condition, readonly string[]>>>;
  /** Better than going back to what worked. */
  readonly first: boolean;
}

/** What a person or an update changes, in the order in which each is believed, all else equal. */
export const KNOBS = [
  "BIOS",
  "BIOS setting",
  "operating system",
  "kernel",
  "kernel parameter",
  "device binding",
  "module option",
  "definition of VM",
  "QEMU",
  "libvirt",
  "plugin",
  "mainboard",
  "card in its slot",
  "cards in the group",
] as const;
export type Knob = (typeof KNOBS)[number];

/** What the catalogue advises for a class of causes. */
export interface ClassAdvice {
  /** What is wrong, with places for names; undefined where each signature says it by itself. */
  readonly sentence: string | undefined;
  readonly remedies: readonly Remedy[];
  /** What can have brought it, so that going back is advice. */
  readonly goBack: readonly Knob[];
  /** By id of a check of the host's state (`state.in-use-by-vm`), where it is more exact than the class. */
  readonly states: Readonly<Record<string, readonly Remedy[]>>;
}

/** One known message: what it looks like and what it means. */
export interface Signature {
  readonly id: SignatureId;
  readonly class: SignatureClass;
  readonly layer: Layer;
  readonly role: SignatureRole;
  readonly severity: Severity;
  readonly start?: StartRole;
  /** The platform's own policy forbade the start (law 10): the attempt's outcome is `refused`. */
  readonly refusal?: boolean;
  /** Source of a regular expression without look-around and back-references; named groups `bdf`, `group`, `vm`… */
  readonly pattern: string;
  /** What it means, one or two sentences for a person who has never heard of an IOMMU. */
  readonly meaning: string;
  /** What is wrong where it is found, with places for the names of device and others: its own, or its class's. */
  readonly sentence: string;
  /** What to do, best first. */
  readonly remedies: readonly Remedy[];
  /** How to make sure. */
  readonly confirm?: readonly string[];
  /** Versions in which the message exists, in words. */
  readonly versions?: string;
  /** Lines that it matches and that no other signature matches first; run by the test suite. */
  readonly examples: readonly string[];
}

/** What a signature found in a text. */
export interface SignatureMatch {
  readonly signature: Signature;
  /** Named groups of the pattern that took part. */
  readonly captures: Readonly<Record<string, string>>;
}
