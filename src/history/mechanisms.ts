import type { CauseClass } from "../model/catalogue.ts";
import type { FactValue } from "../model/fact.ts";

/** A fact through which a class of failure is known to work. */
interface Mechanism {
  readonly keys: RegExp;
  /** Whether a value is the broken state; a mechanism without it counts with any change. */
  readonly broken?: (value: FactValue) => boolean;
}

const isThere = (value: FactValue) => value.state === "value";
const isAbsent = (value: FactValue) => value.state === "absent";
const isText = (text: RegExp) => (value: FactValue) => value.state === "value" && text.test(value.value);

/**
 * Keys as the collectors in `src/host` write them, and `firmware-tables.IVRS.ivmd` / `firmware-tables.DMAR.rmrr` as
 * the subject's table sums up the entries on its devices.
 */
const MECHANISMS: Partial<Record<CauseClass, readonly Mechanism[]>> = {
  "iommu-direct-mapping-required": [
    { keys: /^firmware-tables\.(?:IVRS\.ivmd|DMAR\.rmrr)$/, broken: isThere },
    { keys: /^iommu\.group\.[^.]+\.direct$/, broken: isThere },
  ],
  "iommu-not-enabled": [
    { keys: /^iommu\.(?:units|group)$/, broken: isAbsent },
    { keys: /^firmware-tables\.(?:IVRS|DMAR)$/, broken: isAbsent },
    { keys: /^kernel\.parameter\.(?:intel_iommu|amd_iommu|iommu)$/ },
  ],
  "group-not-viable": [
    { keys: /^iommu\.group\.[^.]+\.members$/ },
    { keys: /^kernel\.parameter\.pcie_acs_override$/ },
    { keys: /^pci\.[^.]+\.driver$/ },
  ],
  "interrupt-remapping-missing": [
    { keys: /^iommu\.interrupt-remapping$/, broken: isText(/^off$/) },
    { keys: /^firmware-tables\.DMAR\.interrupt-remapping$/, broken: isText(/^not offered$/) },
    {
      keys: /^kernel\.parameter\.(?:intremap|nointremap|nox2apic|vfio_iommu_type1%2eallow_unsafe_interrupts)$/,
    },
    { keys: /^kernel\.module\.vfio_iommu_type1\.allow_unsafe_interrupts$/ },
  ],
  "device-missing": [{ keys: /^pci\.[^.]+\.address$/ }],
  "driver-binding": [
    { keys: /^vfio-setup\.(?:config|ids|modprobe-ids|errors|unmatched|device\..+)$/ },
    { keys: /^pci\.[^.]+\.driver$/ },
    { keys: /^kernel\.(?:parameter\.vfio-pci%2eids|modprobe\.[a-z]+\.vfio_pci)$/ },
  ],
  "reset-failed": [{ keys: /^pci\.[^.]+\.reset-methods$/ }],
};

/**
 * Whether the fact is the known mechanism of the failure: the broken state in each failed start and in no good one.
 * A change in one of them proves more than coincidence. A demand for 1:1 mapping that merely moved proves nothing.
 */
export function isMechanism(
  failure: CauseClass | "unknown",
  key: string,
  counts: readonly { readonly value: FactValue; readonly good: number; readonly bad: number }[],
): boolean {
  if (failure === "unknown") return false;
  const mechanism = MECHANISMS[failure]?.find(({ keys }) => keys.test(key));
  if (mechanism === undefined) return false;
  const { broken } = mechanism;
  if (broken === undefined) return true;
  return counts.every(
    ({ value, good, bad }) => (bad > 0 ? broken(value) : true) && (good > 0 ? !broken(value) : true),
  );
}
