import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CauseClass } from "../../src/model/catalogue.ts";
import type { Change, Fact, FactGroup } from "../../src/model/fact.ts";
import { type Bdf, bdfFromParts } from "../../src/model/identifiers.ts";
import { createHostFacts } from "../../src/report/host-facts.ts";
import { vendorQuestions } from "../../src/report/vendor-questions.ts";
import { factValue } from "../helpers/facts.ts";

const GPU = bdfFromParts(0, 1, 0, 0);
const fact = (key: string, value: string): Fact => ({
  group: key.split(".")[0] as FactGroup,
  key,
  value: factValue(key, value),
});
const BOARD = [fact("firmware.bios.version", "A95"), fact("firmware.board.name", "CARBON")];
const CARD = [
  fact("pci.10de:2805/1462:5174.address", "0000:01:00.0"),
  fact("pci.10de:2805/1462:5174.group", "14"),
  fact("pci.1022:43f5/1462:7e49.address", "0000:05:00.0"),
  fact("pci.1022:43f5/1462:7e49.group", "14"),
  fact("iommu.group.10de:2805/1462:5174.members", "10de:2805/1462:5174, 1022:43f5/1462:7e49"),
];

function ask(
  causes: readonly CauseClass[],
  facts: readonly Fact[],
  more: {
    readonly goodBios?: string;
    readonly biosBlamed?: boolean;
    readonly changes?: readonly Change[];
    readonly devices?: readonly Bdf[];
  } = {},
) {
  return vendorQuestions({
    causes,
    devices: more.devices ?? [GPU],
    facts: createHostFacts([...BOARD, ...facts]),
    goodBios: more.goodBios,
    changes: more.changes ?? [],
    biosBlamed: more.biosBlamed ?? false,
  });
}

describe("questions for the board's vendor", () => {
  it("are none where no finding is the board's business", () => {
    assert.deepEqual(ask([], CARD), []);
    for (const cause of ["device-busy", "memlock-limit", "vm-config-invalid", "driver-binding"] as const)
      assert.deepEqual(ask([cause], CARD), []);
  });

  it("name the entry and the BIOS of a demand, and ask for its setting by name where the table tells it", () => {
    const entry = fact(
      "firmware-tables.DMAR.rmrr.1",
      "RMRR segment 0, memory 0x1-0x2, endpoint 00:01.0/00.0",
    );
    const [first, second] = ask(["iommu-direct-mapping-required"], [entry]);
    assert.match(first ?? "", /^In BIOS A95 of the CARBON the DMAR table holds this entry: RMRR segment 0/);
    assert.match(second ?? "", /Which BIOS setting, if any/);
    const protection = fact("firmware-tables.IVRS.pre-boot-dma-protection", "on");
    assert.match(
      ask(["iommu-direct-mapping-required"], [protection]).join(" "),
      /pre-boot DMA protection is on/,
    );
  });

  it("ask who brought the demand only where it was not there before", () => {
    const came: Change = {
      group: "firmware-tables",
      key: "firmware-tables.IVRS.ivmd.1",
      before: { state: "absent" },
      after: { state: "value", value: "IVMD" },
      sentence: "IVRS now contains a 1:1 demand: IVMD",
    };
    assert.match(
      ask(["iommu-direct-mapping-required"], [], { changes: [came] }).join(" "),
      /was not there before/,
    );
    assert.doesNotMatch(ask(["iommu-direct-mapping-required"], []).join(" "), /was not there before/);
  });

  it("name who shares the group", () => {
    assert.match(
      ask(["group-not-viable"], CARD)[0] ?? "",
      /0000:01:00\.0 shares IOMMU group 14 with 0000:05:00\.0/,
    );
  });

  it("take no offence at a card whose functions share a group", () => {
    const card = [
      fact("pci.8086:10d3/8086:0000.address", "0000:01:00.0"),
      fact("pci.8086:10d3/8086:0000#2.address", "0000:01:00.1"),
      fact("iommu.group.8086:10d3/8086:0000.members", "8086:10d3/8086:0000, 8086:10d3/8086:0000#2"),
    ];
    assert.deepEqual(ask(["group-not-viable"], card), []);
  });

  it("ask about a table that is faulty, whatever failed", () => {
    const fault = fact("firmware-tables.IVRS.finding.1", "at byte 40: the length runs over the end");
    assert.match(
      ask(["device-busy"], [fault])[0] ?? "",
      /IVRS table of BIOS A95 of the CARBON is faulty at byte 40/,
    );
  });

  it("ask what an update changed only where the history blames the BIOS", () => {
    const [question] = ask(["reset-failed"], [], { goodBios: "A63", biosBlamed: true });
    assert.match(question ?? "", /works with BIOS A63 and fails with A95/);
    assert.deepEqual(ask(["reset-failed"], [], { goodBios: "A63" }), []);
    assert.deepEqual(ask(["reset-failed"], [], { goodBios: "A95", biosBlamed: true }), []);
  });

  it("ask for interrupt remapping only where the table denies it", () => {
    const denied = fact("firmware-tables.DMAR.interrupt-remapping", "not offered");
    assert.equal(ask(["interrupt-remapping-missing"], [denied]).length, 1);
    assert.deepEqual(ask(["interrupt-remapping-missing"], []), []);
  });
});
