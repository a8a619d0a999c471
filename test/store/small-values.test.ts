import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FactValue } from "../../src/model/fact.ts";
import { boundedJson, boundedText } from "../../src/store/bounded.ts";
import { byGroup } from "../../src/store/fact-rows.ts";
import { decodeValue, encodeValue } from "../../src/store/fact-values.ts";

describe("what is stored is bounded", () => {
  it("as text, with how much is missing, and no character in two", () => {
    assert.equal(boundedText("12345", 5), "12345");
    assert.equal(boundedText("123456", 5), "12345 … [1 more characters]");
    assert.equal(boundedText("1234😀", 5), "1234 … [2 more characters]");
    assert.equal(boundedText("123😀6", 5), "123😀 … [1 more characters]");
  });

  it("as JSON, in each text and list of it, and else as it is", () => {
    const fits = { a: ["12345", 1, null, true], b: { c: "x" } };
    assert.equal(boundedJson(fits, 5, 4), JSON.stringify(fits));
    assert.deepEqual(JSON.parse(boundedJson({ a: ["123456", 2, 3] }, 5, 2)), {
      a: ["12345 … [1 more characters]", 2],
    });
    assert.deepEqual(JSON.parse(boundedJson({ a: { b: [1, 2, 3] } }, 5, 2)), { a: { b: [1, 2] } });
    assert.deepEqual(JSON.parse(boundedJson([{ a: "123456" }], 5, 2)), [
      { a: "12345 … [1 more characters]" },
    ]);
    assert.equal(boundedJson("123456", 5, 2), '"12345 … [1 more characters]"');
  });
});

describe("a fact's value", () => {
  const again = (value: FactValue) => decodeValue(encodeValue(value));

  it("comes back as it was, whatever its type", () => {
    for (const value of [
      { state: "value", value: "text" },
      { state: "value", value: "7" },
      { state: "value", value: 7 },
      { state: "value", value: false },
      { state: "value", value: ["a", "b"] },
      { state: "absent" },
      { state: "unknown", why: "needs root" },
    ] as const)
      assert.deepEqual(again(value), value);
  });

  it("that is too long is cut where it is text, and unknown where it is not", () => {
    const most = 16 * 1024;
    const text = (length: number) => again({ state: "value", value: "x".repeat(length) });
    assert.deepEqual(text(most), { state: "value", value: "x".repeat(most) });
    assert.deepEqual(text(most + 1), { state: "value", value: `${"x".repeat(most)} … [1 more characters]` });
    const list = (length: number) => again({ state: "value", value: ["x".repeat(length - 4)] });
    assert.equal(list(most).state, "value");
    assert.deepEqual(list(most + 1), {
      state: "unknown",
      why: `too long to be kept: ${most + 1} characters`,
    });
    assert.deepEqual(again({ state: "unknown", why: "y".repeat(513) }), {
      state: "unknown",
      why: `${"y".repeat(512)} … [1 more characters]`,
    });
  });
});

it("what is in order by key is put in order by group, and by key in each", () => {
  const rows = [
    ["vm", "a"],
    ["firmware", "b"],
    ["pci", "c"],
    ["firmware", "d"],
  ] as const;
  assert.deepEqual(
    byGroup(rows, ([group]) => group).map(([, key]) => key),
    ["b", "d", "c", "a"],
  );
});
