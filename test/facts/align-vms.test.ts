import assert from "node:assert/strict";
import { test } from "node:test";
import { diffSnapshots } from "../../src/facts/diff-snapshots.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import type { Fact, FactContent } from "../../src/model/fact.ts";

type Vms = Readonly<Record<string, Readonly<Record<string, FactContent>>>>;

function snapshotOf(vms: Vms) {
  const fact = (key: string, value: FactContent): Fact => ({
    group: "vm",
    key,
    value: { state: "value", value },
  });
  return makeSnapshot([
    fact("vm", "listed"),
    ...Object.entries(vms).flatMap(([name, values]) =>
      Object.entries(values).map(([attribute, value]) => fact(`vm.${name}.${attribute}`, value)),
    ),
  ]);
}

const sentences = (before: Vms, after: Vms) =>
  diffSnapshots(snapshotOf(before), snapshotOf(after)).map(({ sentence }) => sentence);

test("a renamed VM has changed in nothing, and in what has changed besides under its new name", () => {
  const was = { identity: "a", machine: "q35", memory: "8 GiB" };
  const other = { identity: "b", machine: "q35" };
  const before = { win10: was, other: { ...other, "shares-with": ["win10"] } };
  assert.deepEqual(sentences(before, { win11: was, other: { ...other, "shares-with": ["win11"] } }), []);
  const [only, ...more] = sentences(before, {
    win11: { ...was, memory: "16 GiB" },
    other: { ...other, "shares-with": ["win11"] },
  });
  assert.match(only ?? "", /'win11'.*8 GiB → 16 GiB/);
  assert.deepEqual(more, []);
});

test("VMs that change names are each what they were, and one whose name was taken is gone", () => {
  const [one, two] = [
    { identity: "a", machine: "q35" },
    { identity: "b", machine: "i440fx" },
  ];
  assert.deepEqual(sentences({ x: one, y: two }, { x: two, y: one }), []);
  assert.deepEqual(sentences({ x: one, y: two }, { y: one }), ["VM 'y (before)' was deleted"]);
});

test("one that was made anew is said to be; what was not known of an older snapshot is no change", () => {
  assert.deepEqual(
    sentences({ x: { identity: "a", machine: "q35" } }, { x: { identity: "b", machine: "q35" } }),
    ["VM 'x' was made anew, under another UUID"],
  );
  assert.deepEqual(sentences({ x: { machine: "q35" } }, { x: { identity: "b", machine: "q35" } }), []);
});
