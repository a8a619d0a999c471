import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readFactTable } from "../../src/history/read-fact-table.ts";
import type { Fact, Snapshot } from "../../src/model/fact.ts";
import { type Bdf, bootId } from "../../src/model/identifiers.ts";
import type { Store } from "../../src/store/store.ts";
import { BOOT, fact, GPU, START, sampleAttempt, snapshot, withStore } from "./samples.ts";

const ids = (store: Store) => store.boots.list().map(({ id }) => String(id));

test("live boots keep their order however the wall clock jumps", () =>
  withStore((store) => {
    for (const [id, startedAt] of [
      ["first", START],
      ["ahead", START + 50 * 365 * 86_400_000],
      ["back in 1970", 1000],
      ["same time", 1000],
    ] as const)
      store.boots.begin({ id: bootId(id), startedAt, origin: "live" });
    assert.deepEqual(ids(store), ["first", "ahead", "back in 1970", "same time"]);
    assert.deepEqual(
      store.boots.list().map(({ ordinal }) => ordinal),
      [1, 2, 3, 4],
    );
  }));

test("imported boots find their place between the others, in whatever order they come", () =>
  fc.assert(
    fc.asyncProperty(fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12], { minLength: 3 }), (imported) =>
      withStore((store) => {
        store.boots.begin({ id: bootId("live-10"), startedAt: START + 10, origin: "live" });
        store.boots.begin({ id: bootId("live-1970"), startedAt: 5, origin: "live" });
        store.boots.begin({ id: bootId("live-20"), startedAt: START + 20, origin: "live" });
        for (const day of imported)
          store.boots.begin({ id: bootId(`${day}`), startedAt: START + day, origin: "imported" });
        const days = ids(store)
          .filter((id) => id !== "live-1970")
          .map((id) => Number(id.replace("live-", "")));
        assert.deepEqual(
          days,
          [...days].sort((a, b) => a - b),
        );
        assert.ok(ids(store).indexOf("live-1970") > ids(store).indexOf("live-10"));
      }),
    ),
    { numRuns: 15 },
  ));

test("many boots between two neighbours never run out of room", () =>
  withStore((store) => {
    store.boots.begin({ id: bootId("z"), startedAt: START + 1_000_000, origin: "live" });
    const count = 70;
    for (let index = count; index > 0; index--)
      store.boots.begin({ id: bootId(`${index}`), startedAt: START + index, origin: "imported" });
    assert.deepEqual(ids(store), [...Array.from({ length: count }, (_, index) => `${index + 1}`), "z"]);
  }));

test("boots that crowd between two neighbours keep their order, each with its starts", () =>
  withStore((store) => {
    store.boots.begin({ id: bootId("before"), startedAt: START - 9, origin: "live" });
    store.boots.begin({ id: bootId("first"), startedAt: START, origin: "live" });
    store.boots.begin({ id: bootId("last"), startedAt: START + 1_000_000, origin: "live" });
    const ordinalsOfStarts = () =>
      store.attempts.list().map(({ bootId, bootOrdinal }) => [String(bootId), bootOrdinal]);
    const count = 45;
    // Each between the one before it and the last: room is halved each time until all are numbered anew.
    for (let index = 1; index <= count; index++) {
      const id = bootId(`${index}`);
      store.boots.begin({ id, startedAt: START + index, origin: "imported" });
      store.attempts.save(
        sampleAttempt({
          id: `start ${index}`,
          bootId: id,
          openedAt: START + index,
          closedAt: START + index,
          evidence: [],
        }),
        { origin: "imported" },
      );
      assert.deepEqual(ordinalsOfStarts()[0], [`${index}`, index + 2]);
    }
    const between = Array.from({ length: count }, (_, index) => `${index + 1}`);
    assert.deepEqual(ids(store), ["before", "first", ...between, "last"]);
    assert.deepEqual(
      store.boots
        .list()
        .map(({ id, ordinal }) => [store.boots.ordinalOf(id), store.boots.get(id)?.ordinal, ordinal]),
      Array.from({ length: count + 3 }, (_, index) => [index + 1, index + 1, index + 1]),
    );
    assert.equal(store.boots.ordinalOf(bootId("nobody's")), undefined);
  }));

test("starts are counted by the boots that are left when old ones were removed", () =>
  withStore((store) => {
    const startedAt = START + 500 * 86_400_000;
    store.boots.begin({ id: bootId("without anything"), startedAt: START, origin: "live" });
    store.boots.begin({ id: BOOT, startedAt, origin: "live" });
    store.attempts.save(sampleAttempt({ openedAt: startedAt + 1, closedAt: startedAt + 2 }), {
      origin: "live",
    });
    const ordinals = () => store.attempts.list().map(({ bootOrdinal }) => bootOrdinal);
    assert.deepEqual(ordinals(), [2]);
    const limits = { now: startedAt + 9, maxAgeMs: 100 * 86_400_000, maxBytes: 1e12 };
    while (!store.prune(limits).done);
    assert.deepEqual(ids(store), [String(BOOT)]);
    assert.deepEqual(ordinals(), [1]);
  }));

test("a known boot only learns what was not known", () =>
  withStore((store) => {
    store.boots.begin({ id: BOOT, startedAt: START, origin: "live" });
    store.boots.touch(BOOT, START + 500);
    store.boots.end(BOOT, "unclean");
    store.boots.begin({
      id: BOOT,
      startedAt: START - 9,
      lastSeenAt: START + 900,
      end: "clean",
      origin: "imported",
    });
    assert.deepEqual(store.boots.list(), [
      {
        id: BOOT,
        ordinal: 1,
        startedAt: START,
        lastSeenAt: START + 900,
        end: "unclean",
        origin: "live",
        snapshotId: undefined,
      },
    ]);
  }));

test("an unchanged machine adds nothing", () =>
  withStore((store) => {
    const facts = snapshot("s1", [fact("bios.version", "A63"), fact("kernel.release", "6.12", "kernel")]);
    assert.equal(store.snapshots.save(facts), true);
    assert.equal(
      store.snapshots.link({ bootId: BOOT, at: START, snapshotId: "s1", reason: "service start" }),
      true,
    );
    const before = store.stats();
    assert.equal(store.snapshots.save(facts), false);
    assert.equal(
      store.snapshots.link({ bootId: BOOT, at: START + 9, snapshotId: "s1", reason: "schedule" }),
      false,
    );
    assert.deepEqual(store.stats(), before);
    assert.equal(store.boots.get(BOOT)?.snapshotId, "s1");
  }));

test("within a boot the machine may go back to what it was", () =>
  withStore((store) => {
    for (const id of ["s1", "s2"]) store.snapshots.save(snapshot(id, [fact("a", id)]));
    ["s1", "s2", "s2", "s1"].forEach((snapshotId, index) => {
      store.snapshots.link({ bootId: BOOT, at: START + index, snapshotId, reason: "config file" });
    });
    assert.deepEqual(
      store.snapshots.timeline(BOOT).map(({ at, snapshotId }) => [at - START, snapshotId]),
      [
        [0, "s1"],
        [1, "s2"],
        [3, "s1"],
      ],
    );
  }));

const plain = { noNullPrototype: true };
const anyFacts: fc.Arbitrary<readonly Fact[]> = fc.uniqueArray(
  fc.record(
    {
      group: fc.constantFrom("firmware" as const, "pci" as const, "vm" as const),
      key: fc.constantFrom(..."abcdefghijkl"),
      value: fc.oneof(
        fc.record(
          { state: fc.constant("value" as const), value: fc.constantFrom("1", "2", "", "x\0y") },
          plain,
        ),
        fc.record({ state: fc.constant("absent" as const) }, plain),
        fc.record({ state: fc.constant("unknown" as const), why: fc.constantFrom("needs root", "") }, plain),
      ),
    },
    plain,
  ),
  { selector: ({ group, key }) => `${group} ${key}`, maxLength: 24 },
);

const sorted = (facts: readonly Fact[]) =>
  [...facts].sort((a, b) => {
    const rank = ["firmware", "pci", "vm"];
    return rank.indexOf(a.group) - rank.indexOf(b.group) || (a.key < b.key ? -1 : 1);
  });

test("any series of snapshots comes back, and its differences are those of the facts", () =>
  fc.assert(
    fc.asyncProperty(fc.array(anyFacts, { minLength: 2, maxLength: 8 }), (series) =>
      withStore((store) => {
        const all = series.map((facts, index): Snapshot => ({ id: `s${index}`, facts: sorted(facts) }));
        for (const one of all) store.snapshots.save(one);
        for (const one of all) assert.deepEqual(store.snapshots.get(one.id), one);
        assert.equal(store.snapshots.get("none"), undefined);
        const read = readFactTable(store.snapshots, ["none", ...all.map(({ id }) => id)]);
        assert.equal(read.get("none"), undefined);
        for (const one of all) assert.deepEqual(read.get(one.id), one);

        const valueIn = (one: Snapshot, like: { group: string; key: string }) =>
          one.facts.find(({ group, key }) => group === like.group && key === like.key)?.value;
        const names = new Map(
          all.flatMap(({ facts }) => facts).map((each) => [`${each.group} ${each.key}`, each]),
        );
        const ids = all.map(({ id }) => id);
        const { varying, constants, stored } = store.snapshots.series(ids);
        assert.deepEqual(
          stored,
          all.map(() => true),
        );
        for (const each of names.values()) {
          const truth = all.map((one) => valueIn(one, each));
          const row = varying.find(({ group, key }) => group === each.group && key === each.key);
          const same = truth.every((value) => JSON.stringify(value) === JSON.stringify(truth[0]));
          assert.equal(row === undefined, same);
          const constant = constants.find(({ group, key }) => group === each.group && key === each.key);
          assert.deepEqual(constant?.value, same ? truth[0] : undefined);
          if (row !== undefined)
            assert.deepEqual(
              Array.from(row.indexes, (index) => row.values[index]),
              truth,
            );
        }
        const isWanted = (key: string) => "acegik".includes(key);
        const some = store.snapshots.series(["none", ...ids], isWanted);
        assert.deepEqual(some.stored, [false, ...stored]);
        assert.deepEqual(
          some.varying.map(({ values, indexes, ...row }) => ({
            ...row,
            there: Array.from(indexes, (index) => values[index]),
          })),
          varying
            .filter(({ key }) => isWanted(key))
            .map(({ values, indexes, ...row }) => ({
              ...row,
              there: [undefined, ...Array.from(indexes, (index) => values[index])],
            })),
        );
        assert.deepEqual(
          sorted(some.constants),
          sorted(constants).filter(({ key }) => isWanted(key)),
        );
      }),
    ),
    { numRuns: 40 },
  ));

test("what is not stored is undefined, and one fact can be asked alone", () =>
  withStore((store) => {
    assert.equal(store.snapshots.get("none"), undefined);
    store.snapshots.save(snapshot("s1", [fact("bios.version", "A63"), fact("bios.date", "2025-08-01")]));
    assert.deepEqual(store.snapshots.fact("s1", "bios.version"), fact("bios.version", "A63"));
    assert.equal(store.snapshots.fact("s1", "bios.vendor"), undefined);
    assert.equal(store.snapshots.has("s1"), true);
  }));

test("a device that vanished keeps the group it was last seen in", () =>
  withStore((store) => {
    const audio = "0000:01:00.1" as Bdf;
    const next = bootId("next");
    store.vms.rememberGroups(
      new Map([
        [GPU, 14],
        [audio, 14],
      ]),
      BOOT,
      START,
    );
    store.vms.rememberGroups(new Map([[audio, 15]]), next, START + 1);
    assert.deepEqual(store.vms.groupsOf([GPU, audio]), [14, 15]);
    assert.deepEqual(store.vms.groups(next), new Map([[audio, 15]]));
    const before = store.stats();
    store.vms.rememberGroups(new Map([[audio, 15]]), next, START + 2);
    assert.deepEqual(store.stats(), before);
  }));
