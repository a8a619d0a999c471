import assert from "node:assert/strict";
import { test } from "node:test";
import { createFaults } from "../../src/daemon/faults.ts";
import { StoreRefusal, type StoreTrouble, type StoreTroubleKind } from "../../src/store/refusal.ts";

function bench() {
  const logged: string[] = [];
  const troubles: StoreTroubleKind[] = [];
  const faults = createFaults({
    log: { error: (message) => logged.push(message) },
    onTrouble: ({ kind }) => troubles.push(kind),
  });
  return { faults, logged, troubles };
}

function refusal(kind: StoreTroubleKind): StoreRefusal {
  const trouble: StoreTrouble = { kind, since: 0, until: undefined, why: "why", remedy: "remedy", times: 1 };
  return new StoreRefusal(trouble);
}

test("a fault in what comes again by itself is logged once, says what failed, and is survived", () => {
  const { faults, logged } = bench();
  const bug = new TypeError("bug");
  for (let turn = 0; turn < 3; turn++)
    faults.outlive("looking at the host", () => {
      throw bug;
    });
  assert.equal(logged.length, 1);
  assert.match(logged[0] ?? "", /^looking at the host failed/);
});

test("a flood of different faults does not become a flood of log lines", () => {
  const { faults, logged } = bench();
  for (let number = 0; number < 1000; number++) faults.tell("taking", new Error(`bug ${number}`));
  assert.ok(logged.length < 100);
});

test("a disk that cannot be read is a trouble of the history, and a damaged history ends the service", () => {
  const { faults, logged, troubles } = bench();
  const refused = (kind: StoreTroubleKind) => () => {
    throw refusal(kind);
  };
  faults.outlive("looking", refused("input-output"));
  assert.deepEqual([troubles, logged], [["input-output"], []]);
  assert.throws(() => faults.outlive("looking", refused("damaged")), StoreRefusal);
});
