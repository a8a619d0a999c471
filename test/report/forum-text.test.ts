import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { createExplainer } from "../../src/diagnosis/explain/explain.ts";
import { forumTexts } from "../../src/report/forum-text.ts";

const explain = createExplainer(
  loadCatalogue({ shippedDirectory: join(import.meta.dirname, "../../config/signatures") }).catalogue,
);

const TEXT = `Nov 23 08:50:18 kellerkiste kernel: vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.
Nov 23 08:50:19 kellerkiste libvirtd[99]: internal error: QEMU unexpectedly closed the monitor (vm='w11'): qemu-system-x86_64: -netdev tap,mac=52:54:00:ab:cd:ef: -device vfio-pci,host=0000:01:00.0: vfio 0000:01:00.0: failed to setup container for group 14: Failed to set group container: Invalid argument on kellerkiste`;

test("what is copied for a forum has the answer, the evidence and the remedies, in either form", () => {
  const { markdown, bbcode } = forumTexts(explain(TEXT), TEXT);
  for (const form of [markdown, bbcode]) {
    assert.match(form, /1:1 memory mapping/);
    assert.match(form, /Firmware has requested this device/);
    assert.match(form, /Device: 0000:01:00\.0/);
    assert.match(form, /What to do:/);
  }
  assert.match(markdown, /^\*\*.*\*\*\n[\s\S]*```/);
  assert.match(bbcode, /^\[b\].*\[\/b\]\n[\s\S]*\[code\]\n[\s\S]*\[\/code\][\s\S]*\[\*\]/);
});

test("names of the host and addresses of cards are masked in it, addresses of devices are not", () => {
  const { markdown, bbcode } = forumTexts(explain(TEXT), TEXT);
  for (const form of [markdown, bbcode]) {
    assert.doesNotMatch(form, /kellerkiste|52:54:00/);
    assert.match(form, /0000:01:00\.0/);
  }
});

test("hostile text ends no block of code and starts no markup", () => {
  const hostile = `${TEXT.split("\n")[0]} [/code][url]x[/url] \`\`\`\n<b>`;
  const { markdown, bbcode } = forumTexts(explain(hostile), hostile);
  assert.equal(bbcode.match(/\[\/code\]/g)?.length, 1);
  const fence = /^(`{3,})$/m.exec(markdown)?.[1] ?? "";
  assert.equal(markdown.split("\n").filter((line) => line === fence).length, 2);
});
