import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readCatalogueFile } from "../../src/diagnosis/catalogue-file.ts";
import { createMatcher } from "../../src/diagnosis/matcher.ts";
import { rankCauses } from "../../src/diagnosis/rank.ts";
import { nameIn } from "../../src/diagnosis/sentence.ts";
import type { Bdf } from "../../src/model/identifiers.ts";
import { catalogue } from "../helpers/shipped-catalogue.ts";

const GPU = "0000:03:00.0" as Bdf;

describe("a sentence of the catalogue", () => {
  it("names the device and its group as far as they are known", () => {
    const said = (devices: readonly Bdf[], groups: readonly number[]) =>
      nameIn("{device} hangs.", { devices, groups, names: {} });
    assert.equal(said([GPU], [17]), "The device 0000:03:00.0 (IOMMU group 17) hangs.");
    assert.equal(said([GPU], []), "The device 0000:03:00.0 hangs.");
    assert.equal(said([], [17]), "A device of IOMMU group 17 hangs.");
    assert.equal(said([], []), "A passed-through device hangs.");
  });

  it("says what it can only say with a name in another way, or not at all, where there is none", () => {
    const held = "In use by [[the VM '{holder}'|another VM]][[ ({task})]].";
    const said = (names: Record<string, string>) => nameIn(held, { devices: [], groups: [], names });
    assert.equal(said({ holder: "w11", task: "7" }), "In use by the VM 'w11' (7).");
    assert.equal(said({ holder: " " }), "In use by another VM.");
  });

  it("is told as the signature has it, where it says more than its class", () => {
    const matcher = createMatcher(catalogue);
    let own = 0;
    for (const signature of catalogue.signatures) {
      const ofClass = catalogue.advice.get(signature.class)?.sentence;
      if (signature.role !== "cause" || signature.sentence === ofClass) continue;
      for (const text of signature.examples) {
        const { layer } = signature;
        const [cause] = rankCauses([{ layer, text, matches: matcher.match(layer, text) }], { catalogue });
        if (cause?.signature !== signature.id || cause.class !== signature.class) continue;
        own += 1;
        assert.equal(
          cause.sentence,
          nameIn(signature.sentence, { ...cause, names: cause.names ?? {} }),
          signature.id,
        );
        assert.doesNotMatch(cause.sentence, /[{}[\]]{2}|\{\w/, signature.id);
        assert.match(cause.sentence, /^[A-Z/].*\.$/, `${signature.id}: ${cause.sentence}`);
      }
    }
    assert.ok(own > 80, `${own} causes are told in their own words`);
  });

  it("is that of the class which a symptom turns out to mean", () => {
    const text =
      "qemu-system-x86_64: -device vfio-pci,host=0000:03:00.0: vfio 0000:03:00.0: failed to setup container for group 17: Failed to set group container: Device or resource busy";
    const matches = createMatcher(catalogue).match("qemu", text);
    const [cause] = rankCauses([{ layer: "qemu", text, matches }], { catalogue });
    assert.equal(cause?.class, "device-busy");
    assert.match(cause.sentence, /^The device 0000:03:00\.0 .*is already in use by another VM or program\.$/);
  });

  it("may name only what its pattern catches", () => {
    const file = (meaning: string) =>
      JSON.stringify({
        class: "device-busy",
        signatures: [
          {
            ...{ id: "own.busy", layer: "qemu", role: "cause", severity: "fatal", meaning },
            ...{ pattern: "held by (?<holder>\\w+)", examples: ["held by me"] },
          },
        ],
      });
    assert.deepEqual(readCatalogueFile(file("{device} is held by {holder}.")).problems, []);
    assert.match(
      readCatalogueFile(file("Held by {owner}.")).problems[0]?.reason ?? "",
      /speaks of \{owner\}, which its pattern does not catch/,
    );
  });
});

describe("a remedy's conditions", () => {
  const file = (remedy: unknown) =>
    readCatalogueFile(
      JSON.stringify({
        class: "device-busy",
        meaning: "m",
        remedies: [remedy],
        goBack: ["BIOS"],
        signatures: [],
      }),
    );

  it("are read with the class, and refused where they mean nothing", () => {
    const good = file({
      text: "Do it.",
      when: { cpu: "amd", kernel: ["<6.6", "!>=6.12"], device: "1002:67*" },
    });
    assert.deepEqual(good.problems, []);
    assert.deepEqual(good.advice.remedies[0]?.when.cpu, ["amd"]);
    const reason = (remedy: unknown) => file(remedy).problems[0]?.reason ?? "";
    assert.match(
      reason({ text: "x", when: { cpu: "sparc" } }),
      /"sparc" is no value for the condition "cpu"/,
    );
    assert.match(reason({ text: "x", when: { kernel: "6.6" } }), /is no value for the condition "kernel"/);
    assert.match(reason({ text: "x", when: { weather: "fine" } }), /"weather" is unknown here/);
    assert.match(reason({ when: {} }), /"text" is missing/);
  });
});
