import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { viewFacts } from "../../src/facts/presence.ts";
import { makeSnapshot } from "../../src/facts/snapshot.ts";
import { readFactTable } from "../../src/history/read-fact-table.ts";
import { arbitraryFacts } from "../helpers/arbitrary-facts.ts";
import { withStore } from "../store/samples.ts";

describe("many snapshots as one table", () => {
  it("answers for every key in every snapshot what that snapshot alone answers", async () => {
    await withStore((store) => {
      fc.assert(
        fc.property(fc.array(arbitraryFacts, { minLength: 1, maxLength: 5 }), (lists) => {
          const snapshots = [
            ...new Map(
              lists.map((facts) => makeSnapshot(facts)).map((snapshot) => [snapshot.id, snapshot]),
            ).values(),
          ];
          store.batched(() => {
            for (const snapshot of snapshots) store.snapshots.save(snapshot);
          });
          const { table } = readFactTable(
            store.snapshots,
            snapshots.map(({ id }) => id),
          );
          const keys = new Set(snapshots.flatMap(({ facts }) => facts.map(({ key }) => key)));
          for (const [place, snapshot] of snapshots.entries()) {
            const view = viewFacts(snapshot.facts);
            for (const key of keys) {
              const own = view.valueOf(key);
              const told = table.valueAt(key, place);
              assert.equal(told.state, own.state, `${key} in ${JSON.stringify(snapshot.facts)}`);
              if (own.state === "value") assert.deepEqual(told, own);
            }
          }
        }),
        { numRuns: 150 },
      );
    });
  });
});
