import assert from "node:assert/strict";
import { it } from "node:test";
import { textOf } from "../../src/facts/fact-value.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import { readFactTable } from "../../src/history/read-fact-table.ts";
import { joinRenamedFacts } from "../../src/history/renamed-vms.ts";
import type { Fact } from "../../src/model/fact.ts";
import { vmName } from "../../src/model/identifiers.ts";
import { withStore } from "../store/samples.ts";

const fact = (key: string, value: string | readonly string[]): Fact => ({
  group: "vm",
  key,
  value: { state: "value", value },
});
const vm = (name: string, identity: string, memory: string): Fact[] => [
  fact(`vm.${name}.devices`, ["0000:01:00.0"]),
  fact(`vm.${name}.memory`, memory),
  ...(identity === "" ? [] : [fact(`vm.${name}.identity`, identity)]),
];

/** The memory of the VM that is called `newest` today, at each snapshot. */
function memoryOf(newest: string, former: string, snapshots: readonly Fact[][]): readonly unknown[] {
  let told: readonly unknown[] = [];
  withStore((store) => {
    const stored = snapshots.map((facts) => makeSnapshot(facts));
    store.batched(() => {
      for (const snapshot of stored) store.snapshots.save(snapshot);
    });
    const read = readFactTable(
      store.snapshots,
      stored.map(({ id }) => id),
    );
    const places = stored.map(({ id }) => read.placeOf.get(id) ?? -1);
    const table = joinRenamedFacts(read.table, new Map([[vmName(former), vmName(newest)]]), places);
    told = places.map((place) => textOf(table.valueAt(`vm.${newest}.memory`, place)));
  });
  return told;
}

it("gives a renamed VM what was known of it under its former name, whoever is called so since", () => {
  assert.deepEqual(
    memoryOf("new", "old", [
      vm("old", "x", "4 GiB"),
      [...vm("new", "x", "8 GiB"), ...vm("old", "y", "1 GiB")],
      [...vm("new", "x", "16 GiB"), ...vm("old", "y", "2 GiB")],
    ]),
    ["4 GiB", "8 GiB", "16 GiB"],
  );
});

it("tells two VMs apart that took each other's names", () => {
  const lives = [
    [...vm("a", "x", "4 GiB"), ...vm("b", "y", "1 GiB")],
    [...vm("b", "x", "8 GiB"), ...vm("a", "y", "2 GiB")],
  ];
  assert.deepEqual(memoryOf("b", "a", lives), ["4 GiB", "8 GiB"]);
  assert.deepEqual(memoryOf("a", "b", lives), ["1 GiB", "2 GiB"]);
});

it("goes by the name where no identity is known, and over one that was made anew", () => {
  assert.deepEqual(
    memoryOf("new", "old", [
      vm("old", "", "4 GiB"),
      vm("new", "", "8 GiB"),
      vm("new", "x", "9 GiB"),
      vm("new", "z", "16 GiB"),
    ]),
    ["4 GiB", "8 GiB", "9 GiB", "16 GiB"],
  );
});
