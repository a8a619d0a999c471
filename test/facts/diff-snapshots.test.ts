import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { diffSnapshots } from "../../src/facts/diff-snapshots.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import { FACT_GROUPS, type Fact, type FactGroup, type FactValue } from "../../src/model/fact.ts";
import { arbitraryFacts } from "../helpers/arbitrary-facts.ts";
import { factValue } from "../helpers/facts.ts";

/** Facts from `key: value`; null is absent, `?` in front unknown. */
function facts(entries: Readonly<Record<string, string | null>>): readonly Fact[] {
  return Object.entries(entries).map(([key, text]) => {
    const group = FACT_GROUPS.toSorted((a, b) => b.length - a.length).find((name) => key.startsWith(name));
    const value: FactValue =
      text === null
        ? { state: "absent" }
        : text.startsWith("?")
          ? { state: "unknown", why: text.slice(1) }
          : factValue(key, text);
    return { group: group as FactGroup, key, value };
  });
}

function diff(
  before: Readonly<Record<string, string | null>>,
  after: Readonly<Record<string, string | null>>,
) {
  return diffSnapshots(makeSnapshot(facts(before)), makeSnapshot(facts(after)));
}

function sentences(...sides: Parameters<typeof diff>): readonly string[] {
  return diff(...sides).map(({ sentence }) => sentence);
}

const GPU = "10de:2805/1462:5174";
const AUDIO = "10de:22bd/1462:5174";

function gpuAt(address: string, group = "14", kind = GPU): Record<string, string | null> {
  return {
    [`pci.${kind}.address`]: address,
    [`pci.${kind}.name`]: "NVIDIA AD106 [GeForce RTX 4060 Ti]",
    [`pci.${kind}.driver`]: "vfio-pci",
    [`pci.${kind}.group`]: group,
  };
}

test("nothing changes between a snapshot and itself, whatever is in it", () => {
  fc.assert(
    fc.property(arbitraryFacts, (some) => {
      assert.deepEqual(diffSnapshots(makeSnapshot(some), makeSnapshot(some.toReversed())), []);
    }),
  );
});

test("what is unknown on a side is never in a change", () => {
  fc.assert(
    fc.property(arbitraryFacts, arbitraryFacts, (some, others) => {
      for (const { before, after } of diffSnapshots(makeSnapshot(some), makeSnapshot(others))) {
        assert.notEqual(before.state, "unknown");
        assert.notEqual(after.state, "unknown");
        assert.notDeepEqual(before, after);
      }
    }),
  );
});

test("making every fact of one side unknown leaves no change", () => {
  fc.assert(
    fc.property(arbitraryFacts, arbitraryFacts, (some, others) => {
      const hidden = FACT_GROUPS.map(
        (group): Fact => ({ group, key: group, value: { state: "unknown", why: "x" } }),
      );
      assert.deepEqual(diffSnapshots(makeSnapshot(some), makeSnapshot(hidden)), []);
      assert.deepEqual(diffSnapshots(makeSnapshot(hidden), makeSnapshot(others)), []);
    }),
  );
});

test("there and back has as many changes of every group, with before and after exchanged", () => {
  fc.assert(
    fc.property(arbitraryFacts, arbitraryFacts, (some, others) => {
      const count = (changes: ReturnType<typeof diffSnapshots>) =>
        FACT_GROUPS.map((group) => changes.filter((change) => change.group === group).length);
      const there = diffSnapshots(makeSnapshot(some), makeSnapshot(others));
      const back = diffSnapshots(makeSnapshot(others), makeSnapshot(some));
      assert.deepEqual(count(there), count(back));
    }),
  );
});

test("a fact with one value here and another there is told exactly once", () => {
  fc.assert(
    fc.property(arbitraryFacts, arbitraryFacts, (some, others) => {
      const keys = diffSnapshots(makeSnapshot(some), makeSnapshot(others)).map(({ key }) => key);
      assert.equal(new Set(keys).size, keys.length);
      const value = (list: readonly Fact[], key: string) => list.find((fact) => fact.key === key)?.value;
      for (const key of ["firmware.bios.version", "kernel.release", "vfio-setup.config"]) {
        const [before, after] = [value(some, key), value(others, key)];
        const both = before !== undefined && after !== undefined;
        const known = both && before.state !== "unknown" && after.state !== "unknown";
        assert.equal(keys.includes(key), known && JSON.stringify(before) !== JSON.stringify(after));
      }
    }),
  );
});

test("changes stand in the order of interest, each said for a person", () => {
  assert.deepEqual(
    sentences(
      {
        "software.qemu": "9.2.3",
        "kernel.parameter": "listed",
        "kernel.parameter.iommu": "pt",
        "firmware.bios.date": "08/12/2025",
        "firmware.bios.version": "E7E49AMSI.1A63",
        "firmware-tables.IVRS.sha256": "aa",
        [`iommu.group.${GPU}.members`]: GPU,
        [`iommu.group.${GPU}.direct`]: null,
        ...gpuAt("0000:01:00.0"),
      },
      {
        "software.qemu": "10.2.2",
        "kernel.parameter": "listed",
        "kernel.parameter.vfio-pci%2eids": "10de:2805",
        "firmware.bios.date": "03/02/2026",
        "firmware.bios.version": "E7E49AMSI.1A95",
        "firmware-tables.IVRS.sha256": "bb",
        "firmware-tables.IVRS.ivmd.1": "IVMD type 22h, flags 08h",
        [`iommu.group.${GPU}.members`]: GPU,
        [`iommu.group.${GPU}.direct`]: "0x7fff0000-0x7fff7fff",
        ...gpuAt("0000:01:00.0"),
      },
    ),
    [
      "BIOS E7E49AMSI.1A63 (2025-08-12) → E7E49AMSI.1A95 (2026-03-02)",
      "IVRS now contains a 1:1 demand: IVMD type 22h, flags 08h",
      "IOMMU group of NVIDIA AD106 [GeForce RTX 4060 Ti] (0000:01:00.0) gained a direct region 0x7fff0000-0x7fff7fff",
      "Kernel parameter iommu: pt → none",
      "Kernel parameter vfio-pci.ids: none → 10de:2805",
      "QEMU: 9.2.3 → 10.2.2",
    ],
  );
});

test("a device that moved is one change, and its other facts are compared as its own", () => {
  const changes = diff(
    { ...gpuAt("0000:01:00.0"), "pci.144d:a80c/144d:a801.address": "0000:02:00.0" },
    { ...gpuAt("0000:03:00.0"), "pci.144d:a80c/144d:a801.address": "0000:02:00.0" },
  );
  assert.deepEqual(
    changes.map(({ sentence }) => sentence),
    ["NVIDIA AD106 [GeForce RTX 4060 Ti] moved 0000:01:00.0 → 0000:03:00.0"],
  );
});

test("a second card of the same kind at a lower address leaves the first one what it was", () => {
  assert.deepEqual(
    sentences(gpuAt("0000:02:00.0"), {
      ...gpuAt("0000:01:00.0", "13"),
      [`pci.${GPU}.driver`]: "nvidia",
      ...gpuAt("0000:02:00.0", "14", `${GPU}#2`),
    }),
    ["PCI device added: NVIDIA AD106 [GeForce RTX 4060 Ti] (0000:01:00.0)"],
  );
});

test("of three cards of a kind the one that was pulled is named", () => {
  const three = {
    ...gpuAt("0000:01:00.0", "1"),
    ...gpuAt("0000:02:00.0", "2", `${GPU}#2`),
    ...gpuAt("0000:03:00.0", "3", `${GPU}#3`),
  };
  const two = { ...gpuAt("0000:01:00.0", "1"), ...gpuAt("0000:03:00.0", "3", `${GPU}#2`) };
  assert.deepEqual(sentences(three, two), [
    "PCI device removed: NVIDIA AD106 [GeForce RTX 4060 Ti] (0000:02:00.0)",
  ]);
});

test("groups that only got other numbers are one change at the end", () => {
  const host = (first: string, second: string, version: string) => ({
    ...gpuAt("0000:01:00.0", first),
    [`pci.${AUDIO}.address`]: "0000:01:00.1",
    [`pci.${AUDIO}.group`]: second,
    [`iommu.group.${GPU}.members`]: GPU,
    [`iommu.group.${AUDIO}.members`]: AUDIO,
    "software.qemu": version,
  });
  assert.deepEqual(sentences(host("14", "15", "9"), host("15", "16", "10")), [
    "QEMU: 9 → 10",
    "IOMMU groups have other numbers and the same members: 14 → 15, 15 → 16",
  ]);
});

test("a device that joined a group is told as such", () => {
  const alone = { ...gpuAt("0000:01:00.0"), [`pci.${AUDIO}.address`]: "0000:01:00.1" };
  const [sentence] = sentences(
    { ...alone, [`iommu.group.${GPU}.members`]: GPU },
    { ...alone, [`iommu.group.${GPU}.members`]: `${GPU}, ${AUDIO}` },
  );
  assert.equal(
    sentence,
    `IOMMU group of NVIDIA AD106 [GeForce RTX 4060 Ti] (0000:01:00.0), members: gained ${AUDIO} (0000:01:00.1)`,
  );
});

test("an IOMMU that was switched off is one change", () => {
  const device = (group: string | null) => ({ ...gpuAt("0000:01:00.0"), [`pci.${GPU}.group`]: group });
  assert.deepEqual(
    sentences(
      { ...device("14"), [`iommu.group.${GPU}.members`]: GPU, "iommu.units": "ivhd0" },
      { ...device(null), "iommu.group": null, "iommu.units": null },
    ),
    ["IOMMU units in use: ivhd0 → none", "IOMMU groups: 1 → none"],
  );
});

test("one more entry at the beginning of a firmware table is one change", () => {
  assert.deepEqual(
    diff(
      { "firmware-tables.IVRS.ivmd.1": "A", "firmware-tables.IVRS.ivmd.2": "B" },
      {
        "firmware-tables.IVRS.ivmd.1": "N",
        "firmware-tables.IVRS.ivmd.2": "A",
        "firmware-tables.IVRS.ivmd.3": "B",
      },
    ).map(({ key, sentence }) => [key, sentence]),
    [["firmware-tables.IVRS.ivmd.1", "IVRS now contains a 1:1 demand: N"]],
  );
});

test("a table that could not be decoded now has not lost its entries", () => {
  assert.deepEqual(
    diff({ "firmware-tables.IVRS.ivmd.1": "A" }, { "firmware-tables.IVRS": "?needs root" }),
    [],
  );
});

test("a table that is gone is one change", () => {
  assert.deepEqual(
    sentences(
      {
        "firmware-tables.IVRS.sha256": "aa",
        "firmware-tables.IVRS.ivmd.1": "A",
        "firmware-tables.list": "APIC, IVRS",
      },
      { "firmware-tables.IVRS": null, "firmware-tables.list": "APIC" },
    ),
    ["Firmware table IVRS is no longer there", "Firmware tables: lost IVRS"],
  );
});

test("a key that an older version did not collect is not news, a VM that it did not have is", () => {
  assert.deepEqual(
    sentences(
      { vm: "listed", "vm.Old.machine": "q35" },
      {
        vm: "listed",
        "vm.Old.machine": "q35",
        "vm.Old.tpm": "yes",
        "vm.New.machine": "q35",
        "kernel.hz": "250",
      },
    ),
    ["VM 'New' is new"],
  );
});

test("VMs that cannot be listed have not been deleted", () => {
  assert.deepEqual(diff({ vm: "listed", "vm.A.machine": "q35" }, { vm: "?libvirt is down" }), []);
  assert.deepEqual(sentences({ vm: "listed", "vm.A%2e1.machine": "q35" }, { vm: "listed" }), [
    "VM 'A.1' was deleted",
  ]);
});

test("a device given to a VM is said once, as gained", () => {
  assert.deepEqual(
    sentences(
      { vm: "listed", "vm.A.devices": "0000:01:00.0", "vm.A.device.0000:01:00.0": "managed" },
      {
        vm: "listed",
        "vm.A.devices": "0000:01:00.0, 0000:01:00.1",
        "vm.A.device.0000:01:00.0": "managed",
        "vm.A.device.0000:01:00.1": "managed",
      },
    ),
    ["VM 'A', passed-through devices: gained 0000:01:00.1"],
  );
});
