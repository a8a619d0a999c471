import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { loadCatalogue } from "../../../src/diagnosis/catalogue.ts";
import { readSaidBy } from "../../../src/diagnosis/explain/said-by.ts";
import { findMessages } from "../../../src/diagnosis/generated/find-messages.ts";
import { messageAnswer, speaksOfTrouble } from "../../../src/diagnosis/generated/message-answer.ts";
import { classOf } from "../../../src/diagnosis/generated/message-class.ts";
import { loadMessages } from "../../../src/knowledge/load-messages.ts";
import { formatAt, indexMessages, type KnownFormat } from "../../../src/knowledge/message-data.ts";
import { keyHashOf } from "../../../src/knowledge/message-format.ts";
import { CAUSE_CLASSES } from "../../../src/model/catalogue.ts";

/*
 * Pinned, so that a change of the rules or of the data shows what it does. Without a class stays what says that
 * something failed and not what, what is about a migration or a snapshot, and notes that tell of no trouble.
 */
const FORMATS = 27_459;
const TROUBLE_WITHOUT_CLASS = 6_491;

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
      ...["cloud-hypervisor", "rust-vmm", "incus", "kubevirt"],
    ],
  );
  const given = new Set(all.map((known) => classOf(known)));
  const without = CAUSE_CLASSES.filter((one) => !given.has(one));
  // The kernel kills for want of memory in mm/, and a QEMU that dies says nothing of it.
  assert.deepEqual(without, ["vm-killed", "vm-hung"]);
});

test("every format can be found by a word, is one line, and has only the placeholders that the data knows", () => {
  for (const { format } of allFormats()) {
    assert.notEqual(keyHashOf(format), 0, format);
    assert.match(format, /^(?:[^%\n]|%[sdxcm%])+$/);
    assert.equal(format, format.trim());
  }
});

test("where a signature by hand knows a message, the rules mostly give it the same class", () => {
  const { catalogue } = loadCatalogue({
    shippedDirectory: join(import.meta.dirname, "../../../config/signatures"),
  });
  const data = loadMessages(join(import.meta.dirname, "../../../config"));
  const index = indexMessages(data);
  const told = catalogue.signatures.filter(
    ({ role, class: own }) =>
      (role === "cause" || role === "symptom") && own !== "start-failure-wrapper" && own !== "benign-noise",
  );
  const judged = told.flatMap((signature) =>
    signature.examples.flatMap((example) => {
      const { text } = readSaidBy(example);
      const [found] = findMessages(data, [{ speaker: { kind: signature.layer }, text }], index);
      const byRule = found === undefined ? undefined : messageAnswer(found, text)?.class;
      return byRule === undefined ? [] : [byRule === signature.class];
    }),
  );
  // 0.82 of some 250 when this was written.
  assert.ok(judged.length > 150, `${judged.length} were found`);
  const right = judged.filter(Boolean).length / judged.length;
  assert.ok(right > 0.75, `${right.toFixed(2)} are of the same class`);
});
