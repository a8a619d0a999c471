import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Boundary, boundaryOf, goodAfter, newestBoundary } from "../../src/history/boundary.ts";
import { factOf, setOf, trialsOf } from "./made-trials.ts";

const places = (boundary: Boundary | undefined) =>
  boundary && [boundary.lastGood.firstAt, boundary.firstBad.firstAt];

describe("where it turned", () => {
  it("is the newest failure after a good start, on one host", () => {
    for (const [text, turn] of [
      ["ggbgbb", [3, 4]],
      ["gb", [0, 1]],
      ["gbg", [0, 1]],
      ["ggg", undefined],
      ["bgg", undefined],
      ["gb|bg", [0, 1]],
      ["gg|bb", undefined],
    ] as const)
      assert.deepEqual(places(newestBoundary(trialsOf(text))), turn, text);
  });

  it("is followed by the first good start after the last of its kind, on the same host", () => {
    for (const [text, after] of [
      ["gbbgg", 3],
      ["gbgbg", 4],
      ["gb", undefined],
      ["gb|g", undefined],
      ["gg", undefined],
      ["bg", 1],
    ] as const)
      assert.equal(goodAfter(trialsOf(text), ({ good }) => !good)?.firstAt, after, text);
  });

  it("is where the suspect last turned from a value that works to a broken one", () => {
    for (const [outcomes, values, turn] of [
      ["ggbbgg", "aabbaa", [1, 2]],
      ["gbgggb", "abaaab", [4, 5]],
      // A stray failure on a value that works, and a good start on a broken one, are not it.
      ["gbgbgb", "aaabbb", [2, 3]],
      ["gg|bb", "aa|bb".replace("|", ""), undefined],
      ["gb|gb", "abab", [2, 3]],
      // What is not known stands where it stands.
      ["gggbb", "aa..b", [2, 3]],
      ["ggbbb", "aa..b", [1, 2]],
      ["bb", "bb", undefined],
    ] as const) {
      const trials = trialsOf(outcomes);
      const found = boundaryOf(trials, setOf(factOf(trials, values, "b")));
      assert.deepEqual(places(found), turn, `${outcomes} ${values}`);
    }
  });

  it("of two that break it only together is where the second came", () => {
    const trials = trialsOf("ggbb");
    const both = setOf(factOf(trials, "abbb", "b"), factOf(trials, "aabb", "b"));
    assert.deepEqual(places(boundaryOf(trials, both)), [1, 2]);
    const unknown = setOf(factOf(trials, "ab.b", "b"), factOf(trials, "aabb", "b"));
    assert.deepEqual(places(boundaryOf(trials, unknown)), [1, 2]);
  });

  it("of a VM's own definition is between starts of that VM", () => {
    const trials = trialsOf("gggbb", ["win", "win", "other", "other", "win"]);
    const own = factOf(trials, "aa..b", "b", "vm.win.machine");
    assert.deepEqual(places(boundaryOf(trials, setOf(own))), [1, 4]);
    const ofHost = factOf(trials, "aa..b", "b");
    assert.deepEqual(places(boundaryOf(trials, setOf(ofHost))), [2, 3]);
  });
});
