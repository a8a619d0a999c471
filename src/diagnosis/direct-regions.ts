import { isRelaxing, refusesDirectRegions } from "../knowledge/direct-regions.ts";
import type { Cause } from "../model/diagnosis.ts";
import type { FirmwareDemand, HostState, IommuGroup, ReservedRegion } from "../model/host-state.ts";
import { quotedVm } from "../model/identifiers.ts";
import { valueOr } from "../model/reading.ts";
import type { VmDefinition } from "../model/virtual-machine.ts";
import { deviceAt, groupsOf } from "./host-lookups.ts";
import { cause } from "./state-cause.ts";

/** Whose IOMMU a table describes. */
const PLATFORM = { IVRS: "amd", DMAR: "intel" } as const;

/** A kernel that does not refuse today: what there is to say of it before a newer one is booted. */
export interface NotYetRefused {
  readonly sentence: string;
  readonly evidence: readonly string[];
  readonly group: IommuGroup;
}

/** Groups of the VM for which the firmware demands a fixed mapping, each with the regions and the entries (law 4). */
export function directRegions(vm: VmDefinition, host: HostState): Cause[] {
  return demandedGroups(vm, host).flatMap(({ group, regions, demands, subject }): Cause[] => {
    const refusal = refusalBy(host, demands);
    if (refusal === "not-yet") return overlap(vm, host, group, regions, subject);
    return [
      cause("iommu-direct-mapping-required", "direct-region", {
        certainty: refusal === "refuses" ? "certain" : "likely",
        sentence: `${subject}, and the kernel does not hand such a device to ${quotedVm(vm.name)}${refusal === "refuses" ? "" : ` (${UNKNOWN[refusal]})`}.`,
        evidence: evidenceOf(group, regions, demands),
        devices: group.members,
        groups: [group.id],
      }),
    ];
  });
}

/** The same groups on a kernel that still gives the device away. */
export function notYetRefused(vm: VmDefinition, host: HostState): readonly NotYetRefused[] {
  return demandedGroups(vm, host).flatMap(({ group, regions, demands, subject }) =>
    refusalBy(host, demands) !== "not-yet"
      ? []
      : [
          {
            sentence: `${subject}. Linux ${host.kernelRelease.state === "read" ? host.kernelRelease.value : "of this host"} gives the device away all the same; Linux 6.6 and newer will refuse it to ${quotedVm(vm.name)}, so a kernel update will stop this VM.`,
            evidence: evidenceOf(group, regions, demands),
            group,
          },
        ],
  );
}

const UNKNOWN = {
  "unknown-kernel": "whether this kernel minds it could not be found out; on AMD those before 6.6 do not",
  "unknown-table":
    "whose demand it is could not be read; on AMD this kernel gives it away, on Intel it does not",
  relaxed: "unless the option relax_rmrr or relax_unity, which only patched kernels have, is in effect",
} as const;

function demandedGroups(vm: VmDefinition, host: HostState) {
  return groupsOf(vm, host).flatMap((group) => {
    const regions = valueOr(group.reservedRegions, []).filter((region) => region.kind === "direct");
    if (regions.length === 0) return [];
    const demands = demandsOn(group, host);
    const bios = host.bios.state === "read" ? ` (BIOS ${host.bios.value.version})` : "";
    const subject = `The firmware${bios} demands a fixed 1:1 memory mapping for ${named(vm, group, host)}`;
    return [{ group, regions, demands, subject }];
  });
}

function refusalBy(
  { kernelRelease, kernelParameters, firmwareDemands }: HostState,
  demands: readonly FirmwareDemand[],
): "refuses" | "not-yet" | keyof typeof UNKNOWN {
  const words = kernelParameters.state === "read" ? kernelParameters.value : [];
  if (words.some(isRelaxing)) return "relaxed";
  if (kernelRelease.state !== "read") return "unknown-kernel";
  const all = demands.length > 0 || firmwareDemands.state !== "read" ? demands : firmwareDemands.value;
  const tables = new Set(all.map(({ table }) => table));
  const refuses = (["IVRS", "DMAR"] as const)
    .filter((table) => tables.size === 0 || tables.has(table))
    .map((table) => refusesDirectRegions(kernelRelease.value, PLATFORM[table]));
  if (refuses.includes(undefined)) return "unknown-kernel";
  if (refuses.every((one) => one === true)) return "refuses";
  return refuses.every((one) => one === false) ? "not-yet" : "unknown-table";
}

const MIB = 1024n * 1024n;
const FOUR_GIB = 4096n * MIB;

/**
 * A kernel that gives the device away still cuts the region out of what VFIO may map (`vfio_iommu_resv_exclude`), so
 * QEMU fails with -22 where the guest's memory lies there. QEMU puts memory below 4 GiB up to 2 GiB on q35 and 3 GiB
 * on i440fx once there is more than fits (`pc_q35_init`, `pc_init1`), and the rest above 4 GiB.
 */
function overlap(
  vm: VmDefinition,
  { kernelRelease }: HostState,
  group: IommuGroup,
  regions: readonly ReservedRegion[],
  subject: string,
): Cause[] {
  if (vm.memoryKiB === 0) return [];
  const memory = BigInt(vm.memoryKiB) * 1024n;
  const isQ35 = /q35/.test(vm.machine);
  const [most, split] = isQ35 ? [2816n * MIB, 2048n * MIB] : [3584n * MIB, 3072n * MIB];
  const low = memory >= most ? split : memory;
  const covered = regions.filter(
    ({ start, end }) => start < low || (end >= FOUR_GIB && start < FOUR_GIB + (memory - low) && memory > low),
  );
  if (covered.length === 0) return [];
  const kernel = kernelRelease.state === "read" ? ` ${kernelRelease.value}` : "";
  return [
    cause("dma-map-failed", "memory-over-direct-region", {
      certainty: "likely",
      sentence: `${subject}. Linux${kernel} gives the device away all the same, but the memory of '${vm.name}' covers that range, and QEMU cannot map it there.`,
      evidence: evidenceOf(group, covered, []),
      devices: group.members,
      groups: [group.id],
    }),
  ];
}

function evidenceOf(
  { id }: IommuGroup,
  regions: readonly ReservedRegion[],
  demands: readonly FirmwareDemand[],
): readonly string[] {
  return [
    ...regions.map(
      ({ start, end }) =>
        `/sys/kernel/iommu_groups/${id}/reserved_regions: 0x${hex(start)} 0x${hex(end)} direct`,
    ),
    ...demands.map(({ table, description }) => `${table}: ${description}`),
  ];
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

function demandsOn(group: IommuGroup, host: HostState): readonly FirmwareDemand[] {
  if (host.firmwareDemands.state !== "read") return [];
  return host.firmwareDemands.value.filter(
    ({ strength, devices }) => strength === "hard" && devices.some((bdf) => group.members.includes(bdf)),
  );
}
