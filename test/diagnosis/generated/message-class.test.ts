import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { speaksOfTrouble } from "../../../src/diagnosis/generated/message-answer.ts";
import { classOf } from "../../../src/diagnosis/generated/message-class.ts";
import { loadMessages } from "../../../src/knowledge/load-messages.ts";
import { formatAt, indexMessages, type KnownFormat } from "../../../src/knowledge/message-data.ts";
import { keyHashOf } from "../../../src/knowledge/message-format.ts";
import { CAUSE_CLASSES } from "../../../src/model/catalogue.ts";

/*
 * Pinned, so that a change of the rules or of the data shows what it does. Without a class stays what says that
 * something failed and not what, what is about a migration or a snapshot, and notes that tell of no trouble.
 */
const FORMATS = 24_151;
const TROUBLE_WITHOUT_CLASS = 5_688;

function allFormats(): readonly KnownFormat[] {
  const data = loadMessages(join(import.meta.dirname, "../../../config"));
  const index = indexMessages(data);
  return [...index.keys.keys()].flatMap((number) => formatAt(data, index, number) ?? []);
}

test("so many formats are known, and of those that tell of trouble so many have no class", () => {
  const all = allFormats();
  assert.equal(all.length, FORMATS);
  const without = all.filter((known) => speaksOfTrouble(known) && classOf(known) === undefined);
  assert.equal(without.length, TROUBLE_WITHOUT_CLASS);
});

test("every program is there, and every class has formats", () => {
  const all = allFormats();
  assert.deepEqual(
    [...new Set(all.map(({ program }) => program))],
    [
      ...["kernel", "nvidia", "vendor-reset", "qemu", "libvirt", "xen", "swtpm", "proxmox", "virtiofsd"],
      ...["cloud-hypervisor", "rust-vmm"],
    ],
  );
  const given = new Set(all.map((known) => classOf(known)));
  const without = CAUSE_CLASSES.filter((one) => !given.has(one));
  // The kernel kills for want of memory in mm/, and a QEMU that dies says nothing of it.
  assert.deepEqual(without, ["vm-killed"]);
});

test("every format can be found by a word, is one line, and has only the placeholders that the data knows", () => {
  for (const { format } of allFormats()) {
    assert.notEqual(keyHashOf(format), 0, format);
    assert.match(format, /^(?:[^%\n]|%[sdxcm%])+$/);
    assert.equal(format, format.trim());
  }
});
