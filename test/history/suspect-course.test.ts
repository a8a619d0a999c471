import assert from "node:assert/strict";
import { test } from "node:test";
import { courseOf } from "../../src/history/suspect-course.ts";
import { trialsOf } from "./made-trials.ts";

/** The course of a suspect whose values are letters: `b` and `c` break it, `.` is not known. */
function course(outcomes: string, values: string, hasValues = true) {
  const labels = Array.from(values, (value) => (value === "." ? -1 : "bc".includes(value) ? 1 : 0));
  const pattern = Array.from(values, (value) => (value === "." ? -1 : value.charCodeAt(0)));
  return courseOf(labels, hasValues ? pattern : undefined, trialsOf(outcomes));
}

test("it went back where an earlier value and its outcome came back, on one host", () => {
  for (const [outcomes, values, reverted] of [
    ["ggbb", "aabb", false],
    ["ggbbg", "aabba", true],
    ["ggbbg", "aabbd", false],
    ["gbgb", "abab", true],
    ["gbb", "aba", false],
    ["ggb|g", "aaba", false],
    ["gb.g".replace(".", "b"), "ab.a", true],
  ] as const)
    assert.equal(course(outcomes, values).reverted, reverted, `${outcomes} ${values}`);
  assert.equal(course("gbg", "xbd", false).reverted, true, "of two together either one may have gone back");
});

test("the shortest of three stretches is counted in boots that went as the value says", () => {
  for (const [outcomes, values, there, again] of [
    ["g g b b g g", "aabbaa", 2, 0],
    ["g g b b g", "aabba", 1, 0],
    ["gg bb gg", "aabbaa", 1, 0],
    ["g g b b g g b b", "aabbaabb", 2, 2],
    ["g g b b g g b", "aabbaab", 2, 1],
    ["g g b b g g", "aabbdd", 0, 0],
    ["b b g g b b", "bbaabb", 2, 2],
    ["b b g g b b", "bbaacc", 0, 0],
    // A stray failure is no boot of the stretch that it is in.
    ["g b b b g g", "aabbaa", 1, 0],
    ["g g b b|g g", "aabbaa", 0, 0],
    ["g b", "ab", 0, 0],
  ] as const) {
    const { thereAndBack, brokeAgain } = course(outcomes, values);
    assert.deepEqual([thereAndBack, brokeAgain], [there, again], `${outcomes} ${values}`);
  }
});

test("changes are counted by whether the outcome turned with them, starts by the side that they are on", () => {
  for (const [outcomes, values, alone, turned, misplaced] of [
    ["gggg", "aadd", 1, 0, 0],
    ["ggbb", "aabb", 0, 1, 0],
    ["ggbbbb", "aabbcc", 1, 1, 0],
    ["g3bgb", "aabb", 0, 1, 4],
    ["gb.b".replace(".", "b"), "a.bb", 0, 1, 0],
    ["g|b", "ab", 0, 0, 0],
  ] as const) {
    const { changedAlone, turnedWith, misplaced: wrong } = course(outcomes, values);
    assert.deepEqual([changedAlone, turnedWith, wrong], [alone, turned, misplaced], `${outcomes} ${values}`);
  }
});
