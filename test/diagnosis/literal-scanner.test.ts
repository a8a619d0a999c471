import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createLiteralScanner } from "../../src/diagnosis/literal-scanner.ts";

function found(words: readonly string[], text: string): readonly number[] {
  return [...new Set(createLiteralScanner(words).find(text))].sort((a, b) => a - b);
}

test("a scan finds the very words that are found one by one", () => {
  // Few letters, so that words overlap, repeat and stand in one another; some beyond ASCII share a place.
  const piece = (maxLength: number) =>
    fc.array(fc.constantFrom("a", "b", "A", " ", "é", "\u4061", "😀"), { minLength: 1, maxLength });
  const word = piece(9).map((letters) => letters.join(""));
  const text = fc
    .array(
      fc.oneof(
        word,
        piece(4).map((letters) => letters.join("")),
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.uniqueArray(word, { maxLength: 12 }), text, fc.nat(11), (words, around, at) => {
      const texts = [around, `${around}${words[at] ?? ""}${around}`, words[at] ?? ""];
      for (const one of texts) {
        const expected = [...words.keys()].filter((number) => one.includes(words[number] ?? ""));
        assert.deepEqual(found(words, one), expected, JSON.stringify({ words, one }));
      }
    }),
    { numRuns: 2000 },
  );
});

test("in bytes, a scan finds whether any word stands between two places, whatever stands around them", () => {
  const text = (letters: readonly string[], most: number) =>
    fc.array(fc.constantFrom(...letters), { maxLength: most }).map((all) => all.join(""));
  const ascii = ["a", "b", "A", " ", "ab", "b A"];
  const word = fc.oneof(text(ascii, 9), text([...ascii, "é", "\u4061"], 5)).filter((one) => one !== "");
  const words = fc.uniqueArray(word, { maxLength: 12 });
  fc.assert(
    fc.property(words, fc.nat(11), text(ascii, 8), text(ascii, 8), fc.nat(), fc.nat(), (...given) => {
      const [all, at, before, after, someFrom, someTo] = given;
      const whole = Buffer.from(before + (all[at] ?? "") + after, "latin1");
      const from = someFrom % (whole.length + 1);
      const to = from + (someTo % (whole.length - from + 1));
      const inside = whole.toString("latin1", from, to);
      // A letter beyond ASCII in the bytes would not be read as it was written.
      fc.pre(/^[ -~]*$/.test(whole.toString("latin1")));
      const expected = all.some((one) => inside.includes(one));
      assert.equal(createLiteralScanner(all).standsIn(whole, from, to), expected);
    }),
    { numRuns: 3000 },
  );
});

test("no words, an empty text and very long words do no harm", () => {
  const long = "x".repeat(300);
  assert.deepEqual(found([], "anything"), []);
  assert.deepEqual(found(["first", "second", "third"], ""), []);
  assert.equal(createLiteralScanner([]).standsIn(Buffer.from("anything"), 0, 8), false);
  assert.equal(createLiteralScanner(["first"]).standsIn(Buffer.from("first"), 2, 2), false);
  assert.equal(createLiteralScanner([long, `${long}a`]).standsIn(Buffer.from(`-${long}a`), 1, 302), true);
  assert.deepEqual(found([long, `${long}a`, `${long}b`], `${long}b`), [0, 2]);
});
