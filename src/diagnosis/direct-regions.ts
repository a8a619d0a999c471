import type { Cause } from "../model/diagnosis.ts";
import type { HostState, IommuGroup } from "../model/host-state.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { deviceAt, groupsOf } from "./host-lookups.ts";
import { cause } from "./state-cause.ts";

/** The kernel refuses devices with hard 1:1 regions since this version, whoever the vendor is. */
const REFUSES_SINCE = [6, 6] as const;

/** Groups of the VM for which the firmware demands a fixed mapping, each with the regions and the entries (law 4). */
export function directRegions(vm: VmDefinition, host: HostState): Cause[] {
  const causes: Cause[] = [];
  for (const group of groupsOf(vm, host)) {
    const regions = group.reservedRegions.filter((region) => region.kind === "direct");
    if (regions.length === 0) continue;
    const refuses = kernelRefuses(host);
    const demands = demandsOn(group, host);
    const bios = host.bios.state === "read" ? ` (BIOS ${host.bios.value.version})` : "";
    causes.push(
      cause("iommu-direct-mapping-required", "direct-region", {
        certainty: refuses === false ? "possible" : refuses === undefined ? "likely" : "certain",
        sentence:
          `The firmware${bios} demands a fixed 1:1 memory mapping for ${named(vm, group, host)}, ` +
          `and the kernel does not hand such a device to '${vm.name}'.`,
        remedies: [
          "Go back to the BIOS version with which it worked, or ask the board's vendor for one without the demand.",
          "In the BIOS turn off Kernel DMA Protection, Pre-boot DMA Protection or DMAr Support, where it is offered.",
        ],
        evidence: [
          ...regions.map(
            (region) =>
              `/sys/kernel/iommu_groups/${group.id}/reserved_regions: 0x${hex(region.start)} 0x${hex(region.end)} direct`,
          ),
          ...demands,
        ],
        devices: group.members,
        groups: [group.id],
      }),
    );
  }
  return causes;
}

/** The VM's first device of the group by name and address, and the group, which is what the demand is on. */
function named(vm: VmDefinition, group: IommuGroup, host: HostState): string {
  const own = vm.hostDevices.map(({ bdf }) => bdf).find((bdf) => group.members.includes(bdf));
  if (own === undefined) return `IOMMU group ${group.id}`;
  const name = deviceAt(own, host)?.name;
  return name === undefined
    ? `${own} (IOMMU group ${group.id})`
    : `${name} (${own}, IOMMU group ${group.id})`;
}

function hex(value: bigint): string {
  return value.toString(16).padStart(16, "0");
}

/** Undefined where the kernel's version could not be read. */
function kernelRefuses(host: HostState): boolean | undefined {
  if (host.kernelRelease.state !== "read") return undefined;
  const version = /^(\d+)\.(\d+)/.exec(host.kernelRelease.value);
  if (version === null) return undefined;
  const [major, minor] = [Number(version[1]), Number(version[2])];
  return major > REFUSES_SINCE[0] || (major === REFUSES_SINCE[0] && minor >= REFUSES_SINCE[1]);
}

function demandsOn(group: IommuGroup, host: HostState): string[] {
  if (host.firmwareDemands.state !== "read") return [];
  return host.firmwareDemands.value
    .filter(
      (demand) => demand.strength === "hard" && demand.devices.some((bdf) => group.members.includes(bdf)),
    )
    .map((demand) => `${demand.table}: ${demand.description}`);
}
