import type { Change, Snapshot } from "../model/fact.ts";
import { type VmDefinition, wantsDevices } from "../model/virtual-machine.ts";
import { listOf } from "./fact-value.ts";

const GROUP = /^iommu\.group\.(?<identity>[^.]+)(?:\.(?<attribute>[^.]+))?$/;

/**
 * The changes that people hear of though nothing has failed: another BIOS, another membership of IOMMU groups, a 1:1
 * demand that came or went, an IOMMU that came or went. Addresses and numbers that every boot deals anew are left out.
 */
export function watchedChanges(changes: readonly Change[]): readonly Change[] {
  const isOtherBios = changes.some(({ key }) => key === "firmware.bios.version");
  return changes.filter(({ key, before, after }) => {
    if (key === "firmware.bios.version" || key === "iommu.group") return true;
    // The date alone tells of a BIOS that was built anew under its old name.
    if (key === "firmware.bios.date") return !isOtherBios;
    const parts = GROUP.exec(key)?.groups;
    if (parts === undefined) return false;
    if (parts.attribute === "direct") return before.state !== after.state;
    return parts.attribute === undefined || parts.attribute === "members";
  });
}

/** The VMs with passed-through devices that watched changes may concern. */
export function concernedVms(
  changes: readonly Change[],
  snapshots: readonly Snapshot[],
  definitions: readonly VmDefinition[],
): readonly VmDefinition[] {
  const users = definitions.filter(wantsDevices);
  const groups = changes.map(({ key }) => GROUP.exec(key)?.groups?.identity);
  const wholeHost = groups.includes(undefined);
  const addresses = new Set(groups.flatMap((group) => addressesOf(group ?? "", changes, snapshots)));
  return users.filter(({ hostDevices }) => wholeHost || hostDevices.some(({ bdf }) => addresses.has(bdf)));
}

/** Where the devices are that were or are in a group; the group is named by its first member. */
function addressesOf(
  group: string,
  changes: readonly Change[],
  snapshots: readonly Snapshot[],
): readonly string[] {
  const valueIn = ({ facts }: Snapshot, key: string) => facts.find((fact) => fact.key === key)?.value;
  const members = `iommu.group.${group}.members`;
  const lists = [
    ...snapshots.map((snapshot) => valueIn(snapshot, members)),
    ...changes.filter(({ key }) => key === members).flatMap(({ before, after }) => [before, after]),
  ];
  const devices = new Set(lists.flatMap(listOf));
  return snapshots.flatMap((snapshot) =>
    [...devices].flatMap((device) => listOf(valueIn(snapshot, `pci.${device}.address`))),
  );
}
