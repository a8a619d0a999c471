import assert from "node:assert/strict";
import { test } from "node:test";
import { concernedVms, watchedChanges } from "../../src/facts/watched-changes.ts";
import type { Change, FactValue } from "../../src/model/fact.ts";
import { vmName } from "../../src/model/identifiers.ts";
import type { VmDefinition } from "../../src/model/virtual-machine.ts";
import { bdf } from "../helpers/recorded-tree.ts";

const value = (text: string): FactValue => ({ state: "value", value: text });
const ABSENT: FactValue = { state: "absent" };
const change = (key: string, before: FactValue, after: FactValue): Change => ({
  ...{ group: "iommu", key, before, after, sentence: key },
});
const keysOf = (changes: readonly Change[]) => watchedChanges(changes).map(({ key }) => key);

const GPU = "10de:2805/1462:5174";
const NIC = "8086:1533/8086:0000";
const snapshot = {
  id: "s",
  facts: [
    { group: "iommu", key: `iommu.group.${GPU}.members`, value: { state: "value", value: [GPU] } },
    { group: "pci", key: `pci.${GPU}.address`, value: value("0000:01:00.0") },
    { group: "pci", key: `pci.${NIC}.address`, value: value("0000:05:00.0") },
  ],
} as const;
const vm = (name: string, ...devices: readonly string[]): VmDefinition => ({
  ...{ name: vmName(name), uuid: "", machine: "q35", firmware: "uefi", memoryKiB: 1, hugepages: false },
  hostDevices: devices.map((device) => ({ bdf: bdf(device), managed: true })),
});
const vms = [vm("games", "01:00.0"), vm("router", "05:00.0"), vm("plain")];

test("another BIOS, other members of a group and a 1:1 demand that came are told; what each boot deals anew is not", () => {
  assert.deepEqual(
    keysOf([
      change("firmware.bios.version", value("A63"), value("A95")),
      change("firmware.bios.date", value("02/10/2026"), value("06/18/2026")),
      change("firmware-tables.IVRS.sha256", value("a"), value("b")),
      change(`iommu.group.${GPU}.direct`, ABSENT, value("0x7fff0000-0x7fff7fff")),
      change(`iommu.group.${NIC}.direct`, value("0x1000-0x1fff"), value("0x2000-0x2fff")),
      change(
        `iommu.group.${GPU}.members`,
        { state: "value", value: [GPU] },
        { state: "value", value: [GPU, NIC] },
      ),
      change(`iommu.group.${GPU}.type`, value("DMA"), value("DMA-FQ")),
      change("iommu.group-numbers", value("14"), value("15")),
      change("kernel.release", value("6.6"), value("6.12")),
    ]),
    ["firmware.bios.version", `iommu.group.${GPU}.direct`, `iommu.group.${GPU}.members`],
  );
});

test("a BIOS that was built anew under its old name is told by its date", () => {
  const date = change("firmware.bios.date", value("02/10/2026"), value("06/18/2026"));
  assert.deepEqual(keysOf([date]), ["firmware.bios.date"]);
});

test("a BIOS concerns every VM with a device, a group those whose devices were or are in it", () => {
  const concerned = (...changes: Change[]) => concernedVms(changes, [snapshot], vms).map(({ name }) => name);
  const bios = change("firmware.bios.version", value("A63"), value("A95"));
  const direct = change(`iommu.group.${GPU}.direct`, ABSENT, value("0x7fff0000-0x7fff7fff"));
  const joined = change(
    `iommu.group.${GPU}.members`,
    { state: "value", value: [GPU] },
    { state: "value", value: [GPU, NIC] },
  );
  assert.deepEqual(concerned(bios), ["games", "router"]);
  assert.deepEqual(concerned(direct), ["games"]);
  assert.deepEqual(concerned(joined), ["games", "router"]);
});
