import type { KnobKind } from "../facts/kind.ts";

/** Kinds that follow from others, and are named only where none of those went with them. */
const CONSEQUENCES: ReadonlySet<KnobKind> = new Set([
  "firmware-demand",
  "direct-region",
  "firmware-mode",
  "firmware-other",
  "iommu-state",
  "device-state",
  "driver",
  "group-members",
  "card-address",
]);

/** What a fact that follows can follow from: only firmware writes its tables, and cards make their groups. */
const MADE_BY: Partial<Record<KnobKind, readonly KnobKind[]>> = {
  "firmware-demand": ["bios", "mainboard", "bios-setting", "card-at-address"],
  "direct-region": [
    "bios",
    "mainboard",
    "bios-setting",
    "card-at-address",
    "firmware-demand",
    "other-card",
    "device-parameter",
  ],
  // An update of the firmware sets its settings back.
  "firmware-mode": ["bios", "mainboard", "bios-setting"],
  "firmware-other": ["bios", "mainboard", "bios-setting", "firmware-demand"],
  "group-members": [
    "bios",
    "mainboard",
    "bios-setting",
    "device-parameter",
    "kernel",
    "os",
    "card-at-address",
    "other-card",
  ],
  "card-address": ["bios", "mainboard", "card-at-address", "other-card"],
};

/** An update of one of these brings the others along. */
const BROUGHT_BY: Partial<Record<KnobKind, readonly KnobKind[]>> = {
  os: ["kernel", "qemu", "libvirt", "plugin", "device-plugin"],
  mainboard: ["bios", "firmware-other", "bios-setting"],
  "card-at-address": ["card-address", "vm-devices", "binding", "other-card"],
};

/** Whether a kind is brought or made by one of those that changed with it. */
export function followsFrom(kind: KnobKind, kinds: ReadonlySet<KnobKind>): boolean {
  if ([...kinds].some((own) => BROUGHT_BY[own]?.includes(kind) === true)) return true;
  if (!CONSEQUENCES.has(kind)) return false;
  const makers = MADE_BY[kind];
  return [...kinds].some((own) => (makers === undefined ? !CONSEQUENCES.has(own) : makers.includes(own)));
}
