import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AnswerInput, makeAnswer } from "../../src/answer/answer.ts";
import { changeTexts, historyTexts, MOST_CHANGES } from "../../src/answer/words.ts";
import type { CauseClass } from "../../src/model/catalogue.ts";
import type { Cause } from "../../src/model/diagnosis.ts";
import type { Change, FactGroup } from "../../src/model/fact.ts";
import { signatureId, vmName } from "../../src/model/identifiers.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";

const WORKED = Date.UTC(2025, 7, 1, 18);
const GPU = "10de:2805/1462:5174";

function cause(causeClass: CauseClass): Cause {
  return {
    ...{ class: causeClass, certainty: "certain", signature: signatureId("test.made") },
    ...{ sentence: `It failed with ${causeClass}.`, evidence: [], devices: [], groups: [] },
  };
}

/** A change of a fact; an empty side is absent. */
function change(key: string, before: string, after: string): Change {
  const value = (text: string) =>
    text === "" ? ({ state: "absent" } as const) : ({ state: "value", value: text } as const);
  return {
    ...{ group: key.split(".")[0] as FactGroup, key, before: value(before), after: value(after) },
    sentence: `${key}: ${before || "none"} → ${after || "none"}`,
  };
}

const BIOS = change("firmware.bios.version", "A63", "A95");
const REGION = change(`iommu.group.${GPU}.direct`, "", "0xa5a32000-0xa5a32fff");
const ENTRY = change("firmware-tables.IVRS.ivmd.1", "", "IVMD type 22h");
const CROSSED = change("kernel.release", "6.1.176", "6.12.107");
const LATER = change("kernel.release", "6.12.107", "6.18.2");

function answer(changes: readonly Change[] | undefined, given: Partial<AnswerInput> = {}) {
  return makeAnswer(
    {
      vm: vmName("Windows 11"),
      causes: [cause("iommu-direct-mapping-required")],
      unexplained: "",
      outcome: "failed",
      here: { at: WORKED + 86_400_000, bios: "A95" },
      lastGood: { at: WORKED, bios: "A63" },
      failing: undefined,
      changes,
      comparedWith: "good start",
      newKeys: undefined,
      matters: () => true,
      suspects: [],
      truths: { cpu: "amd", kernel: "6.12.107" },
      demand: undefined,
      demandedThen: undefined,
      failedWith: () => false,
      ...given,
    },
    catalogue,
  );
}

const targets = (made: ReturnType<typeof answer>) => made.goBack.map(({ knob, to }) => `${knob} ${to}`);

describe("what to go back to", () => {
  it("is the BIOS that worked, named, where the BIOS changed", () => {
    const made = answer([BIOS, REGION]);
    assert.deepEqual(targets(made), ["BIOS A63"]);
    assert.ok(made.remedies.includes("Go back to BIOS A63, with which it last worked on 2025-08-01."));
  });

  it("is the kernel where that alone changed and began to refuse, and no BIOS", () => {
    const made = answer([CROSSED], { demandedThen: true });
    assert.deepEqual(targets(made), ["kernel 6.1.176"]);
    assert.ok(
      made.remedies.every((text) => !/BIOS version|Go back to BIOS/.test(text)),
      made.remedies.join("\n"),
    );
  });

  it("is also a BIOS without the demand, where the kernel alone changed and one is on record", () => {
    const demand = { bios: "A95", since: WORKED, biosWithout: "A40" };
    const made = answer([CROSSED], { demandedThen: true, demand, here: { at: WORKED, bios: "A95" } });
    assert.deepEqual(targets(made), ["kernel 6.1.176", "BIOS A40"]);
  });

  it("is a setting of the firmware where the same BIOS was without the demand before", () => {
    const demand = { bios: "A95", since: WORKED, biosWithout: "A95" };
    const made = answer([REGION, ENTRY], { demandedThen: false, demand });
    assert.deepEqual(targets(made), ["BIOS setting undefined"]);
    assert.ok(
      made.remedies.includes(
        "Set back what was changed in the firmware's set-up: the same BIOS A95 was without the demand before.",
      ),
    );
  });

  it("is either of both where BIOS and kernel changed and only the pair fails", () => {
    assert.deepEqual(targets(answer([BIOS, REGION, CROSSED])), ["BIOS A63", "kernel 6.1.176"]);
  });

  it("is the kernel alone where the firmware demanded it before and the BIOS changed beside", () => {
    assert.deepEqual(targets(answer([BIOS, CROSSED], { demandedThen: true })), ["kernel 6.1.176"]);
  });

  it("is no kernel that refused as well, and on Intel none at all", () => {
    assert.deepEqual(targets(answer([LATER])), []);
    assert.deepEqual(targets(answer([CROSSED], { truths: { cpu: "intel" } })), []);
  });

  it("is nothing that has failed again since it worked", () => {
    const made = answer([BIOS, REGION], { failedWith: ({ key }) => key === "firmware.bios.version" });
    assert.deepEqual(targets(made), []);
    assert.ok(made.remedies.every((text) => !text.includes("A63")));
  });

  it("is never a BIOS for a device in use, a shared group or a driver", () => {
    for (const failure of ["device-busy", "group-not-viable", "driver-binding"] as const) {
      const made = answer([BIOS, change("kernel.parameter.vfio-pci%2eids", "10de:2805", "")], {
        causes: [cause(failure)],
      });
      assert.ok(
        made.goBack.every(({ knob }) => knob !== "BIOS"),
        failure,
      );
      assert.ok(
        made.remedies.every((text) => !/older BIOS|BIOS version|BIOS A63/.test(text)),
        failure,
      );
    }
  });

  it("is the last BIOS on record without the demand where the VM never worked", () => {
    const demand = { bios: "A95", since: WORKED, biosWithout: "A63" };
    const made = answer([BIOS, REGION], { lastGood: undefined, comparedWith: "boot before", demand });
    assert.deepEqual(targets(made), ["BIOS A63"]);
    assert.match(made.goBack[0]?.sentence ?? "", /the last one on record without the demand\.$/);
  });

  it("puts a parameter that was taken out back, and takes one that was added out", () => {
    const lost = { causes: [cause("device-lost")] };
    assert.match(
      answer([change("kernel.parameter.pcie_aspm", "off", "")], lost).goBack[0]?.sentence ?? "",
      /^Set the kernel parameter pcie_aspm back to off, with which it last worked/,
    );
    assert.match(
      answer([change("kernel.parameter.pci", "", "noaer")], lost).goBack[0]?.sentence ?? "",
      /^Take the kernel parameter pci out again; without it it last worked/,
    );
  });

  it("comes after the setting of the firmware that the demand goes with, where the table says that it is on", () => {
    const truths = { cpu: "amd", kernel: "6.12.107", preBootDmaProtection: "on" } as const;
    const made = answer([BIOS, REGION], { truths });
    assert.match(made.remedies[0] ?? "", /turn off Pre-boot DMA Protection/);
    assert.match(made.remedies[1] ?? "", /^Go back to BIOS A63/);
    const off = answer([BIOS, REGION], { truths: { ...truths, preBootDmaProtection: "off" } });
    assert.ok(
      off.remedies.every((text) => !/Pre-boot/.test(text)),
      "what is off need not be turned off",
    );
  });
});

describe("what changed", () => {
  it("names an update in one line, with what follows from it below", () => {
    const made = answer([change("firmware.bios.date", "2025", "2026"), ENTRY, REGION, BIOS]);
    assert.deepEqual(changeTexts(made), [BIOS.sentence]);
    assert.equal(made.changes?.[0]?.consequences[0], REGION.sentence, "the most telling first");
    assert.equal(made.changes?.length, 1);
  });

  it("puts what the history suspects first, whatever it is", () => {
    const parameter = change("kernel.parameter.pcie_aspm", "", "force");
    const suspects = [
      { keys: new Set([BIOS.key]), probability: 0.04 },
      { keys: new Set([parameter.key]), probability: 0.93 },
    ];
    const made = answer([BIOS, LATER, parameter], { suspects, causes: [cause("device-lost")] });
    assert.deepEqual(
      made.changes?.map(({ knob }) => knob),
      ["kernel parameter", "BIOS", "kernel"],
    );
    assert.deepEqual(targets(made), ["kernel parameter undefined"], "what is cleared is no advice");
  });

  it("marks what is new since it failed the time before, where not all of it is", () => {
    const made = answer([BIOS, LATER], { newKeys: new Set([LATER.key]) });
    assert.deepEqual(changeTexts(made), [BIOS.sentence, `${LATER.sentence} [new since the last failure]`]);
    assert.deepEqual(changeTexts(answer([BIOS], { newKeys: new Set([BIOS.key]) })), [BIOS.sentence]);
  });

  it("has at most eight lines, and counts the rest", () => {
    const many = Array.from({ length: 12 }, (_, index) => change(`kernel.parameter.p${index}`, "", "1"));
    const said = changeTexts(answer(many));
    assert.equal(said.length, MOST_CHANGES);
    assert.equal(said.at(-1), "and 5 more");
  });

  it("leaves out what cannot matter, and says that there is more", () => {
    const other = change("vm.Other.machine", "a", "b");
    const made = answer([BIOS, other], { matters: (key) => !key.startsWith("vm.Other") });
    assert.deepEqual(changeTexts(made), [BIOS.sentence, "and 1 more that cannot matter for it"]);
  });
});

describe("what cannot be known", () => {
  it("is said, and is not the same as nothing", () => {
    const said = (changes: readonly Change[] | undefined) => historyTexts(answer(changes)).join(" ");
    assert.match(said(undefined), /What has changed since is not on record\./);
    assert.match(said([]), /Nothing that is watched has changed since\./);
    assert.match(
      historyTexts(answer(undefined, { lastGood: undefined, comparedWith: undefined })).join(" "),
      /^No good start of it is on record\.$/,
    );
  });

  it("leaves a start that nobody can explain with where to look", () => {
    const made = answer([BIOS], {
      causes: [],
      unexplained: "Nothing that could be read says why.",
      outcome: "crashed-early",
    });
    assert.equal(made.why, "Nothing that could be read says why.");
    assert.match(made.remedies.join(" "), /qemu\/Windows 11\.log.*kernel log.*coredumpctl/);
    assert.deepEqual(answer([BIOS], { causes: [], outcome: "started" }).remedies, []);
  });

  it("looks where Proxmox keeps it for a VM that Proxmox starts, and where libvirt does for another one there", () => {
    const truths = { system: "proxmox" } as const;
    const where = (vm: string) => answer([], { causes: [], vm: vmName(vm), truths }).remedies.join(" ");
    assert.match(where("101 (win11)"), /pvenode task list --vmid 101.*qm showcmd 101/);
    assert.match(where("tower"), /libvirt\/qemu\/tower\.log.*virsh start/);
  });
});
