import { textOf } from "../facts/fact-value.ts";
import { isMechanismOf } from "../facts/vocabulary.ts";
import { isRelaxing } from "../knowledge/direct-regions.ts";
import type { CauseClass } from "../model/catalogue.ts";
import type { FactValue } from "../model/fact.ts";
import type { FactTable } from "./fact-table.ts";

// What the domain knows for certain, as evidence for blame: DESIGN.md, laws 4, 12, 13 and 14.

/**
 * Failures that no change of the host need explain: the VM was killed for memory or crashed, libvirt refused its
 * definition, a file is missing, another VM has the device.
 */
export const NO_PASSTHROUGH_FAILURE: ReadonlySet<CauseClass> = new Set([
  "device-busy",
  "host-resource-missing",
  "vm-config-invalid",
  "vm-killed",
]);

export function isNoPassthroughFailure(cause: CauseClass): boolean {
  return NO_PASSTHROUGH_FAILURE.has(cause);
}

/** Classes that are symptoms of one another. */
interface Kin {
  readonly classes: readonly CauseClass[];
  /** The first of them is the kernel's direct word, the others what is left of it where that line was lost. */
  readonly isRanked: boolean;
}

export const AKIN: readonly Kin[] = [
  { classes: ["iommu-direct-mapping-required", "container-setup-failed"], isRanked: true },
  { classes: ["iommu-not-enabled", "container-setup-failed"], isRanked: true },
  // A card that hangs fails its reset, stays in D3, times out or reads as all ones, by which step asks first.
  { classes: ["device-lost", "power-state-stuck", "reset-failed", "pcie-error"], isRanked: false },
];

/** Parameters by which a patched kernel does not mind the demand; with them a good start proves no region absent. */
export function isRelaxed(parameters: readonly FactValue[]): boolean {
  return parameters.some((value) => isRelaxing(textOf(value) ?? ""));
}

/** Whose IOMMU the host has, as far as any snapshot tells. */
export function platformOf(table: FactTable, places: readonly number[]): "amd" | "intel" | undefined {
  const last = places.findLast((place) => place >= 0) ?? -1;
  const said = (key: string) => textOf(table.valueAt(key, last)) ?? "";
  const names = `${said("iommu.units")} ${said("hardware.cpu.name")}`;
  if (said("firmware-tables.IVRS.sha256") !== "" || /\bivhd|\bAMD\b/.test(names)) return "amd";
  if (said("firmware-tables.DMAR.sha256") !== "" || /\bdmar|\bIntel\b/.test(names)) return "intel";
  return undefined;
}

/**
 * Whether the fact is the known mechanism of the failure: the broken state in each failed start and in no good one.
 * A demand for 1:1 mapping that merely moved proves nothing.
 */
export function isMechanism(
  failure: CauseClass | "unknown",
  key: string,
  counts: readonly { readonly value: FactValue; readonly good: number; readonly bad: number }[],
): boolean {
  if (failure === "unknown") return false;
  // The relation of what stands at an address that the VM asks for.
  if (failure === "device-missing" && key.startsWith("at ")) return true;
  const broken = isMechanismOf(failure, key);
  if (broken === undefined || broken === "any change") return broken !== undefined;
  return counts.every(
    ({ value, good, bad }) => (bad > 0 ? broken(value) : true) && (good > 0 ? !broken(value) : true),
  );
}
