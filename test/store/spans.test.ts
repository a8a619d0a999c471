import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import fc from "fast-check";
import type { Fact, Snapshot } from "../../src/model/fact.ts";
import { bootId } from "../../src/model/identifiers.ts";
import { fact, START, snapshot, withStore } from "./samples.ts";

const DAY = 86_400_000;

const things = (kind: string, count: number, value: string): readonly Fact[] =>
  Array.from({ length: count }, (_, index) => fact(`${kind}.${index}`, value));

function countSpans(path: string): number {
  const plain = new Database(path, { readonly: true });
  const count = plain.prepare("SELECT count(*) FROM span").pluck().get();
  plain.close();
  return Number(count);
}

test("a new state of the host writes only what is new in it, whatever was seen in between", () =>
  withStore((store, path) => {
    const host = things("host", 200, "same");
    const vms = things("vm", 100, "same");
    const archive = things("archive", 50, "other");
    for (let boot = 0; boot < 30; boot++) {
      const kernel = fact("kernel.release", `6.12.${boot}`, "kernel");
      // Before libvirt answers, with all that it tells, and what somebody's archive knows of a host.
      store.snapshots.save(snapshot(`early ${boot}`, [kernel, ...host]));
      store.snapshots.save(snapshot(`whole ${boot}`, [kernel, ...host, ...vms]));
      store.snapshots.save(snapshot(`archive ${boot}`, [kernel, ...archive]));
    }
    assert.ok(countSpans(path) <= 200 + 300 + 50 + 3 * 30, `${countSpans(path)} spans`);
  }));

/** Facts of one moment: which of a dozen things there are, and which of three values each has. */
const someFacts = fc.array(fc.integer({ min: -1, max: 2 }), { minLength: 12, maxLength: 12 });

test("what is left when old boots are gone is what it was, and nothing is kept for those that are gone", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(someFacts, { minLength: 4, maxLength: 14 }),
      fc.array(fc.integer({ min: 0, max: 13 }), { maxLength: 3 }),
      (moments, prunedAfter) =>
        withStore((store, path) => {
          const truth = new Map<string, Snapshot>();
          moments.forEach((values, index) => {
            const facts = values.flatMap((value, thing) =>
              value < 0 ? [] : [fact(`thing.${String.fromCharCode(97 + thing)}`, `${value}`)],
            );
            const one = snapshot(values.join(","), facts);
            const boot = bootId(`boot ${index}`);
            // Every third boot is old: it stood before, or was taken in later.
            const at = index % 3 === 0 ? START - index * DAY : START + (100 + index) * DAY;
            store.boots.begin({ id: boot, startedAt: at, origin: at < START ? "imported" : "live" });
            store.snapshots.save(one);
            store.snapshots.link({ bootId: boot, at, snapshotId: one.id, reason: "service start" });
            truth.set(one.id, one);
            if (!prunedAfter.includes(index)) return;
            while (!store.prune({ now: START + 50 * DAY, maxAgeMs: 40 * DAY, maxBytes: 1e12 }).done);
          });
          while (!store.prune({ now: START + 50 * DAY, maxAgeMs: 40 * DAY, maxBytes: 1e12 }).done);
          const left = store.snapshots.inOrder();
          for (const id of left) assert.deepEqual(store.snapshots.get(id), truth.get(id));
          const known = new Set([...truth.values()].filter(({ id }) => store.snapshots.has(id)));
          const used = new Set([...known].flatMap(({ facts }) => facts.map((one) => JSON.stringify(one))));
          assert.equal(store.stats().rows.facts, used.size);
          if (used.size === 0) assert.equal(countSpans(path), 0);
        }),
    ),
    { numRuns: 60 },
  ));
