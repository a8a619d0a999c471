/** The groups of facts, in the order in which a change in them is interesting to a reader. */
export const FACT_GROUPS = [
  "firmware",
  "firmware-tables",
  "iommu",
  "kernel",
  "boot-loader",
  "vfio-setup",
  "pci",
  "vm",
  "software",
  "hardware",
] as const;
export type FactGroup = (typeof FACT_GROUPS)[number];

/** What a fact says, of the type that its kind declares; a list is never one joined text. */
export type FactContent = string | number | boolean | readonly string[];

/** A fact is a value, verifiably absent, or unknown; going from or to unknown is never a change (law 7). */
export type FactValue =
  | { readonly state: "value"; readonly value: FactContent }
  | { readonly state: "absent" }
  | { readonly state: "unknown"; readonly why: string };

/** One thing that is so on the host. */
export interface Fact {
  readonly group: FactGroup;
  /** Stable and readable, e.g. `firmware.bios.version`, `pci.0000:01:00.0.driver`, `vm.Windows 11.machine`. */
  readonly key: string;
  readonly value: FactValue;
}

/** All facts at a moment. */
export interface Snapshot {
  /** Hash of the content: equal snapshots have equal ids. */
  readonly id: string;
  readonly facts: readonly Fact[];
}

/** A fact that differs between two snapshots; neither side is unknown. */
export interface Change {
  readonly group: FactGroup;
  readonly key: string;
  readonly before: FactValue;
  readonly after: FactValue;
  /** One line for a person, e.g. `BIOS E7E49AMSI.1A63 (2026-02-10) → E7E49AMSI.1A95 (2026-06-18)`. */
  readonly sentence: string;
  /** What came with it and says nothing more: the date and the table hashes of a BIOS, the build of a kernel. */
  readonly also?: readonly Change[];
}
