import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  fit,
  folded,
  hashOfWord,
  keyHashOf,
  parseFormat,
  wordsOf,
} from "../../src/knowledge/message-format.ts";

function fits(format: string, text: string): boolean {
  return fit(parseFormat(format), folded(text)) !== undefined;
}

function gapsOf(format: string, text: string): readonly string[] | undefined {
  return fit(parseFormat(format), folded(text))?.gaps;
}

test("a format fits what it prints, and names what stood in its gaps", () => {
  assert.deepEqual(gapsOf("group %d is not usable", "group 21 is not usable"), ["21"]);
  assert.deepEqual(
    gapsOf("error getting device from group %d: %m", "error getting device from group 7: No such device"),
    ["7", "no such device"],
  );
  assert.deepEqual(gapsOf("region %x of %s is gone", "region 0xFEE00000 of a device is gone"), [
    "0xfee00000",
    "a device",
  ]);
  assert.deepEqual(gapsOf("%s: no room for %d%% of it", "pool 3: no room for 40% of it"), ["pool 3", "40"]);
});

test("a message is found where another one quotes it", () => {
  const format = "failed to open the log '%s'";
  assert.ok(fits(format, "internal error: failed to open the log '/a b'"));
  assert.ok(fits(format, "said \"failed to open the log '/a'\", and ended"));
  assert.ok(fits(format, "Failed to open the log '/a'."));
  assert.ok(fits("the TPM is gone.", "the TPM is gone"), "a last full stop is lost in a quote");
});

test("a part of a longer sentence is no message", () => {
  assert.ok(!fits("device is busy", "the device is busy"));
  assert.ok(!fits("device is busy", "device is busylooping"));
  assert.ok(!fits("device is busy", "device is busy with something"));
  assert.ok(!fits("wrong header %x", "wrong header zz"));
  assert.ok(!fits("cannot open: %m", 'cannot open: lock "a" of 3 was taken by 4'), "no text of strerror");
});

test("a format fits whatever it is filled with", () => {
  const word = fc.stringMatching(/^[a-z]{4,8}$/);
  const filling = fc.oneof(
    fc.nat().map((number) => ({ placeholder: "%d", text: String(number) })),
    fc.nat().map((number) => ({ placeholder: "%x", text: `0x${number.toString(16)}` })),
    fc.stringMatching(/^\/[A-Za-z0-9/_-]{1,20}$/).map((text) => ({ placeholder: "%s", text })),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(word, filling), { minLength: 1, maxLength: 5 }), word, (parts, last) => {
      const format = `${parts.map(([literal, { placeholder }]) => `${literal} ${placeholder}`).join(" ")} ${last}`;
      const text = `${parts.map(([literal, { text: filled }]) => `${literal} ${filled}`).join(" ")} ${last}`;
      assert.ok(fits(format, text), `${format} <= ${text}`);
      assert.ok(
        wordsOf(folded(text)).map(hashOfWord).includes(keyHashOf(format)),
        `${format} is not found by its word`,
      );
    }),
  );
});

test("the word that a format is found by stands whole in all that it prints", () => {
  assert.equal(keyHashOf("cannot %sable the Controller"), hashOfWord("controller"));
  assert.equal(keyHashOf("%sinitialised"), 0, "only the end of a word, perhaps");
  assert.equal(keyHashOf("bad 'VFIO_SET_IRQS'"), hashOfWord("vfio_set_irqs"));
});

test("no text makes a format run long", () => {
  const hostile = "a: ".repeat(700);
  const format = parseFormat(`%s: ${"%s: a ".repeat(40)} end of all`);
  // Quadratic at the very worst: a run that backtracks over forty gaps would not end.
  assert.equal(fit(format, hostile), undefined);
});
