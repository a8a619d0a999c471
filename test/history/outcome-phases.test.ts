import assert from "node:assert/strict";
import { test } from "node:test";
import { describePhases, describeTogether } from "../../src/history/outcome-phases.ts";
import { factOf, nameOf, trialsOf } from "./made-trials.ts";

function phases(outcomes: string, values: string, broken = "b"): string {
  const trials = trialsOf(outcomes);
  return describePhases(trials, nameOf(factOf(trials, values, broken)));
}

test("up to four stretches are told one after the other, with what went back", () => {
  assert.equal(phases("9gb", "ab"), "9 of 9 starts worked on A, 0 of 1 on B");
  assert.equal(
    phases("9gg6bgb3g", "aabbba"),
    "10 of 10 starts worked on A, 1 of 8 on B, 3 of 3 after going back to A",
  );
  assert.equal(phases("gbg", "a.a"), "2 of 2 starts worked on A", "what is not known ends no stretch");
  assert.equal(
    phases("gbgb", "abab"),
    "1 of 1 starts worked on A, 0 of 1 on B, 1 of 1 after going back to A, 0 of 1 after going back to B",
  );
});

test("more stretches, and those of several hosts, are summed up by value", () => {
  assert.equal(phases("gbg2bg", "ababa"), "3 of 3 starts worked on A, 0 of 3 on B");
  assert.equal(phases("gb|2gb", "abab"), "3 of 3 starts worked on A, 0 of 2 on B");
  assert.equal(
    phases("ggbbbg", "adbcea", "bce"),
    "3 of 3 starts worked on the 2 others, 0 of 1 on B, 0 of 1 on C, 0 of 1 on E",
  );
  assert.equal(
    phases("ggbbbbg", "adbcefa", "bcef"),
    "3 of 3 starts worked on the 2 others, 0 of 1 on E, 0 of 1 on F, 0 of 2 on 2 others that fail",
  );
});

test("of two that break it only together starts are counted with both and without", () => {
  const trials = trialsOf("2g3gg4bbg");
  const names = [factOf(trials, "abab.b", "b"), factOf(trials, "aabb.b", "b")].map(nameOf);
  assert.equal(
    describeTogether(trials, names),
    "6 of 6 starts worked without the two of them together, 1 of 5 with",
  );
  const half = [factOf(trials, ".b.b.b", "b"), factOf(trials, "aabb.b", "b")].map(nameOf);
  assert.equal(
    describeTogether(trials, half),
    "5 of 5 starts worked without the two of them together, 1 of 5 with",
  );
});
