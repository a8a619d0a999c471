import { boundAtStart } from "../diagnosis/group-checks.ts";
import { isPassedThrough } from "../diagnosis/host-lookups.ts";
import type { HostState } from "../model/host-state.ts";
import type { Bdf } from "../model/identifiers.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { PreflightFinding } from "./finding.ts";

/**
 * Proxmox binds the whole IOMMU group of each device to vfio-pci: what else is in it the host loses, and does not get
 * back when the VM ends. The other functions of a card that the VM has a part of are nobody's loss.
 */
export function takenFromHost(vm: VmDefinition, host: HostState): readonly PreflightFinding[] {
  const own = new Set(vm.hostDevices.map(({ bdf }) => bdf));
  const cards = new Set(vm.hostDevices.flatMap(({ bdf }) => cardOf(bdf) ?? []));
  const taken = boundAtStart(vm, host).filter(
    (device) => !isPassedThrough(device) && !own.has(device.bdf) && !cards.has(cardOf(device.bdf) ?? ""),
  );
  if (taken.length === 0) return [];
  const named = taken.map(({ bdf, driver }) => `${bdf} (${driver})`).join(", ");
  const groups = [...new Set(taken.flatMap(({ iommuGroup }) => iommuGroup ?? []))];
  return [
    {
      check: "preflight.taken-from-host",
      matter: "tidy",
      certainty: "certain",
      sentence: `Starting '${vm.name}' takes ${named} from the host: Proxmox binds all of IOMMU group ${groups.join(" and ")} to vfio-pci.`,
      evidence: taken.map(
        ({ bdf, driver, iommuGroup }) => `${bdf} in group ${iommuGroup} is bound to ${driver}`,
      ),
      remedies: [
        "If the host needs one of them (its disks, its network), move the card to a slot whose group holds nothing else before you start the VM.",
      ],
      devices: taken.map(({ bdf }) => bdf),
      groups,
    },
  ];
}

/** The functions of a slot are one card, but on the first bus, where they are parts of the board. */
function cardOf(bdf: Bdf): string | undefined {
  return /^[0-9a-f]+:00:/.test(bdf) ? undefined : bdf.slice(0, -2);
}
