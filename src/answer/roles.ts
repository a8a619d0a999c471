import type { Knob } from "../model/catalogue.ts";

/** What a fact is to the question which change broke passthrough. */
export type FactRole = { readonly knob: Knob } | { readonly follows: readonly Knob[] } | "bystander";

const knob = (name: Knob): FactRole => ({ knob: name });
const follows = (...names: readonly Knob[]): FactRole => ({ follows: names });

/** By the beginning of a key; the first that fits. */
const ROLES: readonly (readonly [RegExp, FactRole])[] = [
  [/^firmware\.bios\./, knob("BIOS")],
  [/^firmware\.(?:setting\.|secure-boot$)/, knob("BIOS setting")],
  [/^firmware\.board\./, knob("mainboard")],
  [/^firmware\b/, follows("BIOS", "mainboard", "BIOS setting")],
  [/^iommu\.group\.[^.]+\.type$|^pci\.[^.]+\.(?:name|group)$|^kernel\.taint$|^iommu\.tlb/, "bystander"],
  [
    /^iommu\b/,
    follows("BIOS", "BIOS setting", "mainboard", "card in its slot", "kernel parameter", "kernel"),
  ],
  [/^kernel\.release$/, knob("kernel")],
  [/^kernel\.parameter\b/, knob("kernel parameter")],
  [/^kernel\.mod/, knob("module option")],
  [/^kernel\b/, follows("kernel", "operating system")],
  [/^boot-loader\b/, "bystander"],
  [/^vfio-setup\b/, knob("device binding")],
  [/^pci\.[^.]+(?:\.address)?$/, knob("card in its slot")],
  [/^pci\b/, follows("card in its slot", "device binding", "BIOS", "kernel")],
  [/^vm\.[^.]+\.autostart$/, "bystander"],
  [/^vm\b/, knob("definition of VM")],
  [/^software\.os\b/, knob("operating system")],
  [/^software\.qemu$/, knob("QEMU")],
  [/^software\.libvirt$/, knob("libvirt")],
  [/^software\.plugin\b/, knob("plugin")],
];

export function roleOf(key: string): FactRole {
  return ROLES.find(([pattern]) => pattern.test(key))?.[1] ?? "bystander";
}
