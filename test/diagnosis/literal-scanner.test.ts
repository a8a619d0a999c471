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

test("no words, an empty text and very long words do no harm", () => {
  const long = "x".repeat(300);
  assert.deepEqual(found([], "anything"), []);
  assert.deepEqual(found(["first", "second", "third"], ""), []);
  assert.deepEqual(found([long, `${long}a`, `${long}b`], `${long}b`), [0, 2]);
});
