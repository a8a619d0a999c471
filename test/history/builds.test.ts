import assert from "node:assert/strict";
import { test } from "node:test";
import { biosBuilds, kernelBuilds } from "../../src/history/builds.ts";
import { createFactTable, type FactColumn } from "../../src/history/fact-table.ts";
import type { FactValue } from "../../src/model/fact.ts";

/** A table of these facts, a snapshot each text; `-` is not on record. */
function tableOf(facts: Readonly<Record<string, string>>) {
  const columns = Object.entries(facts).map(([key, texts]): FactColumn => {
    const values: FactValue[] = texts
      .split(" ")
      .map((text) =>
        text === "-"
          ? { state: "unknown", why: "not read" }
          : { state: "value", value: text.replaceAll("_", " ") },
      );
    return { group: "firmware", key, values, indexes: Int32Array.from(values.keys()) };
  });
  return createFactTable(columns, new Map());
}

function bios(facts: { version: string; date?: string; release?: string }, places = [0, 1, 2, 3]) {
  const table = tableOf(
    Object.fromEntries(Object.entries(facts).map(([field, texts]) => [`firmware.bios.${field}`, texts])),
  );
  return shown(biosBuilds(Int32Array.from(places), table));
}
const shown = ({ values, indexes }: ReturnType<typeof biosBuilds>) =>
  Array.from(indexes, (index) => {
    const value = values[index];
    return value?.state === "value" ? value.value : undefined;
  });

test("a version is one build whatever its case, unless it comes with two dates", () => {
  assert.deepEqual(bios({ version: "F31 f31 F32 F31", date: "08/05/2025 08/05/2025 01/02/2026 -" }), [
    "F31",
    "F31",
    "F32",
    "F31",
  ]);
  assert.deepEqual(bios({ version: "F31 F31 F32 F31", date: "08/05/2025 09/06/2025 01/02/2026 -" }), [
    "F31 of 2025-08-05",
    "F31 of 2025-09-06",
    "F32",
    undefined,
  ]);
});

test("where only a date is on record it is the one build of that date, and else a build by itself", () => {
  assert.deepEqual(bios({ version: "F31 - - -", date: "08/05/2025 08/05/2025 09/06/2025 -" }), [
    "F31",
    "F31",
    "of 2025-09-06",
    undefined,
  ]);
  const twoOfOneDay = { version: "F31 F32 - -", date: "08/05/2025 08/05/2025 08/05/2025 yesterday" };
  assert.deepEqual(bios(twoOfOneDay), ["F31", "F32", "of 2025-08-05", "of yesterday"]);
  assert.deepEqual(
    bios({ version: "- F31 - -", date: "- - - -", release: "5.27 5.27 5.28 -" }),
    ["of 5.27", "F31", "of 5.28", undefined],
    "a release is no date of a version",
  );
});

test("starts without facts have no build", () => {
  assert.deepEqual(bios({ version: "F31 F32 F31 -" }, [-1, 1, -1, 0]), [undefined, "F32", undefined, "F31"]);
});

test("kernels are told apart by their builds too", () => {
  const table = tableOf({ "kernel.release": "6.12 6.12 6.13", "kernel.build": "#1 #2 #1" });
  assert.deepEqual(shown(kernelBuilds(Int32Array.of(0, 1, 2), table)), ["6.12 of #1", "6.12 of #2", "6.13"]);
});
