import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isCode, mutationsOf, withMutation } from "../../tools/mutate/mutations.ts";

const faultsIn = (source: string) => mutationsOf(source).map((mutation) => withMutation(source, mutation));

test("a condition is turned round, and its branch always or never taken", () => {
  assert.deepEqual(faultsIn("if (a < b) go();"), [
    "if (!(a < b)) go();",
    "if (false) go();",
    "if (true) go();",
    "if (a <= b) go();",
    "if (a < b) ;",
  ]);
});

test("types are left alone, and what is said to people", () => {
  assert.deepEqual(faultsIn('type A = "x" | true;\nconst a: Record<string, 1> = { why: "not 1" };'), []);
});

test("statements, jumps and waiting are left out, limits are off by one and spans of time by half", () => {
  assert.deepEqual(
    new Set(
      faultsIn("for (const a of b) {\n  if (c(a)) continue;\n  await keep(a.slice(0, 3), 5_000);\n}").filter(
        (source) => !/if \((?:true|false|!)/.test(source),
      ),
    ),
    new Set(
      [
        "if (c(a)) ;\n  await keep(a.slice(0, 3), 5_000);",
        "if (c(a)) continue;\n  ;",
        "if (c(a)) continue;\n  keep(a.slice(0, 3), 5_000);",
        "if (c(a)) continue;\n  await keep(a.slice(1, 3), 5_000);",
        "if (c(a)) continue;\n  await keep(a.slice(0, 4), 5_000);",
        "if (c(a)) continue;\n  await keep(a.slice(0, 2), 5_000);",
        "if (c(a)) continue;\n  await keep(a.slice(0, 3), 10000);",
        "if (c(a)) continue;\n  await keep(a.slice(0, 3), 2500);",
      ].map((body) => `for (const a of b) {\n  ${body}\n}`),
    ),
  );
});

test("slips in SQL are made in statements only", () => {
  assert.deepEqual(faultsIn("q(`SELECT a FROM b WHERE c <= ? AND d = 1 ORDER BY e DESC`);").slice(1), [
    "q(`SELECT a FROM b WHERE c < ? AND d = 1 ORDER BY e DESC`);",
    "q(`SELECT a FROM b WHERE c <= ? or d = 1 ORDER BY e DESC`);",
    "q(`SELECT a FROM b WHERE c <= ? AND d != 1 ORDER BY e DESC`);",
    "q(`SELECT a FROM b WHERE c <= ? AND d = 1 ORDER BY e`);",
  ]);
  assert.deepEqual(faultsIn("q(`one and two <= three`);").slice(1), []);
});

test("every fault in a real file leaves a program", () => {
  const source = readFileSync(new URL("../../src/attempts/identities.ts", import.meta.url), "utf8");
  const faults = faultsIn(source);
  assert.ok(faults.length > 5);
  for (const fault of faults) assert.ok(isCode(fault), fault);
});
