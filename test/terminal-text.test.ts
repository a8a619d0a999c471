import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createPaint, formatSpan, formatTime, printable } from "../src/terminal-text.ts";
import { table, wrap } from "../src/text-columns.ts";

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

  it("keeps a long last column within the terminal: in its column, or below its row where that is too narrow", () => {
    const words = "it waits for a socket that nobody listens on, and tries again by itself";
    const rows = [
      ["libvirt", "waiting", words],
      ["kernel-log", "live", "well"],
    ];
    const wide = table(rows, 70).split("\n");
    assert.deepEqual(wide, [
      "libvirt     waiting  it waits for a socket that nobody listens on, and",
      "                     tries again by itself",
      "kernel-log  live     well",
    ]);
    const narrow = table(rows, 40).split("\n");
    assert.equal(narrow[0], "libvirt     waiting");
    assert.match(narrow[1] ?? "", /^ {4}it waits/);
    assert.equal(narrow.at(-1), "kernel-log  live     well");
    for (const line of [...wide, ...narrow]) assert.ok(line.length <= 70, line);
    assert.ok(narrow.every((line) => line.length <= 40));
  });

  it("tells times in the zone of the machine and spans in one unit", () => {
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
