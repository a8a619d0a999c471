import type { FactGroup } from "../model/fact.ts";

/**
 * Facts that a person would name with one word because they come and go together: a BIOS update changes its
 * version and date. Order is the order in which a root is believed, all else equal.
 */
const ROOTS: readonly Root[] = [
  { name: "BIOS", keys: /^firmware\.bios\./ },
  { name: "BIOS setting", keys: /^firmware\.setting\./, which: lastPart },
  { name: "operating system", keys: /^software\.os\b/ },
  { name: "kernel", keys: /^kernel\.(?:release|version|build)\b/ },
  {
    name: "kernel parameter",
    keys: /^kernel\.parameter\./,
    which: (key) => key.slice("kernel.parameter.".length),
  },
  { name: "device binding", keys: /^vfio-setup\./ },
  { name: "module option", keys: /^kernel\.(?:module|modprobe)/, which: lastPart },
  { name: "definition of VM", keys: /^vm\./, which: (key) => key.split(".")[1] ?? "" },
  { name: "QEMU", keys: /^software\.qemu\b/ },
  { name: "libvirt", keys: /^software\.libvirt\b/ },
  { name: "plugin", keys: /^software\.plugin/, which: lastPart },
  { name: "mainboard", keys: /^firmware\.(?:board|system)\./ },
];

interface Root {
  readonly name: string;
  readonly keys: RegExp;
  /** Tells several of the kind apart: which setting, which VM. */
  readonly which?: (key: string) => string;
}

/** Families that others bring along: named as suspects only where nothing else changed. */
const CONSEQUENCES: Readonly<Record<FactGroup, string>> = {
  firmware: "firmware",
  "firmware-tables": "firmware tables",
  iommu: "IOMMU groups and regions",
  kernel: "kernel state",
  // What a boot loader's file claims has no effect until it runs (law 6).
  "boot-loader": "boot loader file",
  "vfio-setup": "device binding",
  pci: "PCI devices",
  vm: "VM definition",
  software: "software",
  hardware: "hardware",
};

/** The family of a fact. */
export function familyOf(group: FactGroup, key: string): string {
  const root = ROOTS.find(({ keys }) => keys.test(key));
  if (root === undefined) return CONSEQUENCES[group];
  return root.which === undefined ? root.name : `${root.name} ${root.which(key)}`;
}

/** Rank of a family among roots, 0 first; infinite for what only follows from others. */
export function rootRank(family: string): number {
  const index = ROOTS.findIndex(({ name, which }) =>
    which === undefined ? family === name : family.startsWith(`${name} `),
  );
  return index < 0 ? Number.POSITIVE_INFINITY : index;
}

function lastPart(key: string): string {
  return key.split(".").at(-1) ?? key;
}
