import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { oneLine } from "../src/hostile-text.ts";

test("hostile text becomes one line of visible characters", () => {
  assert.equal(oneLine(" a\r\n\tb\u0000\u202Ec\u001B[31m\ud800\u200b "), "a b c [31m\ufffd");
  assert.equal(oneLine("👩\u200d💻  x"), "👩\u200d💻  x");
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 1, max: 40 }), (text, limit) => {
      const line = oneLine(text, limit);
      assert.ok(line.length <= limit && line.isWellFormed());
      assert.doesNotMatch(line, /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b]/u);
    }),
  );
});

test("a longer text is cut, and says so", () => {
  assert.equal(oneLine("x".repeat(5000)).length, 1024);
  assert.equal(oneLine("abcdef", 4), "abc…");
});
