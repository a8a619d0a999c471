import assert from "node:assert/strict";
import { test } from "node:test";
import { evidenceLines } from "../../../src/diagnosis/explain/evidence-lines.ts";

const MESSAGE = "vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping";

test("evidence is found in its line, whatever a page put in front or into it", () => {
  const lines = [
    "nothing",
    `> Nov 23 tower kernel:  ${MESSAGE}`,
    MESSAGE.replaceAll(" ", "  "),
    "&quot;nothing&quot;",
  ];
  assert.deepEqual([...evidenceLines(lines, [MESSAGE])], [1, 2]);
  assert.deepEqual([...evidenceLines(["it's “quoted” &amp; more"], [`it's "quoted" & more`])], [0]);
});

test("of a wrapped message all its lines are found", () => {
  const lines = [MESSAGE.slice(0, 40), MESSAGE.slice(40), "vfio-pci"];
  assert.deepEqual([...evidenceLines(lines, [MESSAGE])], [0, 1]);
});

test("a short line that stands in every message is no evidence", () => {
  assert.deepEqual([...evidenceLines(["device", "vfio-pci", ""], [MESSAGE])], []);
  assert.deepEqual([...evidenceLines(["anything"], [])], []);
});
