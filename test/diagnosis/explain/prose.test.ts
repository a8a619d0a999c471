import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isProse } from "../../../src/diagnosis/explain/prose.ts";
import { readSaidBy } from "../../../src/diagnosis/explain/said-by.ts";
import { explain } from "./explaining.ts";

const TOLD = [
  "Hello, my VM does not start any more since yesterday.",
  "I think that group 14 is not viable but nothing else changed",
  "Does anybody know what this means?",
  "why is the card not coming back after a reboot?",
  "It worked with the old BIOS, and since the update this does not start.",
  "When I start it, virt-manager tells me “internal error: process exited while connecting to monitor”.",
];
const SAID = [
  "group 14 is not viable",
  "Please ensure all devices within the iommu_group are bound to their vfio bus driver.",
  "Verify all devices in group 14 are bound to vfio-<bus> or pci-stub and not already in use",
  "unsupported configuration: Domain requires KVM, but it is not available. Check that virtualization is enabled in the host BIOS, and host configuration is setup to load the kvm modules.",
  "I/O error while reading the ROM",
  "Invalid PCI ROM header signature: expecting 0xaa55, got 0xfffe",
  "[   12.000000] so this is what the kernel said to me and not a person.",
];

describe("who tells something in own words is a person:", () => {
  for (const line of TOLD) test(line, () => assert.equal(readSaidBy(line).speaker.kind, "person"));
});

describe("what programs print is none's prose, though it is a sentence:", () => {
  for (const line of SAID)
    test(line.slice(0, 60), () => assert.notEqual(readSaidBy(line).speaker.kind, "person"));
  test("nor is a line without words", () => {
    for (const line of ["", " ", "?", "I", "my my my", "\u0000?"]) assert.equal(isProse(line), false);
  });
});

describe("what a text says for certain needs somebody who can say it:", () => {
  const REFUSAL = "vfio 0000:0b:00.0: group 14 is not viable";
  const certaintyOf = (text: string) => {
    const [first] = explain(text).causes;
    assert.equal(first?.class, "group-not-viable");
    return first.certainty;
  };
  test("a bare quote is likely", () => assert.equal(certaintyOf(REFUSAL), "likely"));
  test("and so is what a person tells", () =>
    assert.equal(certaintyOf(`My VM does not start and I get ${REFUSAL} every time.`), "likely"));
  test("QEMU's own line is certain, by its log or by its name in a quote", () => {
    assert.equal(certaintyOf(`Mar 02 18:11:40 pve QEMU[693]: kvm: ${REFUSAL}`), "certain");
    assert.equal(
      certaintyOf(
        `error: internal error: qemu-system-x86_64: -device vfio-pci,host=0000:0b:00.0: ${REFUSAL}`,
      ),
      "certain",
    );
  });
  test("and whoever else quotes it takes nothing away", () => {
    const log = `2026-03-02T18:11:40.512345Z qemu-system-x86_64: -device vfio-pci,host=0000:0b:00.0: ${REFUSAL}`;
    assert.equal(certaintyOf(`${REFUSAL}\n${log}\nso my VM says ${REFUSAL}`), "certain");
  });
});
