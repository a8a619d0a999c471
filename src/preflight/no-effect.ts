import { groupsOf } from "../diagnosis/host-lookups.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import type { PreflightFinding, PreflightInput } from "./finding.ts";

/**
 * What is set on this host, is often taken for the cause or the cure, and is neither (law 5). What only has no
 * effect on the 1:1 refusal is said only where that is what stops a VM.
 */
export function describeNoEffect(
  input: PreflightInput,
  vms: readonly VmDefinition[],
  stopping: readonly PreflightFinding[],
): readonly string[] {
  const refused = stopping.some(({ check }) => check === "state.direct-region");
  return [...identityGroups(input, vms), ...parameters(input, refused), ...(refused ? machines(vms) : [])];
}

function identityGroups({ host }: PreflightInput, vms: readonly VmDefinition[]): readonly string[] {
  const numbers = new Set(
    vms.flatMap((vm) =>
      groupsOf(vm, host)
        .filter(({ type }) => type === "identity")
        .map(({ id }) => id),
    ),
  );
  if (numbers.size === 0) return [];
  const named = [...numbers].sort((a, b) => a - b).join(", ");
  return [
    `IOMMU group ${named} is of type identity (from iommu=pt or iommu.passthrough=1): VFIO takes such a group as well as one of type DMA, and changing the type changes nothing.`,
  ];
}

function parameters({ host }: PreflightInput, refused: boolean): readonly string[] {
  const words = host.kernelParameters.state === "read" ? host.kernelParameters.value : [];
  const set = (pattern: RegExp) => words.find((word) => pattern.test(word));
  const said: string[] = [];
  const amdOn = set(/^amd_iommu=on$/);
  if (amdOn !== undefined)
    said.push(`${amdOn}: there is no such value; the AMD IOMMU is on by itself when the BIOS allows it.`);
  if (!refused) return said;
  const acs = set(/^pcie_acs_override=/);
  if (acs !== undefined)
    said.push(`${acs}: it splits IOMMU groups, and the firmware's demand stays with the device.`);
  const framebuffer = set(/^video=(?:efifb|vesafb|simplefb):off/);
  if (framebuffer !== undefined)
    said.push(
      `${framebuffer}: it frees the card's memory from the boot console, which is not what is refused here.`,
    );
  const unsafe = set(/^vfio_iommu_type1\.allow_unsafe_interrupts=/);
  if (unsafe !== undefined) said.push(`${unsafe}: it concerns interrupts, not memory.`);
  return said;
}

function machines(vms: readonly VmDefinition[]): readonly string[] {
  const old = vms.filter(({ machine }) => /i440fx|^pc-\d/.test(machine));
  return [
    ...old.map(
      ({ name, machine }) =>
        `'${name}' has the machine type ${machine}: q35 suits passthrough better, but this refusal comes before the machine type plays any part.`,
    ),
    "Resizable BAR, Above 4G Decoding, a ROM file and multifunction: none of them touches the demand of the firmware.",
  ];
}
