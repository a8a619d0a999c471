import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createPaint, formatSpan, formatTime, printable, table, wrap } from "../../src/cli/terminal.ts";

describe("text for a terminal", () => {
  it("shows a hostile VM name as its characters, without an escape sequence or a turned direction", () => {
    assert.equal(printable("a\u001b]0;owned\u0007\u202eb\nc"), "a\\x1b]0;owned\\x07\\x202eb\\x0ac");
  });

  it("never lets a control character through", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.doesNotMatch(printable(text), /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/);
      }),
    );
  });

  it("is coloured only where colour is wanted", () => {
    assert.equal(createPaint(false)("red", "x"), "x");
    assert.equal(createPaint(true)("red", "x"), "\u001b[31mx\u001b[0m");
  });

  it("wraps at spaces, keeps the indent of the first line and loses no word", () => {
    assert.equal(wrap("  one two three", 9, "    "), "  one two\n    three");
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 }), (words) => {
        const wrapped = wrap(words.join(" "), 20, "  ");
        assert.deepEqual(wrapped.split(/\s+/).filter(Boolean), words);
        for (const line of wrapped.split("\n")) assert.ok(line.length <= 20, line);
      }),
    );
  });

  it("lines up columns whatever their colour", () => {
    const paint = createPaint(true);
    assert.equal(
      table([
        ["a", "x"],
        [paint("red", "bbb"), "y"],
      ]),
      `a    x\n${paint("red", "bbb")}  y`,
    );
  });

  it("tells times in UTC and spans in one unit", () => {
    assert.equal(formatTime(0), "1970-01-01 00:00:00 UTC");
    assert.equal(formatTime(undefined), "-");
    assert.equal(formatTime(9e15), "-");
    assert.deepEqual([5, 1500, 90_000, 7_200_000, 400_000_000].map(formatSpan), [
      "5 ms",
      "2 s",
      "2 min",
      "2 h",
      "5 d",
    ]);
  });
});
