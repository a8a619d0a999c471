import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import { arbitraryFacts } from "../helpers/arbitrary-facts.ts";

test("the order in which facts were collected makes no difference to a snapshot", () => {
  fc.assert(
    fc.property(arbitraryFacts, fc.infiniteStream(fc.nat()), (facts, random) => {
      const shuffled = facts
        .map((fact) => ({ fact, at: random.next().value }))
        .sort((a, b) => a.at - b.at)
        .map(({ fact }) => fact);
      assert.deepEqual(makeSnapshot(shuffled), makeSnapshot(facts));
    }),
  );
});

test("another value, another reason or another state gives another id", () => {
  const of = (
    value: Parameters<typeof makeSnapshot>[0] extends Iterable<infer F> ? F["value" & keyof F] : never,
  ) => makeSnapshot([{ group: "kernel", key: "kernel.release", value }]).id;
  const ids = new Set([
    of({ state: "value", value: "a" }),
    of({ state: "value", value: "b" }),
    of({ state: "unknown", why: "a" }),
    of({ state: "absent" }),
    makeSnapshot([]).id,
  ]);
  assert.equal(ids.size, 5);
});

test("facts stand in the order in which their groups interest a reader", () => {
  const value = { state: "absent" } as const;
  const { facts } = makeSnapshot([
    { group: "vm", key: "vm", value },
    { group: "firmware", key: "firmware.z", value },
    { group: "firmware", key: "firmware.a", value },
  ]);
  assert.deepEqual(
    facts.map(({ key }) => key),
    ["firmware.a", "firmware.z", "vm"],
  );
});
